import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { Keyring } from '../access/keyring.js'
import type { MetricsServer } from '../admin/metrics-server.js'
import type { Config } from '../config/config.js'
import type { ListenPlace } from '../config/listen.js'
import { markProcess } from '../ledger/starts.js'
import { ignore } from '../lib/ignore.js'
import { BoundCounters } from '../lib/limit-counters.js'
import { SnapshotWriter } from '../limits/snapshot/snapshot-writer.js'
import type { Log } from '../observe/log.js'
import type { PageServer } from '../page/page-server.js'
import { OwnObjectBooks } from '../stored/object-books.js'
import { LimitServer } from './limit-server.js'
import type { Link } from './link.js'
import type { RollupServer } from './rollup-server.js'
import { StoredServer } from './stored-server.js'
import { ThoughtServer } from './thought-server.js'
import type { WorkersLook } from './workers-look.js'
import type { WorkerCounts, WorkersMetrics } from './workers-metrics.js'

/** Milliseconds between two looks at what is due. */
const TICK_MS = 250

export interface SharedPartsOptions {
  readonly config: Config
  readonly log: Log
  /** Null if the relay has no key file. */
  readonly keyring: Pick<Keyring, 'list' | 'find'> | null
  readonly countWorkers: () => WorkerCounts
  /** The upstream is the built-in demo. */
  readonly isDemo?: boolean
  /** The page has changed the key file. */
  readonly reloadKeys?: () => void
  /** IANA name of the zone in which the page's days begin; null, or not given: there is no page. */
  readonly zone?: string | null
}

/**
 * What all workers share, in the primary: the counters of the limits, the stored objects, the thinking of earlier
 * turns, and the metrics and rollups of all.
 */
export class SharedParts {
  private readonly log: Log
  private readonly limits: LimitServer
  private readonly snapshot: SnapshotWriter
  private readonly objects: OwnObjectBooks
  private readonly stored: StoredServer
  private readonly thoughts: ThoughtServer
  /** Null without the page. */
  readonly rollups: RollupServer | null
  /** Null if metrics are off. */
  private readonly metrics: WorkersMetrics | null
  private metricsServer: MetricsServer | null
  private readonly options: SharedPartsOptions
  /** Null if there is no page. */
  private readonly look: WorkersLook | null
  private page: PageServer | null
  private readonly clock: NodeJS.Timeout
  private config: Config

  private constructor(
    options: SharedPartsOptions,
    metrics: WorkersMetrics | null,
    rollups: RollupServer | null,
    look: WorkersLook | null,
  ) {
    const { config, log, keyring } = options
    const bounds = metrics?.bounds ?? new BoundCounters()
    const { folder, fallbackFolder } = config.ledger
    this.log = log
    this.config = config
    this.metrics = metrics
    this.rollups = rollups
    this.metricsServer = null
    this.options = options
    this.look = look
    this.page = null
    this.limits = new LimitServer({
      config: config.limitRules,
      log,
      listKeyRules: () => keyring?.list().flatMap(({ limits }) => (limits === null ? [] : [limits])) ?? [],
      folders: fallbackFolder === null ? [folder] : [folder, fallbackFolder],
      bounds,
    })
    this.snapshot = createSnapshot(this.limits, folder, log)
    this.objects = new OwnObjectBooks(config.stored, join(folder, 'stored.jsonl'), log, () =>
      bounds.hit('storedObjects'),
    )
    this.stored = new StoredServer(this.objects)
    this.thoughts = new ThoughtServer(thoughtBoundsOf(config), () => bounds.hit('thinkingBytes'))
    this.clock = setInterval(() => this.limits.tick(performance.now()), TICK_MS).unref()
    metrics?.followLimits(() => this.limits.readFigures())
  }

  /** Reads what earlier starts have left. Called before the first worker. */
  static async open(options: SharedPartsOptions): Promise<SharedParts> {
    // Loaded only where it is used, as in a relay of one process.
    const metrics =
      options.config.metrics.listen === null
        ? null
        : new (await import('./workers-metrics.js')).WorkersMetrics(options.countWorkers)
    const rollups = await openRollups(options)
    const look = rollups === null ? null : new (await import('./workers-look.js')).WorkersLook()
    const parts = new SharedParts(options, metrics, rollups, look)
    parts.limits.begin()
    await parts.objects.load()
    return parts
  }

