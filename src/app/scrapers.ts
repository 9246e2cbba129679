import type { MetricsServer } from '../admin/metrics-server.js'
import type { ListenPlace } from '../config/listen.js'
import type { ListeningHandle } from '../lib/listening-handle.js'
import type { Log } from '../observe/log.js'
import type { Metrics } from '../observe/metrics.js'
import type { RequestHandler } from '../server/request-handler.js'
import type { MetricsReporter } from '../workers/metrics-reporter.js'
import type { WorkerSeat } from '../workers/worker-seat.js'
import { ListenError } from './listen-error.js'
import { type MetricsPort, NO_METRICS, nameHost } from './ports.js'

/** Shows the metrics of a relay: at an address of its own, or of a worker to its primary. */
export class Scrapers {
  private readonly metrics: Metrics | null
  private readonly handler: RequestHandler
  private readonly log: Log
  private server: MetricsServer | null
  /** Of a worker: the primary shows its metrics. */
  private reporter: MetricsReporter | null

  /** @param metrics null if they are off */
  constructor(metrics: Metrics | null, handler: RequestHandler, log: Log) {
    this.metrics = metrics
    this.handler = handler
    this.log = log
    this.server = null
    this.reporter = null
  }

  /**
   * @param place null if the config has none
   * @param hosts names by which it may be called
   * @param worker null for a relay of one process
   * @throws {ListenError}
   */
  async listen(
    place: ListenPlace | null,
    hosts: readonly string[],
    worker: WorkerSeat | null,
  ): Promise<MetricsPort> {
    const { metrics, handler } = this
    if (metrics === null || place === null) return NO_METRICS
    const { createPage, MetricsServer } = await import('../admin/metrics-server.js')
    const page = createPage(metrics, handler)
    if (worker !== null) {
      const { MetricsReporter } = await import('../workers/metrics-reporter.js')
      const { link } = worker
      this.reporter = new MetricsReporter({
        link,
        list: () => metrics.list(handler),
        profiler: page.profiler,
      })
      return NO_METRICS
    }
    this.server = new MetricsServer(page, hosts, this.log)
    const bound = await this.server.listen(place).catch((error: unknown) => {
      throw new ListenError(place, 'metrics.listen', error)
    })
    return { metricsHost: nameHost(place, bound), metricsPort: bound.port }
  }

  /** The listening socket, for a process that takes over; null if there is none. */
  get handle(): ListeningHandle | null {
    return this.server?.handle ?? null
  }

  /** Another process has taken over. */
  retire(): void {
    this.server?.retire()
  }

  stop(): void {
    this.server?.close()
  }

  async close(): Promise<void> {
    await this.reporter?.close()
  }
}
