import type { App } from '../app/app.js'
import type { Ports } from '../app/ports.js'
import { waitUnreferenced } from '../lib/wait-unreferenced.js'
import type { Log } from '../observe/log.js'
import type { Guardian } from '../workers/guardian.js'
import type { Link } from '../workers/link.js'
import type { FoundRelay, RunningFile } from '../workers/running-file.js'
import { hearParent, tellParent } from '../workers/succession-messages.js'
import type { SuccessorStart } from '../workers/successor-seat.js'
import { EXIT_RECORDS_LOST } from './process-exit.js'
import { checkRestart } from './restart-check.js'
import type { ServeOptions } from './serve.js'
import type { ServiceManager } from './service-manager.js'
import { cutAfterDrain, endOnFault, LOG_DRAIN_MS, reloadOnHangup, SAME_SIGNAL_MS } from './signals.js'

/** How long a process that has lost its guardian looks for one that serves in its place; milliseconds. */
const FOLLOWER_MS = 60_000

/** Between two such looks. */
const LOOK_MS = 250

export interface RelayProcessParts {
  readonly app: App
  readonly log: Log
  readonly options: Pick<ServeOptions, 'source' | 'early'>
  /** Is told what the relay does; null if nobody asks. */
  readonly manager: ServiceManager | null
  /** Closes what the app does not own. */
  readonly cleanUp: () => Promise<void>
  /** Null: a person or a service manager has started this process. */
  readonly seat: SuccessorStart | null
}

/**
 * A process that is all of a relay, and what signals make of it. It can be replaced by a new process (`Guardian`): it
 * then serves what is open until that ends. After that it ends, or only waits for the new process.
 */
export class RelayProcess {
  private readonly parts: RelayProcessParts
  /** `over`: its relay has ended, and it is only the guardian of another process. */
  private state: 'serving' | 'retiring' | 'ending' | 'over'
  /** Null before the first restart. */
  private guardian: Guardian | null
  private opening: Promise<Guardian> | null
  /** Of a successor: the process before it retires. */
  private isConfirmed: boolean
  private running: RunningFile | null
  private ports: Ports | null
  /** `performance.now()` of the first signal that ends the relay; 0 before it. */
  private leftAt: number
  /** What is still to be done at the end of the relay of this process. */
  private ended: Promise<number> | null

  constructor(parts: RelayProcessParts) {
    this.parts = parts
    this.state = 'serving'
    this.guardian = null
    this.opening = null
    this.isConfirmed = false
    this.running = null
    this.ports = null
    this.leftAt = 0
    this.ended = null
  }

  /** The relay listens: signals have their meaning from now on. */
  begin(ports: Ports): void {
    const { app, log, manager, seat, options } = this.parts
    this.ports = ports
    process.on('SIGTERM', () => this.onSignal('SIGTERM', 15))
    process.on('SIGINT', () => this.onSignal('SIGINT', 2))
    endOnFault(app, log)
    const reload = (): void =>
      this.guardian?.isGuarding ? this.guardian.signal('SIGHUP', false) : app.reload()
    reloadOnHangup({ reload }, log, manager)
    // By default it would end the relay.
    if (process.platform !== 'win32') process.on('SIGUSR2', () => void this.restart())
    process.once('exit', () => this.running?.remove())
    if (seat !== null) this.follow(seat)
    options.early.release()
  }

  /** Does what the process says that has started this one. */
  private follow(seat: SuccessorStart): void {
    hearParent(seat.link, ({ type }) => {
      if (type === 'retire') void this.retire()
      else if (type === 'confirmed') this.isConfirmed = true
      else if (type === 'keep') this.keep()
      else if (type === 'bequeath') void this.bequeath(seat.link)
      else void this.lend(seat)
    })
    seat.link.onClose(() => this.onGuardianGone(seat))
  }

