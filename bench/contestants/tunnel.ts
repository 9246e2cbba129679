import { connect, createServer } from 'node:net'

// The limit for any relay on Node: it copies bytes from one socket to the other without reading them.

const [port, upstreamPort] = process.argv.slice(2).map(Number)

createServer({ noDelay: true }, (client) => {
  const upstream = connect({ port: upstreamPort ?? 0, host: '127.0.0.1', noDelay: true })
  client.pipe(upstream)
  upstream.pipe(client)
  client.on('error', () => upstream.destroy())
  upstream.on('error', () => client.destroy())
  client.on('close', () => upstream.destroy())
  upstream.on('close', () => client.destroy())
}).listen({ port, host: '127.0.0.1', backlog: 4_096 })
