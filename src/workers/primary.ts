import type { Cluster, Worker } from 'node:cluster'
import { ignore } from '../lib/ignore.js'
import type { Log } from '../observe/log.js'
import { Readiness } from '../observe/readiness.js'
import { hearWorker, type SharedPorts, type ToPrimary, type ToWorker, tellWorker } from './control.js'
import { closeHandoffs } from './handoffs.js'
import { type Link, openWorkerLink } from './link.js'
import { type Death, Supervision, type SupervisionHands } from './supervision.js'
import { WORKER_ENV } from './worker-seat.js'
import type { WorkerCounts } from './workers-metrics.js'

/** Milliseconds between two looks at what is due. */
const TICK_MS = 1_000

/** How long workers have to end by themselves after a second signal; milliseconds. */
const STOP_MS = 2_000

/** node:cluster closes the socket with its last worker, and cannot open one again that was handed over. */
const SOCKET_LOST =
  'thinwire: all workers have died, and the socket that was handed over (LISTEN_FDS) is closed with the last one: ending, so that the service manager starts the relay again'
const EXIT_SOCKET_LOST = 1

export interface PrimaryOptions {
  /** How many workers there are to be. */
  readonly count: number
  /** The listening socket was handed over to this process. It is closed with the last worker that has it. */
  readonly isSocketLent: boolean
  readonly log: Log
  /** Variables that every worker has besides those of this process. */
  readonly env: Readonly<Record<string, string>>
  /** Called for each new worker, before it has started: parts of the primary that serve it take its link. */
  readonly onWorker?: (number: number, link: Link) => void
  /** Called once, when all workers are ready for the first time. */
  readonly onReady: (ports: SharedPorts) => void
  /** No worker runs, and none can start. */
  readonly onGiveUp: (message: string, exitCode: number) => void
  /** So many workers have been replaced in a restart. */
  readonly onRestartStep: (replaced: number) => void
  /** A restart is over. @param problem null: all workers are new ones now */
  readonly onRestartEnd: (problem: string | null, replaced: number) => void
}

interface Seat {
  readonly worker: Worker
  readonly link: Link
}

/**
 * Starts the workers, replaces those that die, and passes on what a person wants of the relay. It serves no request:
 * it only takes connections and hands each to the next worker that is free (node:cluster, round robin).
 */
export class Primary implements SupervisionHands {
  private readonly options: PrimaryOptions
  private readonly cluster: Cluster
  private readonly supervision: Supervision
  private readonly seats: Map<number, Seat>
  /** Workers that listen, and do not retire. */
  private readonly listening: Set<number>
  private readonly readiness: Readiness
  private readonly clock: NodeJS.Timeout
  private ports: SharedPorts | null
  private hasBeenReady: boolean
  private replaced: number
  private forked: number
  private worstExit: number
  private ended: (exitCode: number) => void

  private constructor(cluster: Cluster, options: PrimaryOptions) {
    this.options = options
    this.cluster = cluster
    this.supervision = new Supervision(options.count, this)
    this.seats = new Map()
    this.listening = new Set()
    this.readiness = new Readiness()
    this.clock = setInterval(() => this.supervision.tick(performance.now()), TICK_MS)
    this.ports = null
    this.hasBeenReady = false
    this.replaced = 0
    this.forked = 0
    this.worstExit = 0
    this.ended = ignore
    this.supervision.start()
  }

  /** Starts the workers. A worker is this program once more, with the same arguments. */
  static async start(options: PrimaryOptions): Promise<Primary> {
    // Loaded only where it is used: a relay of one process does without it.
    const { default: cluster } = await import('node:cluster')
    cluster.schedulingPolicy = cluster.SCHED_RR
    cluster.setupPrimary({ args: process.argv.slice(2), serialization: 'advanced' })
    return new Primary(cluster, options)
  }

  /** Tells all workers. */
  tell(message: ToWorker): void {
    for (const { link } of this.seats.values()) tellWorker(link, message)
  }

  /** Replaces all workers, one by one, by new ones with the code and the config that are on the disk now. */
  restart(): void {
    this.supervision.beginRestart()
  }

  /** For metrics. */
  get counts(): WorkerCounts {
    const { count } = this.options
    const restarts = Math.max(0, this.forked - count)
    return { configured: count, ready: this.supervision.readyCount, restarts }
  }

  get isRestarting(): boolean {
    return this.supervision.isRestarting
  }

  /**
   * Lets the workers end when their open requests have ended.
   * @returns resolves when all have ended, to the highest of their exit codes
   */
  leave(signal: string): Promise<number> {
    // Workers that have died before were replaced.
    this.worstExit = 0
    return new Promise((resolve) => {
      this.ended = resolve
      if (this.supervision.leave()) this.onAllEnded()
      this.tell({ type: 'drain', signal, isProbed: this.readiness.isProbed })
    })
  }