  /** `thinwire restart` finds the relay from now on: not one that has a guardian, as that one is found. */
  async show(): Promise<void> {
    const { app, log, seat } = this.parts
    if (this.ports === null || this.running !== null || this.isGuarded) return
    const { openRunningFile } = await import('./running-relay.js')
    this.running = openRunningFile(app.config, this.ports, log, 1, seat?.follows ?? null)
  }

  private get isGuarded(): boolean {
    const { seat } = this.parts
    return seat?.isGuarded === true && seat.link.isOpen
  }

  private onGuardianGone({ isGuarded, followsParent }: SuccessorStart): void {
    if (!isGuarded || this.state !== 'serving') return
    if (!this.isConfirmed && !followsParent) {
      // The process whose place this one was to take serves, and was not told to end. Some clients are here by now.
      void this.retire('the restart was given up, and the process before this one serves')
      return
    }
    const { app, log } = this.parts
    const mayHaveFollower = app.handover.hasHeir
    // A restart may have been under way.
    this.keep()
    log.warn({}, 'the process that waits for the end of this one is gone: this one goes on')
    void this.show()
    if (mayHaveFollower) void this.findFollower()
  }

  /** The process that is gone may have told a new one that it serves, and could not tell this one any more. */
  private async findFollower(): Promise<void> {
    const { folder } = this.parts.app.config.ledger
    const { findRunning } = await import('../workers/running-file.js')
    const isFollower = ({ relay }: FoundRelay): boolean => relay.follows === process.pid
    const deadline = performance.now() + FOLLOWER_MS
    while (this.state === 'serving' && performance.now() < deadline) {
      if (findRunning(folder).running.some(isFollower)) void this.retire()
      await waitUnreferenced(LOOK_MS)
    }
  }

  // Signals

  private onSignal(signal: NodeJS.Signals, number: number): void {
    const { app, log } = this.parts
    if (this.leftAt === 0) {
      this.leftAt = performance.now()
      this.guardian?.signal(signal, true)
      void this.leave(signal)
    } else if (performance.now() - this.leftAt >= SAME_SIGNAL_MS) {
      log.warn({ signal, cut: app.inspect().openCount }, `${signal} again: ending now`)
      void this.stop(signal, 128 + number)
    }
  }

  /** Lets what is open end, here and in the processes that this one has started. */
  private async leave(signal: string): Promise<void> {
    const { app, log, manager } = this.parts
    const { guardian } = this
    if (this.state === 'serving' || this.state === 'retiring') {
      this.state = 'ending'
      await cutAfterDrain(app, log, signal, manager)
      this.ended = this.endRelay()
    } else log.info({ signal }, `${signal}: passed on to the process that serves`)
    await this.exit(guardian)
  }

  /** Ends everything at once. The exit code is the one by which shells report a process that a signal has ended. */
  private async stop(signal: NodeJS.Signals, exitCode: number): Promise<void> {
    const { guardian } = this
    this.parts.app.stop()
    if (guardian === null) process.exit(exitCode)
    guardian.signal(signal, true)
    guardian.hurry()
    await guardian.whenEmpty()
    process.exit(exitCode)
  }

  // Restarts

  private async restart(): Promise<void> {
    const { log, seat } = this.parts
    if (this.leftAt !== 0) return
    if (this.isGuarded && seat !== null) {
      tellParent(seat.link, { type: 'restart' })
      return
    }
    if (this.state !== 'serving' && this.guardian?.isGuarding !== true) {
      log.info({ signal: 'SIGUSR2' }, 'SIGUSR2: another process has taken over')
      this.guardian?.signal('SIGUSR2', false)
      return
    }
    this.opening ??= this.openGuardian()
    await (await this.opening).restart()
  }

  private async openGuardian(): Promise<Guardian> {
    const { app, log, options, manager } = this.parts
    const { Guardian } = await import('../workers/guardian.js')
    const told = manager?.isOpen === true ? manager : null
    this.guardian = new Guardian({
      relay: {
        lend: async () => app.handover.lend(app.config.listen),
        bequeath: (link) => void this.bequeath(link),
        keep: () => this.keep(),
        retire: () => void this.retire(),
      },
      log,
      stays: told === null,
      env: told?.variables ?? {},
      findProblem: () => {
        const next = checkRestart(options.source, app.config, log)
        return typeof next === 'string' ? next : null
      },
      onBegin: () => this.running?.beginRestart(),
      onEnd: (problem, pid) => this.onRestartEnd(problem, pid, told),
      onServingEnded: (exitCode) => void this.onServingEnded(exitCode),
    })
    return this.guardian
  }

