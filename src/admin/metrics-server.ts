import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { isLoopback, type ListenPlace } from '../config/listen.js'
import { isSafeHost } from '../http/host.js'
import { bindServer } from '../lib/bind-server.js'
import { findListeningHandle, type ListeningHandle } from '../lib/listening-handle.js'
import type { Log } from '../observe/log.js'
import type { Metrics, MetricsSource } from '../observe/metrics.js'
import { PROFILE_PATH, ProfileEndpoint, type Profiler } from './profile-endpoint.js'

/** What the metrics server shows: of this process, or of all workers. */
export interface MetricsPage {
  /** Value of the content-type header. */
  readonly contentType: string
  readonly profiler: Profiler
  render(): Promise<string>
}

/** The page of a relay in one process. */
export function createPage(metrics: Metrics, source: MetricsSource): MetricsPage {
  return {
    contentType: metrics.contentType,
    render: () => metrics.render(source),
    profiler: {
      has: (worker) => worker === 1,
      // Loaded only where it is used: it makes every start slower.
      take: async (options) =>
        (await import('./cpu-profiler.js')).takeProfile({ ...options, counter: metrics }),
    },
  }
}

/**
 * Responds to `GET /metrics` at an address of its own: metrics are for operators, and the relay's address is for
 * everyone. It checks no key, so the address should be on loopback or behind a firewall. On loopback it also responds
 * to `POST /profile`.
 */
export class MetricsServer {
  private readonly http: Server
  private readonly profiles: ProfileEndpoint

  /** @param hosts names by which it may be called, besides those that cannot be a web page's */
  constructor(page: MetricsPage, hosts: readonly string[], log: Pick<Log, 'info'>) {
    const names = hosts.map((host) => host.toLowerCase())
    this.profiles = new ProfileEndpoint(page.profiler, log)
    this.http = createServer({ requestTimeout: 10_000, headersTimeout: 5_000 }, (req, res) => {
      // Scrapers do not pipeline, and each response is as large as all metrics.
      if (res.socket === null) {
        req.socket.destroy()
        return
      }
      if (!isSafeHost(req.rawHeaders, req.httpVersionMinor, names, true)) {
        res.writeHead(421, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' })
        res.end('This name is not known here. Add it to metrics.hosts, or use the IP address.\n')
        return
      }
      const path = (req.url ?? '').split('?', 1)[0]
      if (path === PROFILE_PATH) {
        void this.profiles.answer(req, res)
        return
      }
      if ((req.method !== 'GET' && req.method !== 'HEAD') || path !== '/metrics') {
        res.writeHead(404, { 'content-type': 'text/plain; charset=utf-8' }).end('GET /metrics\n')
        return
      }
      page.render().then(
        (text) => res.writeHead(200, { 'content-type': page.contentType }).end(text),
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
  async listen(place: ListenPlace): Promise<AddressInfo> {
    const address = await bindServer(this.http, place)
    this.profiles.isLocal = isLoopback(place.fd === undefined ? place.host : address.address)
    this.http.on('error', () => {})
    return address
  }

  /** The listening socket, for a process that takes over; null while there is none. */
  get handle(): ListeningHandle | null {
    return findListeningHandle(this.http)
  }

  /** Stops listening, as another process has taken over. What is asked already is answered. */
  retire(): void {
    this.http.close()
  }

  /** Stops listening and closes all connections at once. */
  close(): void {
    this.profiles.close()
    this.http.close()
    this.http.closeAllConnections()
  }
}
