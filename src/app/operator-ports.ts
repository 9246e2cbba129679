import type { MetricsServer } from '../admin/metrics-server.js'
import type { Config } from '../config/config.js'
import type { ListeningHandle } from '../lib/listening-handle.js'
import type { PageServer } from '../page/page-server.js'
import type { MetricsReporter } from '../workers/metrics-reporter.js'
import type { AppOptions } from './app-options.js'
import type { AppParts } from './app-parts.js'
import { openMetrics } from './metrics-port.js'
import { openPagePort } from './page-port.js'
import type { MetricsPort, PagePort } from './ports.js'

/** What of a relay operators use: metrics, and the page. */
export class OperatorPorts {
  readonly ports: MetricsPort & PagePort
  private readonly metrics: MetricsServer | null
  /** Of a worker: the primary shows its metrics. */
  private readonly reporter: MetricsReporter | null
  /** Null without a page, and in a worker. */
  readonly page: PageServer | null

  private constructor(
    ports: MetricsPort & PagePort,
    metrics: MetricsServer | null,
    reporter: MetricsReporter | null,
    page: PageServer | null,
  ) {
    this.ports = ports
    this.metrics = metrics
    this.reporter = reporter
    this.page = page
  }

  /**
   * Listens for operators, where the config says so.
   * @param reloadKeys called when the page has changed the key file
   * @throws {ListenError}
   */
  static async open(
    parts: Pick<AppParts, 'metrics' | 'handler' | 'limiter' | 'keyring' | 'rollups'>,
    config: Config,
    options: AppOptions,
    reloadKeys: () => void,
  ): Promise<OperatorPorts> {
    const { server, reporter, port } = await openMetrics(parts.metrics, parts.handler, config, options)
    try {
      const page = await openPagePort(parts, config, options, reloadKeys)
      return new OperatorPorts({ ...port, ...page.port }, server, reporter, page.server)
    } catch (error) {
      server?.close()
      throw error
    }
  }

  /** Follows another config. */
  reconfigure({ admin }: Config): void {
    this.page?.reconfigure(admin)
  }

  /** @returns null if there is no page. See `PageServer.printToken` */
  printToken(onSpent: () => void): string | null {
    return this.page?.printToken(onSpent) ?? null
  }

  /** The listening sockets, for a process that takes over; null where there is none. */
  get metricsHandle(): ListeningHandle | null {
    return this.metrics?.handle ?? null
  }

  get pageHandle(): ListeningHandle | null {
    return this.page?.handle ?? null
  }

  /** Another process has taken over. */
  retire(): void {
    this.metrics?.retire()
    this.page?.retire()
  }

  /** Closes all connections at once. */
  close(): void {
    this.metrics?.close()
    this.page?.close()
  }

  /** Tells the primary the last figures, behind `close`. */
  async end(): Promise<void> {
    await this.reporter?.close()
  }
}