  private onRestartEnd(problem: string | null, pid: number, manager: ServiceManager | null): void {
    const { log } = this.parts
    if (problem === null) {
      // Before this process can end.
      manager?.handOver(pid)
      log.info({ pid }, `restart: process ${pid} has taken over; what is open at the old one ends there`)
    } else if (this.leftAt !== 0) log.info({}, 'restart: given up, as the relay ends')
    else log.error({}, `restart: failed, the relay goes on as it was: ${problem}`)
    this.running?.showRestart(problem === null ? 'done' : 'failed', problem === null ? 1 : 0, problem)
  }

  /** Another process serves. */
  private async retire(why = 'a new process has taken over'): Promise<void> {
    const { app, log } = this.parts
    if (this.state !== 'serving') return
    this.state = 'retiring'
    const open = app.inspect().openCount
    log.info({ in_flight: open }, `${why}: ending when the open connections end`)
    const cut = await app.retire()
    await app.handover.whenWritten(this.guardian?.isGuarding === true ? null : app.config.timeouts.drainMs)
    // A signal may have come in the meantime, and ends the process by itself.
    if (this.state !== 'retiring') return
    if (cut > 0) log.warn({ cut }, `${cut} requests were still open and have been cut`)
    this.state = 'over'
    this.ended = this.endRelay()
    await this.ended
    if (this.guardian?.isGuarding !== true) await this.exit(null)
  }

  /** The process that serves has ended: so does the relay. */
  private async onServingEnded(exitCode: number): Promise<void> {
    const { guardian } = this
    if (guardian?.isGuarding !== true || this.leftAt !== 0) return
    this.leftAt = performance.now()
    const { app, log } = this.parts
    log[exitCode === 0 ? 'info' : 'error']({ exit_code: exitCode }, 'the process that served has ended')
    // Nobody listens any more: whoever has started this process shall start another one without a delay.
    if (exitCode !== 0) {
      app.stop()
      process.exit(exitCode)
    }
    guardian.signal('SIGTERM', true)
    await this.leave('SIGTERM')
  }

  /** Tells a process that is to take over what it has to know, from now on. */
  private async bequeath(link: Link): Promise<void> {
    const { app, log } = this.parts
    const { Bequest } = await import('../workers/bequest.js')
    log.share(true)
    app.handover.begin(new Bequest(app.handover.estate, link))
  }

  private keep(): void {
    const { app, log } = this.parts
    log.share(false)
    app.handover.cancel()
  }

  private async lend({ link }: SuccessorStart): Promise<void> {
    const { sendSockets } = await import('../workers/successor-seat.js')
    link.watch()
    try {
      sendSockets(this.parts.app.handover.lend(this.parts.app.config.listen))
    } catch {
      tellParent(link, { type: 'bare' })
    }
  }

  /** @returns number of records that could not be written */
  private async endRelay(): Promise<number> {
    const { app, cleanUp, seat } = this.parts
    const lost = await app.close()
    await cleanUp()
    await Promise.all([seat?.link.flush(), this.guardian?.flush()])
    return lost
  }

  /** @param guardian of the processes that are waited for; null for none */
  private async exit(guardian: Guardian | null): Promise<void> {
    const { log } = this.parts
    const lost = (await this.ended) ?? 0
    await guardian?.whenEmpty()
    log.info({}, 'ended')
    await log.drain(LOG_DRAIN_MS)
    const own = lost === 0 ? 0 : EXIT_RECORDS_LOST
    process.exit(guardian?.isGuarding === true ? guardian.exitCode || own : own)
  }
}
