import type { App } from '../app/app.js'
import { warmUp } from '../app/warm-up.js'
import type { Config, ConfigSource } from '../config/config.js'
import type { Prices } from '../ledger/prices.js'
import { ignore } from '../lib/ignore.js'
import { type Log, openLog } from '../observe/log.js'
import { hearPrimary, tellPrimary } from '../workers/control.js'
import { applyKeptSettings } from '../workers/kept-settings.js'
import { RemoteLimits } from '../workers/remote-limits.js'
import type { WorkerStart } from '../workers/worker-seat.js'
import { flushOnExit } from './process-exit.js'
import { createRelay, describeStartError, EXIT_CANNOT_RUN } from './serve.js'
import { cutAfterDrain, endOnFault, endWell } from './signals.js'

/** The primary is told at most so often that a balancer asks; milliseconds. */
const ASKED_MS = 1_000

/**
 * Runs this process as one worker of a relay, until the primary ends it or is gone.
 * @returns never resolves
 */
export async function serveAsWorker(
  onDisk: Config,
  start: WorkerStart,
  source: ConfigSource,
  prices: Prices | null,
): Promise<number> {
  leaveSignalsToPrimary()
  const config = applyKeptSettings(onDisk, start.kept)
  const log = await openLog(config.log, process.stdout.isTTY === true, { worker: start.number })
  const worker = new WorkerProcess(start, log)
  try {
    const demo = start.demo === null || config.upstreams.length > 0 ? null : { origin: start.demo }
    const place = { worker: { ...start, count: config.workers }, limits: new RemoteLimits(start.link, log) }
    await worker.run(await createRelay(config, { source, prices }, demo, log, place))
  } catch (error) {
    await worker.fail(`thinwire: ${describeStartError(error)}`)
  }
  return new Promise(() => {})
}

/**
 * A terminal and a service manager send their signals to all processes. The primary decides what becomes of them, and
 * if it is gone, the link is closed.
 */
function leaveSignalsToPrimary(): void {
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGUSR2'] as const) process.on(signal, ignore)
}

/** What the primary wants of a worker. */
class WorkerProcess {
  private readonly start: WorkerStart
  private readonly log: Log
  private app: App | null
  private state: 'starting' | 'serving' | 'retiring' | 'ending'
  /** The signal that came before the start was over. */
  private early: string | null

  constructor(start: WorkerStart, log: Log) {
    this.start = start
    this.log = log
    this.app = null
    this.state = 'starting'
    this.early = null
    start.link.onClose(() => this.onPrimaryGone())
  }

  /** Serves with this relay from now on. It is warm before the first connection comes. */
  async run(app: App): Promise<void> {
    const { link } = this.start
    this.app = app
    flushOnExit(app)
    endOnFault(app, this.log)
    this.followReadiness(app)
    this.hear(app)
    // While nobody serves, a slow first request is better than one that is refused.
    if (this.start.isUrgent) void warmUp(app, this.log, false)
    else await warmUp(app, this.log)
    const ports = await app.listen()
    tellPrimary(link, { type: 'listening', ...ports })
    tellPrimary(link, { type: 'ready' })
    this.state = 'serving'
    if (this.early !== null) await this.drain(app, this.early)
  }

  /** Tells the primary why this worker cannot start, and ends. */
  async fail(message: string): Promise<void> {
    const { link } = this.start
    tellPrimary(link, { type: 'failed', message, exitCode: EXIT_CANNOT_RUN })
    await link.flush()
    await this.app?.close()
    process.exit(EXIT_CANNOT_RUN)
  }

  private hear(app: App): void {
    hearPrimary(this.start.link, (message) => {
      switch (message.type) {
        case 'drain':
          if (message.isProbed) app.readiness.onAsked()
          void this.drain(app, message.signal)
          return
        case 'retire':
          void this.retire(app)
          return
        case 'stop':
          this.log.warn(
            { signal: message.signal, cut: app.inspect().openCount },
            `${message.signal} again: ending now`,
          )
          app.stop()
          process.exit(message.exitCode)
          return
        case 'reload':
          app.reload()
          return
        case 'keys':
          app.reloadKeys()
          return
        case 'standing':
          app.readiness.workers = { ready: message.ready, of: message.of }
      }
    })
  }

  private followReadiness({ readiness }: App): void {
    let toldAt = Number.NEGATIVE_INFINITY
    readiness.onProbe = () => {
      const now = performance.now()
      if (now - toldAt < ASKED_MS) return
      toldAt = now
      tellPrimary(this.start.link, { type: 'asked' })
    }
  }

  private async drain(app: App, signal: string): Promise<void> {
    if (this.state === 'starting') {
      this.early = signal
      return
    }
    if (this.state === 'ending') return
    this.state = 'ending'
    await cutAfterDrain(app, this.log, signal)
    await endWell(app, this.log, async () => {})
  }

  private async retire(app: App): Promise<void> {
    if (this.state !== 'serving') return
    this.state = 'retiring'
    const open = app.inspect().openCount
    this.log.info({ in_flight: open }, 'a new worker has taken over: ending when the open connections end')
    const cut = await app.retire()
    await app.handover.whenWritten(app.config.timeouts.drainMs)
    // A signal may have come in the meantime, and ends the process by itself.
    if (this.state !== 'retiring') return
    this.state = 'ending'
    if (cut > 0) this.log.warn({ cut }, `${cut} requests were still open and have been cut`)
    await endWell(app, this.log, async () => {})
  }

  private onPrimaryGone(): void {
    if (this.app === null) process.exit(EXIT_CANNOT_RUN)
    if (this.state === 'ending') return
    this.log.error({}, 'the primary process is gone')
    if (this.state === 'starting') process.exit(EXIT_CANNOT_RUN)
    void this.drain(this.app, 'primary gone')
  }
}
