import { connect } from 'node:tls'
import { head, type Received } from '../upstream.js'

/** Switches protocols, and sends back what comes. */
export async function echo(asked: Received): Promise<void> {
  asked.socket.on('data', (piece) => asked.socket.write(piece))
  // The answer to the key below (RFC 6455, 1.3), which HAProxy checks.
  const accept = 'sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo='
  await asked.write(head('101 Switching Protocols', 'connection: upgrade', 'upgrade: websocket', accept))
  await asked.hang()
}

/** Opens a WebSocket through a front and sends a few bytes. @returns what came back after the head */
export function sendByUpgrade(
  { port, host, ca }: { readonly port: number; readonly host: string; readonly ca: string },
  path: string,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', servername: host, ca, ALPNProtocols: ['http/1.1'] })
    const lines = [`GET ${path} HTTP/1.1`, `host: ${host}`, 'connection: upgrade', 'upgrade: websocket']
    const more = ['sec-websocket-version: 13', 'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==', '', '']
    let got = ''
    socket.write([...lines, ...more].join('\r\n'))
    socket.on('data', (piece: Buffer) => {
      if (got === '') socket.write('ping')
      got += piece.toString('latin1')
      if (!got.endsWith('ping')) return
      socket.destroy()
      resolve(got.slice(got.indexOf('\r\n\r\n') + 4))
    })
    socket.setTimeout(5_000, () => socket.destroy())
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`closed after ${got}`)))
  })
}