  /**
   * Listens for scrapers, if the config says so.
   * @returns the port; null if metrics are off
   * @throws the error of `listen`
   */
  async listen(): Promise<{ readonly host: string; readonly port: number } | null> {
    const { listen, hosts } = this.config.metrics
    if (listen === null || this.metrics === null) return null
    const { MetricsServer } = await import('../admin/metrics-server.js')
    this.metricsServer = new MetricsServer(this.metrics, hosts, this.log)
    const { address, port } = await this.metricsServer.listen(listen)
    return { host: listen.fd === undefined ? listen.host : address, port }
  }

  /**
   * Serves the page.
   * @param mayMove if the port is taken, the next one that is free will do
   * @throws the error of `listen`
   */
  async listenForOperators(
    place: ListenPlace,
    mayMove: boolean,
  ): Promise<{ readonly host: string; readonly port: number }> {
    const { openPrimaryPage } = await import('./primary-page.js')
    const { options, config, rollups, look, limits } = this
    if (look === null || rollups === null) throw new Error('there is no page')
    const parts = { ...options, config, look, limiter: limits.limiter, rollups }
    const { server, address } = await openPrimaryPage(parts, place, mayMove)
    this.page = server
    return { host: place.host, port: address.port }
  }

  /** @returns null if there is no page, or the config has a token for it. See `PageServer.printToken` */
  printPageToken(onSpent: () => void): string | null {
    return this.config.admin.token === null ? (this.page?.printToken(onSpent) ?? null) : null
  }

  /** Serves a worker that is about to start, until its link closes. */
  serve(number: number, link: Link): void {
    this.limits.serve(link, number)
    this.stored.follow(link)
    this.thoughts.follow(link)
    this.metrics?.follow(number, link)
    this.look?.follow(link)
    if (this.rollups !== null) this.rollups.follow(number, link)
    // A worker may have read a config by now that has a page: what it tells then would wait in memory.
    else link.receive('rollups', ignore)
  }

  /** All workers are ready: the folder of the ledger is there. */
  onReady(): void {
    this.snapshot.start()
  }

  /** Follows another config, ahead of the workers. */
  reconfigure(config: Config): void {
    const before = this.config
    this.config = config
    this.limits.reconfigure(config.limitRules)
    this.page?.reconfigure(config.admin)
    if (!isDeepStrictEqual(config.cursor, before.cursor)) this.thoughts.reconfigure(thoughtBoundsOf(config))
  }

  /** The key file was read again. */
  forgetKeys(): void {
    this.limits.forgetKeys()
  }

  /** Writes and sends what waits. The workers have ended. */
  async close(): Promise<void> {
    clearInterval(this.clock)
    this.metricsServer?.close()
    this.page?.close()
    this.rollups?.close()
    await Promise.all([this.limits.close(), this.objects.close()])
    await this.snapshot.close()
  }

  /** The same at an end that waits for nothing. */
  endNow(): void {
    this.page?.close()
    this.limits.endNow()
    this.objects.flushNow()
    this.snapshot.endNow()
  }
}

/** Loaded only where it is used. The zone is null without the page. */
async function openRollups({ config, log, zone = null }: SharedPartsOptions): Promise<RollupServer | null> {
  if (zone === null) return null
  const { RollupServer } = await import('./rollup-server.js')
  return RollupServer.open({ config, zone, log })
}

/** Leaves what the primary counts beside the ledger, for commands. */
function createSnapshot(limits: LimitServer, folder: string, log: Log): SnapshotWriter {
  const { limiter, store } = limits
  return new SnapshotWriter({
    folder,
    store: {
      list: () => limiter.listClaims(),
      read: (claim, now, at) => store.read(claim, now, at),
      get changes() {
        return limits.changes
      },
    },
    // It makes no records: the name only tells one start from another.
    owner: {
      writer: `primary-${randomBytes(6).toString('hex')}`,
      started: new Date().toISOString(),
      ...markProcess(),
    },
    counted: () => limits.counted,
    listWorkers: () => limits.listWorkers(),
    isRestored: () => limiter.isRestored,
    log,
  })
}

function thoughtBoundsOf({ cursor }: Config): { readonly maxBytes: number; readonly maxAgeMs: number } {
  return { maxBytes: cursor.thinkingBytes, maxAgeMs: cursor.thinkingMs }
}
