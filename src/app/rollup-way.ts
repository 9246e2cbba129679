import type { SummarySink } from '../exchange/summary.js'
import type { Bookkeeper } from '../ledger/write/bookkeeper.js'
import { ignore } from '../lib/ignore.js'
import type { RollupParts } from '../rollups/local-rollups.js'
import type { AppOptions } from './app-options.js'

/** What is summed up for the page. */
export interface RollupWay {
  /** Null in a worker: the primary has them. */
  readonly parts: RollupParts | null
  /** Goes behind the ledger. */
  readonly sink: SummarySink
  /** Counts what the process before this one records while this one starts and serves. */
  take(line: string): void
  /** Called when all records are made. */
  close(): void
}

/**
 * Begins to sum up requests for the page. Nothing of it is loaded where there is no page.
 * @param ledger null if this relay writes none
 * @returns null without a page
 */
export async function openRollups(
  { config, log, prices, worker = null, inheritance }: AppOptions,
  ledger: Bookkeeper | null,
): Promise<RollupWay | null> {
  const { listen, timezone: zone } = config.admin
  if (listen === null) return null
  if (worker !== null) {
    const { RollupReporter } = await import('../workers/rollup-reporter.js')
    const reporter = new RollupReporter({ link: worker.link, ledger, prices })
    return { parts: null, sink: reporter.sink, take: ignore, close: () => reporter.close() }
  }
  const { LocalRollups } = await import('../rollups/local-rollups.js')
  const local = await LocalRollups.open({
    config,
    ledger,
    prices,
    zone,
    log,
    predecessor: inheritance ?? null,
  })
  return { parts: local, sink: local.sink, take: (line) => local.take(line), close: () => local.close() }
}
