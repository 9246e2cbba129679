import type { Profiler } from '../admin/profile-endpoint.js'
import { readErrorCode } from '../lib/error-code.js'
import type { Link } from './link.js'
import type { SentMetric } from './merged-metrics.js'
import type { ToMetricsPrimary, ToMetricsWorker } from './metrics-messages.js'

/** Milliseconds between what is sent unasked: so much may be missing of a worker that is killed. */
const REPORT_MS = 5_000

/** What a worker reports of. */
export interface ReporterParts {
  readonly link: Link
  /** All metrics of this worker, as they are now. */
  readonly list: () => Promise<readonly SentMetric[]>
  /** Takes profiles of this process, its worker 1. */
  readonly profiler: Profiler
}

/** A profile that is being taken, or sent. */
interface Profile {
  readonly stop: AbortController
  /** Called when the next piece is wanted. */
  sendMore: () => void
}

/** The worker's side of the metrics: sends them to the primary, and has itself profiled. */
export class MetricsReporter {
  private readonly parts: ReporterParts
  private readonly timer: NodeJS.Timeout
  private readonly profiles: Map<number, Profile>

  constructor(parts: ReporterParts, reportMs: number = REPORT_MS) {
    this.parts = parts
    this.profiles = new Map()
    this.timer = setInterval(() => void this.report(0), reportMs).unref()
    parts.link.receive('metrics', (value) => this.onMessage(value as ToMetricsWorker))
    parts.link.onClose(() => this.stop())
  }

  /** Sends all metrics once more, as the last thing: the worker is about to end. */
  async close(): Promise<void> {
    this.stop()
    await this.report(0)
  }

  private stop(): void {
    clearInterval(this.timer)
    for (const { stop } of this.profiles.values()) stop.abort()
  }

  private send(message: ToMetricsPrimary): void {
    this.parts.link.send('metrics', message)
  }

  private async report(scrape: number): Promise<void> {
    const metrics = await this.parts.list()
    // Without what structured clone cannot copy.
    const plain = metrics.map(({ name, help, type, values }) => ({ name, help, type, values }))
    this.send({ kind: 'figures', scrape, metrics: plain })
  }

  private onMessage(message: ToMetricsWorker): void {
    if (message.kind === 'scrape') void this.report(message.scrape)
    else if (message.kind === 'profile') void this.profile(message.profile, message.seconds)
    else if (message.kind === 'stop') this.profiles.get(message.profile)?.stop.abort()
    else this.profiles.get(message.profile)?.sendMore()
  }

  private async profile(id: number, seconds: number): Promise<void> {
    const profile: Profile = { stop: new AbortController(), sendMore: () => {} }
    this.profiles.set(id, profile)
    const { signal } = profile.stop
    const onSampling = (): void => this.send({ kind: 'sampling', profile: id })
    try {
      const pieces = await this.parts.profiler.take({ worker: 1, seconds, onSampling, stop: signal })
      for await (const text of pieces) {
        if (signal.aborted) return
        const wanted = new Promise<void>((resolve) => {
          profile.sendMore = resolve
          signal.addEventListener('abort', () => resolve(), { once: true })
        })
        this.send({ kind: 'piece', profile: id, text })
        await wanted
      }
      this.send({ kind: 'end', profile: id })
    } catch (error) {
      this.send({ kind: 'failed', profile: id, code: readErrorCode(error) })
    } finally {
      this.profiles.delete(id)
    }
  }
}
