import { connect, createServer } from 'node:net'

/**
 * Below the ports that systems give to whoever asks for any: a front goes on asking for a relay that has ended, and in
 * the meantime a server of another test could be given its port.
 */
const LOWEST = 15_000
const HIGHEST = 32_000

/** Processes begin at different places, as they may look at one time. */
let next = (process.pid * 61) % (HIGHEST - LOWEST)

/** Ports of 127.0.0.1 that are free at this moment: for programs that have to know their port before they start. */
export async function findPorts(count: number): Promise<number[]> {
  const ports: number[] = []
  while (ports.length < count) {
    const port = LOWEST + next
    next = (next + 1) % (HIGHEST - LOWEST)
    if (await isFree(port)) ports.push(port)
  }
  return ports
}

function isFree(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.on('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })
}

/** Whether something listens on this port of 127.0.0.1. */
export function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

/** Waits until something listens on this port, or `stop` says that nothing will. */
export async function awaitPort(
  port: number,
  what: string,
  stop: () => string | null = () => null,
): Promise<void> {
  const deadline = Date.now() + 30_000
  while (!(await accepts(port))) {
    const reason = stop()
    if (reason !== null) throw new Error(`${what} ended before it listened: ${reason}`)
    if (Date.now() > deadline) throw new Error(`waited in vain for ${what} to listen`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
