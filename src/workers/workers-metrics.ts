import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { MetricsPage } from '../admin/metrics-server.js'
import type { ProfileWish } from '../admin/profile-endpoint.js'
import { type Bound, BoundCounters } from '../lib/limit-counters.js'
import { type LimitFigures, LimitMetrics } from '../observe/limit-metrics.js'
import { VERSION } from '../version.js'
import type { Link } from './link.js'
import { MergedMetrics, type MetricsOrigin } from './merged-metrics.js'
import type { ToMetricsPrimary, ToMetricsWorker } from './metrics-messages.js'
import { WorkerProfile } from './worker-profile.js'

/** Milliseconds that a scrape waits for the workers. Then it has what they have sent last. */
const SCRAPE_MS = 1_000

/** What the primary tells of its workers. */
export interface WorkerCounts {
  readonly configured: number
  readonly ready: number
  /** How often a worker was started in the place of one that had ended. */
  readonly restarts: number
}

/** A worker that can be asked. */
interface Source extends MetricsOrigin {
  readonly number: number
  readonly link: Link
  /** The last scrape that it has answered. */
  answered: number
}

const PRIMARY: MetricsOrigin = { name: 'primary' }

/** The metrics of all workers and of the primary, as those of one relay; and profiles of each worker. */
export class WorkersMetrics implements MetricsPage {
  /** Bounds that were hit in the primary. */
  readonly bounds: BoundCounters
  readonly profiler: MetricsPage['profiler']
  private readonly readWorkers: () => WorkerCounts
  private readonly scrapeMs: number
  private readonly registry: Registry
  private readonly workers: Gauge<'state'>
  private readonly restarts: Counter
  private readonly boundsHit: Counter<'bound'>
  private readonly merged: MergedMetrics
  private readonly sources: Set<Source>
  private readonly profiles: Map<number, { readonly source: Source; readonly profile: WorkerProfile }>
  private readLimits: (() => Promise<LimitFigures>) | null
  private limits: LimitMetrics | null
  /** Number of the last scrape, and of the last profile. */
  private lastId: number
  /** A scrape that waits for workers. */
  private running: Promise<string> | null
  /** Called when a worker has answered, or has ended. */
  private onAnswer: () => void

  /** @param readWorkers called at each scrape */
  constructor(readWorkers: () => WorkerCounts, scrapeMs: number = SCRAPE_MS) {
    const registry = new Registry()
    const registers = [registry]
    this.bounds = new BoundCounters()
    this.profiler = { has: (worker) => this.find(worker) !== null, take: (wish) => this.profile(wish) }
    this.readWorkers = readWorkers
    this.scrapeMs = scrapeMs
    this.registry = registry
    const info = { name: 'thinwire_build_info', help: 'Version of Thinwire.' }
    new Gauge({ ...info, labelNames: ['version'], registers }).set({ version: VERSION }, 1)
    this.workers = new Gauge({
      name: 'thinwire_workers',
      help: 'Worker processes: configured, and those of them that are ready for requests.',
      labelNames: ['state'],
      registers,
    })
    this.restarts = new Counter({
      name: 'thinwire_worker_restarts_total',
      help: 'Times a worker was started in the place of one that had ended.',
      registers,
    })
    this.boundsHit = new Counter({
      name: 'thinwire_bounds_hit_total',
      help: 'Times a limit of the config was hit.',
      labelNames: ['bound'],
      registers,
    })
    this.merged = new MergedMetrics()
    this.sources = new Set()
    this.profiles = new Map()
    this.readLimits = null
    this.limits = null
    this.lastId = 0
    this.running = null
    this.onAnswer = () => {}
    collectDefaultMetrics({ register: registry })
  }

  get contentType(): string {
    return this.registry.contentType
  }

  /** Shows the limits that the primary counts. @param read called at each scrape */
  followLimits(read: () => Promise<LimitFigures>): void {
    this.readLimits = read
    this.limits ??= new LimitMetrics(this.registry)
  }

  /** Follows a worker from now on, until its link closes. @param number a replacement has that of the one before it */
  follow(number: number, link: Link): void {
    const source: Source = { name: String(number), number, link, answered: 0 }
    this.sources.add(source)
    link.receive('metrics', (value) => this.onMessage(source, value as ToMetricsPrimary))
    link.onClose(() => this.forget(source))
  }

  /** Asks all workers. Scrapes at one time share what they answer. */
  render(): Promise<string> {
    this.running ??= this.scrape().finally(() => {
      this.running = null
    })
    return this.running
  }

  private async scrape(): Promise<string> {
    const scrape = ++this.lastId
    for (const { link } of this.sources) link.send('metrics', { kind: 'scrape', scrape })
    await this.waitFor(scrape)
    await this.readOwn()
    this.merged.take(PRIMARY, await this.registry.getMetricsAsJSON())
    return this.merged.render()
  }

  private waitFor(scrape: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, this.scrapeMs)
      this.onAnswer = () => {
        for (const { answered } of this.sources) if (answered < scrape) return
        clearTimeout(timer)
        resolve()
      }
      this.onAnswer()
    })
  }

  private async readOwn(): Promise<void> {
    const { configured, ready, restarts } = this.readWorkers()
    this.workers.set({ state: 'configured' }, configured)
    this.workers.set({ state: 'ready' }, ready)
    this.restarts.reset()
    this.restarts.inc(restarts)
    this.boundsHit.reset()
    for (const [bound, times] of Object.entries(this.bounds.snapshot())) this.boundsHit.inc({ bound }, times)
    if (this.readLimits !== null) this.limits?.read(await this.readLimits())
  }

  /** Counts a bound that was hit in the primary. */
  hit(bound: Bound): void {
    this.bounds.hit(bound)
  }

  private onMessage(source: Source, message: ToMetricsPrimary): void {
    if (message.kind !== 'figures') {
      this.profiles.get(message.profile)?.profile.receive(message)
      return
    }
    this.merged.take(source, message.metrics)
    source.answered = Math.max(source.answered, message.scrape)
    this.onAnswer()
  }

  private forget(source: Source): void {
    this.sources.delete(source)
    this.merged.end(source)
    for (const each of this.profiles.values())
      if (each.source === source) each.profile.fail(new Error('the worker has ended'))
    this.onAnswer()
  }

  /** The worker of this number that was started last. */
  private find(number: number): Source | null {
    return [...this.sources].findLast((source) => source.number === number) ?? null
  }

  private async profile(wish: ProfileWish): Promise<AsyncIterable<string>> {
    const source = this.find(wish.worker)
    if (source === null) throw new Error('the worker has ended')
    const id = ++this.lastId
    const send = (message: ToMetricsWorker): void => source.link.send('metrics', message)
    const profile = new WorkerProfile(id, wish, send)
    this.profiles.set(id, { source, profile })
    const forget = (): void => void this.profiles.delete(id)
    try {
      return forgetAtEnd(await profile.take(), forget)
    } catch (error) {
      forget()
      throw error
    }
  }
}

async function* forgetAtEnd(pieces: AsyncIterable<string>, forget: () => void): AsyncGenerator<string> {
  try {
    yield* pieces
  } finally {
    forget()
  }
}
