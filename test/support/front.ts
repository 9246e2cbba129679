import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  request,
  type Server,
  type ServerOptions,
  type ServerResponse,
} from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { Certificate } from '../../scripts/certificate.js'

/** How a proxy in front of a relay misbehaves. Without a fault everything passes unchanged. */
export interface Faults {
  /** Responds itself. @returns whether it did */
  readonly respond?: (req: IncomingMessage, res: ServerResponse) => boolean
  /** Changes the headers of a response. */
  readonly headers?: (headers: IncomingMessage['headers'], req: IncomingMessage) => void
  /** Passes a response's body to the client in its own way; the head is set already. */
  readonly body?: (upstream: IncomingMessage, res: ServerResponse) => void
  readonly server?: ServerOptions
  readonly certificate?: Certificate
}

/** A proxy in front of a relay, with the given faults. */
export class FaultyFront {
  private readonly server: Server

  private constructor(server: Server) {
    this.server = server
  }

  static async start(port: number, faults: Faults = {}): Promise<FaultyFront> {
    const { certificate } = faults
    const options = { maxHeaderSize: 128 * 1024, ...faults.server }
    const handle: RequestListener = (req, res) => pass(port, req, res, faults)
    const server =
      certificate === undefined
        ? createServer(options, handle)
        : createSecureServer({ ...options, cert: certificate.cert, key: certificate.key }, handle)
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return new FaultyFront(server)
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()))
    this.server.closeAllConnections()
    await closed
  }
}

function pass(port: number, req: IncomingMessage, res: ServerResponse, faults: Faults): void {
  if (faults.respond?.(req, res) === true) {
    req.resume()
    return
  }
  const { method, url, headers } = req
  const onward = request({ port, host: '127.0.0.1', method, path: url, headers }, (upstream) => {
    const responseHeaders = { ...upstream.headers }
    delete responseHeaders.connection
    delete responseHeaders['keep-alive']
    faults.headers?.(responseHeaders, req)
    res.statusCode = upstream.statusCode ?? 0
    for (const [name, value] of Object.entries(responseHeaders)) {
      if (value !== undefined && name !== 'transfer-encoding') res.setHeader(name, value)
    }
    if (faults.body === undefined) upstream.on('data', (piece) => res.write(piece)).on('end', () => res.end())
    else faults.body(upstream, res)
    upstream.on('error', () => res.destroy())
  })
  onward.on('error', () => {
    if (!res.headersSent) res.writeHead(502, { 'content-type': 'text/html' })
    res.end('<html><head><title>502 Bad Gateway</title></head></html>')
  })
  req.pipe(onward)
  res.on('close', () => onward.destroy())
}
