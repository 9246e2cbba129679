import { connect } from 'node:tls'
import type { Received } from '../upstream.js'

/** Switches protocols, and sends back what comes. */
export async function echo(asked: Received): Promise<void> {
  asked.socket.on('data', (piece) => asked.socket.write(piece))
  await asked.write('HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n')
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
    socket.on('error', reject)
    socket.on('close', () => reject(new Error(`closed after ${got}`)))
  })
}
