import type { Config } from '../config/config.js'
import type { SummarySink } from '../exchange/summary.js'
import type { Prices } from '../ledger/prices.js'
import type { Bookkeeper } from '../ledger/write/bookkeeper.js'
import type { Log } from '../observe/log.js'
import type { RecordCeiling } from './rebuild/collector.js'
import { Rebuilder } from './rebuild/rebuilder.js'
import { RecentRequests } from './recent-requests.js'
import { RecordFeed } from './record-feed.js'
import { Rollups } from './rollups.js'

/** What the page asks. */
export interface RollupParts {
  readonly rollups: Rollups
  readonly recent: RecentRequests
}

export interface RollupSettings {
  readonly config: Pick<Config, 'ledger' | 'upstreams'>
  /** IANA name of the zone in which days and months begin. */
  readonly zone: string
  readonly log: Pick<Log, 'info' | 'warn'>
}

/** The process whose place this one takes. */
export interface Predecessor {
  /** Up to where its records are the ledger's; the later ones come to `take`. Null if it records nothing. */
  readonly ceiling: RecordCeiling | null
  /** Resolves when those that are the ledger's are in a file, or when it was waited for long enough. */
  whenWritten(): Promise<void>
  /** Whether the record with this id has come to `take`. */
  hasCounted(id: string): boolean
}

export interface LocalOptions extends RollupSettings {
  /** Null: no records are made. */
  readonly ledger: Bookkeeper | null
  /** Null if costs are switched off. */
  readonly prices: Prices | null
  /** Null: this process takes the place of none. */
  readonly predecessor: Predecessor | null
}

/** The rollups of a relay of one process. */
export class LocalRollups implements RollupParts {
  readonly rollups: Rollups
  readonly recent: RecentRequests
  /** To be put behind the ledger. */
  readonly sink: SummarySink
  private readonly feed: RecordFeed
  private readonly rebuilder: Rebuilder

  private constructor(settings: LocalOptions) {
    const { ledger, prices, predecessor } = settings
    this.rollups = new Rollups({ zone: settings.zone })
    this.recent = new RecentRequests()
    this.rebuilder = createRebuilder(settings, this)
    const onLine = (line: string): void => this.recent.add(line)
    const isTaken = (id: string): boolean => predecessor?.hasCounted(id) === true
    this.feed = new RecordFeed(ledger, prices, onLine, () => this.addRows(), isTaken)
    this.sink = this.feed
  }

  /** Looks at the ledger, before the relay writes to it, and begins to read it in the background. */
  static async open(options: LocalOptions): Promise<LocalRollups> {
    const local = new LocalRollups(options)
    const { ledger, predecessor } = options
    if (ledger === null) return local
    // Else those of its last milliseconds would be in no sum.
    await predecessor?.whenWritten()
    void local.rebuilder.readAll(await local.rebuilder.look(), predecessor?.ceiling ?? null)
    return local
  }

  /** Counts a record that the process before this one has made behind those that are the ledger's. */
  take(line: string): void {
    this.feed.take(line)
  }

  close(): void {
    this.feed.close()
    this.rebuilder.close()
  }

  private addRows(): void {
    for (const batch of this.feed.counts.takeRows()) this.rollups.add(batch)
  }
}

/** Reads the ledger of a config for the rollups. */
export function createRebuilder(
  { config, log }: RollupSettings,
  { rollups, recent }: RollupParts,
): Rebuilder {
  const { folder, fallbackFolder, prices } = config.ledger
  const upstreams = config.upstreams.map(({ name, preset, origin, priceProvider }) => {
    return { name, preset, origin, priceProvider }
  })
  return new Rebuilder({
    rollups,
    recent,
    log,
    folders: fallbackFolder === null ? [folder] : [folder, fallbackFolder],
    prices: prices === false ? null : { setting: prices, upstreams },
  })
}
