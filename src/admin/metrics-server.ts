import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ListenAddress } from '../config/listen.js'
import type { Metrics, MetricsSource } from '../observe/metrics.js'

/**
 * Responds to `GET /metrics` at an address of its own: metrics are for operators, and the relay's address is for
 * everyone. It checks no key, so the address should be on loopback or behind a firewall.
 */
export class MetricsServer {
  private readonly http: Server

  constructor(metrics: Metrics, source: MetricsSource) {
    this.http = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, (req, res) => {
      const path = (req.url ?? '').split('?', 1)[0]
      if ((req.method !== 'GET' && req.method !== 'HEAD') || path !== '/metrics') {
        res.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('GET /metrics\n')
        return
      }
      metrics.render(source).then(
        (text) => res.writeHead(200, { 'content-type': metrics.contentType }).end(text),
        () => res.writeHead(500).end(),
      )
    })
    // Only a few scrapers connect.
    this.http.maxConnections = 64
  }

  /**
   * Starts to listen.
   * @returns the address, with the port that was chosen for port 0
   * @throws the error of `listen`: EADDRINUSE, EACCES, EADDRNOTAVAIL
   */
  listen({ host, port }: ListenAddress): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.http.once('error', reject)
      this.http.listen({ host, port }, () => {
        this.http.removeListener('error', reject)
        this.http.on('error', () => {})
        resolve(this.http.address() as AddressInfo)
      })
    })
  }

  /** Stops listening and closes all connections at once. */
  close(): void {
    this.http.close()
    this.http.closeAllConnections()
  }
}