  /** Ends the workers at once. @returns resolves when all have ended */
  async stop(signal: string, exitCode: number): Promise<void> {
    const timer = setTimeout(() => this.killAll(), STOP_MS)
    const ended = new Promise<number>((resolve) => {
      this.ended = resolve
      if (this.supervision.leave()) this.onAllEnded()
    })
    this.tell({ type: 'stop', signal, exitCode })
    await ended
    clearTimeout(timer)
  }

  /** Ends all workers by force. */
  killAll(): void {
    for (const { worker } of this.seats.values()) worker.process.kill('SIGKILL')
  }

  fork(number: number): void {
    this.forked++
    const worker = this.startProcess(number)
    if (worker === null) return
    const link = openWorkerLink(worker)
    const closeLost = closeHandoffs(worker.process)
    this.seats.set(number, { worker, link })
    this.options.onWorker?.(number, link)
    hearWorker(link, (message) => this.onMessage(number, message))
    tellWorker(link, { type: 'standing', ready: this.supervision.readyCount, of: this.options.count })
    // A process that cannot be started has no exit.
    worker.process.once('error', (error) => this.onExit(number, error.message, 1))
    worker.once('exit', (code, signal) => {
      closeLost()
      this.onExit(number, describeExit(code, signal), isAsked(signal) ? 0 : (code ?? 1))
    })
  }

  /** @returns null if the system has no memory or no files for another process: that counts as its death */
  private startProcess(number: number): Worker | null {
    // Not in this turn, in which `Supervision` is still starting it.
    const fail = ({ message }: Error): void =>
      void setImmediate(() => this.supervision.onExit(number, message, performance.now()))
    let worker: Worker
    try {
      const isUrgent = this.hasBeenReady && this.supervision.readyCount === 0
      worker = this.cluster.fork({
        ...this.options.env,
        [WORKER_ENV.number]: String(number),
        ...(isUrgent ? { [WORKER_ENV.urgent]: '1' } : {}),
      })
    } catch (error) {
      fail(error as Error)
      return null
    }
    // node:cluster repeats the errors of the process here: without a listener, the end of a worker that is being sent
    // something would be that of the primary.
    worker.on('error', ignore)
    if (worker.process.connected) return worker
    worker.process.once('error', fail)
    return null
  }

  retire(number: number): void {
    const seat = this.seats.get(number)
    this.listening.delete(number)
    if (seat !== undefined) tellWorker(seat.link, { type: 'retire' })
  }

  kill(number: number): void {
    this.seats.get(number)?.worker.process.kill('SIGKILL')
  }

  onStanding(ready: number): void {
    const { count } = this.options
    this.tell({ type: 'standing', ready, of: count })
    if (this.hasBeenReady || this.ports === null || ready < count) return
    this.hasBeenReady = true
    this.options.onReady(this.ports)
  }

  onDeath({ number, how, problem }: Death, waitMs: number): void {
    const what =
      problem === null ? `worker ${number} died (${how})` : `worker ${number} could not start: ${problem}`
    const next =
      waitMs === 0
        ? 'a new one takes its place'
        : `workers die often: a new one takes its place in ${waitMs / 1_000} s`
    this.options.log.error({ worker: number, how, wait_ms: waitMs }, `${what}; ${next}`)
  }

  onRestartStep(replaced: number): void {
    this.replaced = replaced
    this.options.onRestartStep(replaced)
  }

  onRestartEnd(problem: string | null): void {
    const { replaced } = this
    this.replaced = 0
    this.options.onRestartEnd(problem, replaced)
  }

  giveUp(message: string, exitCode: number): void {
    clearInterval(this.clock)
    this.options.onGiveUp(message, exitCode)
  }

  onAllEnded(): void {
    clearInterval(this.clock)
    this.ended(this.worstExit)
  }

  private onMessage(number: number, message: ToPrimary): void {
    switch (message.type) {
      case 'listening':
        this.ports ??= message
        this.listening.add(number)
        return
      case 'ready':
        this.options.log.info(
          { worker: number, pid: this.seats.get(number)?.worker.process.pid ?? null },
          `worker ${number} is ready`,
        )
        this.supervision.onReady(number)
        return
      case 'failed':
        this.supervision.onFailed(number, message.message, message.exitCode)
        return
      case 'asked':
        this.readiness.onAsked()
    }
  }

  private onExit(number: number, how: string, code: number): void {
    if (!this.seats.delete(number)) return
    this.worstExit = Math.max(this.worstExit, code)
    if (this.listening.delete(number) && this.listening.size === 0 && this.options.isSocketLent)
      this.supervision.abandon(SOCKET_LOST, EXIT_SOCKET_LOST)
    this.supervision.onExit(number, how, performance.now())
  }
}

/** Whoever ends all processes of a relay may reach one that cannot leave the signal to its primary yet. */
function isAsked(signal: string | null): boolean {
  return signal === 'SIGTERM' || signal === 'SIGINT'
}

function describeExit(code: number | null, signal: string | null): string {
  // V8 ends a process so whose heap is full; it has written why on standard error.
  if (signal === 'SIGABRT') return 'signal SIGABRT, as when its memory is full'
  return signal === null ? `exit code ${code}` : `signal ${signal}`
}
