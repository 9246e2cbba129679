import { type AddressInfo, connect, createServer } from 'node:net'

/** Ports of 127.0.0.1 that are free at this moment: for programs that have to know their port before they start. */
export async function findPorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  // All are open at one time, so that none is given twice.
  const ports = await Promise.all(
    servers.map(async (server) => {
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      return (server.address() as AddressInfo).port
    }),
  )
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
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
