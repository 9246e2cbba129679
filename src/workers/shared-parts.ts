import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { Keyring } from '../access/keyring.js'
import type { MetricsServer } from '../admin/metrics-server.js'
import type { Config } from '../config/config.js'
import { markProcess } from '../ledger/starts.js'
import { BoundCounters } from '../lib/limit-counters.js'
import { SnapshotWriter } from '../limits/snapshot/snapshot-writer.js'
import type { Log } from '../observe/log.js'
import { OwnObjectBooks } from '../stored/object-books.js'
import { LimitServer } from './limit-server.js'
import type { Link } from './link.js'
import { StoredServer } from './stored-server.js'
import { ThoughtServer } from './thought-server.js'
import type { WorkerCounts, WorkersMetrics } from './workers-metrics.js'

/** Milliseconds between two looks at what is due. */
const TICK_MS = 250

export interface SharedPartsOptions {
  readonly config: Config
  readonly log: Log
  /** Null if the relay has no key file. */
  readonly keyring: Pick<Keyring, 'list'> | null
  readonly countWorkers: () => WorkerCounts
}

/**
 * What all workers share, in the primary: the counters of the limits, the stored objects, the thinking of earlier
 * turns, and the metrics of all.
 */
export class SharedParts {
  private readonly log: Log
  private readonly limits: LimitServer
  private readonly snapshot: SnapshotWriter
  private readonly objects: OwnObjectBooks
  private readonly stored: StoredServer
  private readonly thoughts: ThoughtServer
  /** Null if metrics are off. */
  private readonly metrics: WorkersMetrics | null
  private metricsServer: MetricsServer | null
  private readonly clock: NodeJS.Timeout
  private config: Config

  private constructor({ config, log, keyring }: SharedPartsOptions, metrics: WorkersMetrics | null) {
    const bounds = metrics?.bounds ?? new BoundCounters()
    const { folder, fallbackFolder } = config.ledger
    this.log = log
    this.config = config
    this.metrics = metrics
    this.metricsServer = null
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
    const parts = new SharedParts(options, metrics)
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

  /** Serves a worker that is about to start, until its link closes. */
  serve(number: number, link: Link): void {
    this.limits.serve(link, number)
    this.stored.follow(link)
    this.thoughts.follow(link)
    this.metrics?.follow(number, link)
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
    await Promise.all([this.limits.close(), this.objects.close()])
    await this.snapshot.close()
  }

  /** The same at an end that waits for nothing. */
  endNow(): void {
    this.limits.endNow()
    this.objects.flushNow()
    this.snapshot.endNow()
  }
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
