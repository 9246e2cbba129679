import type { SummarySink } from '../exchange/summary.js'
import type { Bookkeeper } from '../ledger/write/bookkeeper.js'
import type { PageRequests, PageSums } from '../page/source.js'
import type { AppOptions } from './app-options.js'

/** What is summed up for the page. */
export interface RollupWay {
  readonly rollups: PageSums
  readonly recent: PageRequests
  readonly sink: SummarySink
  close(): void
}

export async function openRollups(_: AppOptions, __: Bookkeeper | null): Promise<RollupWay | null> {
  return null
}
