import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net'

/**
 * A TCP proxy that passes bytes both ways, and can spoil them. When it goes silent it stops forwarding and closes
 * nothing, as a NAT does that has forgotten a connection; but its kernel still acknowledges what it gets.
 */
export class TcpProxy {
  /** Connections that were accepted, silent ones included. */
  connections = 0
  /** Changes what an upstream sends on its way to the client. */
  spoil: ((piece: Buffer) => Buffer) | null = null
  private readonly server: Server
  private readonly pairs = new Set<Pair>()

  private constructor(server: Server) {
    this.server = server
  }

  /** @param port of the upstream, on this machine */
  static async start(port: number): Promise<TcpProxy> {
    const server = createServer({ noDelay: true, allowHalfOpen: true })
    const proxy = new TcpProxy(server)
    server.on('connection', (client: Socket) => proxy.join(client, port))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return proxy
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  /** Connections that are open now pass nothing from here on, not even a close. Later ones pass everything. */
  silence(): void {
    for (const pair of this.pairs) pair.isSilent = true
  }

  async close(): Promise<void> {
    for (const { client, upstream } of this.pairs) {
      client.destroy()
      upstream.destroy()
    }
    await new Promise<void>((resolve) => this.server.close(() => resolve()))
  }

  private join(client: Socket, port: number): void {
    this.connections++
    const upstream = connect({ port, host: '127.0.0.1', noDelay: true, allowHalfOpen: true })
    const pair: Pair = { client, upstream, isSilent: false }
    this.pairs.add(pair)
    this.forward(pair, client, upstream, null)
    this.forward(pair, upstream, client, (piece) => this.spoil?.(piece) ?? piece)
  }

  private forward(pair: Pair, from: Socket, to: Socket, change: ((piece: Buffer) => Buffer) | null): void {
    from.on('data', (piece: Buffer) => {
      if (!pair.isSilent) to.write(change === null ? piece : change(piece))
    })
    from.on('end', () => {
      if (!pair.isSilent) to.end()
    })
    from.on('error', () => {})
    from.on('close', () => {
      if (!pair.isSilent) to.destroy()
      if (pair.client.destroyed && pair.upstream.destroyed) this.pairs.delete(pair)
    })
  }
}

interface Pair {
  readonly client: Socket
  readonly upstream: Socket
  isSilent: boolean
}
