import type { MetricsServer } from '../admin/metrics-server.js'
import type { Config } from '../config/config.js'
import type { Metrics } from '../observe/metrics.js'
import type { MetricsReporter } from '../workers/metrics-reporter.js'
import type { AppOptions } from './app-options.js'
import type { AppParts } from './app-parts.js'
import { ListenError } from './listen-error.js'
import { type MetricsPort, NO_METRICS, nameHost } from './ports.js'

/** Where metrics go: to scrapers, or to the primary, which shows those of all workers. */
export interface MetricsWay {
  readonly server: MetricsServer | null
  readonly reporter: MetricsReporter | null
  readonly port: MetricsPort
}

const NO_WAY: MetricsWay = { server: null, reporter: null, port: NO_METRICS }

/**
 * Listens for scrapers, if the config says so.
 * @param metrics null if they are off
 * @throws {ListenError}
 */
export async function openMetrics(
  metrics: Metrics | null,
  handler: AppParts['handler'],
  { metrics: { listen: place, hosts } }: Config,
  { worker = null, log }: AppOptions,
): Promise<MetricsWay> {
  if (place === null || metrics === null) return NO_WAY
  const { createPage, MetricsServer } = await import('../admin/metrics-server.js')
  const page = createPage(metrics, handler)
  if (worker !== null) {
    const { MetricsReporter } = await import('../workers/metrics-reporter.js')
    const { profiler } = page
    const reporter = new MetricsReporter({ link: worker.link, list: () => metrics.list(handler), profiler })
    return { ...NO_WAY, reporter }
  }
  const server = new MetricsServer(page, hosts, log)
  const bound = await server.listen(place).catch((error: unknown) => {
    throw new ListenError(place, 'metrics.listen', error)
  })
  const port = { metricsHost: nameHost(place, bound), metricsPort: bound.port }
  return { ...NO_WAY, server, port }
}
