import type { Log } from '../observe/log.js'
import type { Link } from './link.js'
import { type LentSockets, listSockets, type ToParent, tellSuccessor } from './succession-messages.js'
import { Successor } from './successor.js'

/** How long processes have to end by themselves after a second signal; milliseconds. */
const STOP_MS = 2_000

/** Why there is no new process after a signal that ends the relay. */
const ENDS = 'the relay ends'

/** The process that serves, and that another one is to replace. */
interface Incumbent {
  readonly pid: number
  /** Its sockets, for a new process. @throws {Error} why there are none */
  lend(): Promise<LentSockets>
  /** Closes the copies of the sockets. */
  takeBack(sockets: LentSockets): void
  /** Sends the new process what it is to know. */
  bequeath(link: Link): void
  /** The new process has failed. */
  keep(): void
  /** The new process serves. */
  retire(): void
}

/** The relay of this process, as far as it can be replaced. */
export type OwnRelay = Omit<Incumbent, 'pid' | 'takeBack'>

export interface GuardianOptions {
  readonly relay: OwnRelay
  readonly log: Pick<Log, 'info' | 'warn' | 'error'>
  /** False: this process ends when its requests have ended, and somebody else looks after the new one. */
  readonly stays: boolean
  /** Variables that a new process has besides those of this one. */
  readonly env: Readonly<Record<string, string>>
  /** Looks at the config on the disk. @returns why it cannot be used; null if it can */
  findProblem(): string | null
  onBegin(): void
  /** A restart is over. @param problem null: the process `pid` serves now */
  onEnd(problem: string | null, pid: number): void
  /** The process that serves has ended by itself, or by a signal. */
  onServingEnded(exitCode: number): void
}

/**
 * Replaces the process that serves by a new one, which gets its listening sockets: at first the relay of this process.
 * If this process was started by somebody who waits for its end, it stays as the *guardian* of the new one.
 */
export class Guardian {
  private readonly options: GuardianOptions
  private incumbent: Incumbent
  /** Null while this process serves by itself. */
  private serving: Successor | null
  private starting: Successor | null
  /** All processes that run. */
  private readonly children: Set<Successor>
  private isRestarting: boolean
  private wantsRestart: boolean
  private isEnding: boolean
  private onEmpty: () => void

  constructor(options: GuardianOptions) {
    const { relay } = options
    this.options = options
    this.incumbent = {
      pid: process.pid,
      lend: () => relay.lend(),
      takeBack: () => {},
      bequeath: (link) => relay.bequeath(link),
      keep: () => relay.keep(),
      retire: () => relay.retire(),
    }
    this.serving = null
    this.starting = null
    this.children = new Set()
    this.isRestarting = false
    this.wantsRestart = false
    this.isEnding = false
    this.onEmpty = () => {}
  }

  /** Whether another process serves, and this one waits for its end. */
  get isGuarding(): boolean {
    return this.options.stays && this.serving !== null
  }

  /** During a restart, another one follows it: the files may have changed since. */
  async restart(): Promise<void> {
    if (this.isEnding) return
    this.wantsRestart = this.isRestarting
    if (this.isRestarting) return
    this.isRestarting = true
    const { options } = this
    options.onBegin()
    const problem = options.findProblem() ?? (await this.replace())
    this.isRestarting = false
    options.onEnd(problem, this.incumbent.pid)
    const { serving } = this
    // Nobody was left to serve but the one that has failed.
    if (problem !== null && serving !== null && serving.code !== null && !this.isEnding)
      options.onServingEnded(serving.code)
    else if (this.wantsRestart) this.restartAgain()
  }

  /** Somebody else looks after the new process if this one does not stay: it then replaces itself. */
  private restartAgain(): void {
    if (this.options.stays || this.serving === null) void this.restart()
    else this.serving.signal('SIGUSR2')
  }

  /** Passes a signal on. It ends a process that starts. */
  signal(signal: NodeJS.Signals, isEnd: boolean): void {
    if (!isEnd) {
      this.serving?.signal(signal)
      return
    }
    this.isEnding = true
    // It may serve clients already: then it lets their requests end.
    this.starting?.signal('SIGTERM')
    if (!this.options.stays) return
    for (const child of this.children) child.signal(signal)
  }

  /** The processes that were told to end have a moment, and are then killed. */
  hurry(): void {
    if (!this.options.stays) return
    setTimeout(() => {
      for (const child of this.children) child.kill()
    }, STOP_MS)
  }

  /** Resolves when all other processes have ended that this one is the guardian of. */
  whenEmpty(): Promise<void> {
    if (this.children.size === 0 || !this.options.stays) return Promise.resolve()
    return new Promise((resolve) => {
      this.onEmpty = resolve
    })
  }

  /** Resolves when the process that serves has all that was said to it. */
  async flush(): Promise<void> {
    await this.serving?.link.flush()
  }

  /** Exit code of the process that served last; 0 while there is none, or it runs. */
  get exitCode(): number {
    return this.serving?.code ?? 0
  }

  /** @returns why it has failed; null if a new process serves */
  private async replace(): Promise<string | null> {
    const before = this.incumbent
    let sockets: LentSockets
    try {
      sockets = await before.lend()
    } catch (error) {
      return (error as Error).message
    }
    const { stays, env, log } = this.options
    let next: Successor
    try {
      // A signal may have come in the meantime.
      if (this.isEnding) return ENDS
      next = new Successor({ sockets, isGuarded: stays, follows: before.pid, env })
    } catch (error) {
      before.keep()
      return `no process can be started: ${(error as Error).message}`
    } finally {
      before.takeBack(sockets)
    }
    this.children.add(next)
    this.starting = next
    next.onEnd(() => this.onEnd(next))
    next.hear((message) => this.onMessage(next, message))
    log.info({ pid: next.pid }, `restart: process ${next.pid} starts, and takes over when it is ready`)
    before.bequeath(next.link)
    const problem = await next.whenReady()
    this.starting = null
    if (problem !== null || this.isEnding) {
      before.keep()
      if (problem !== null) next.kill()
      return this.isEnding ? ENDS : problem
    }
    this.serving = next
    this.incumbent = new ChildIncumbent(next)
    tellSuccessor(next.link, { type: 'confirmed' })
    before.retire()
    return null
  }

  private onMessage(child: Successor, { type }: ToParent): void {
    if (type !== 'restart' || !this.options.stays) return
    if (child === this.serving || child === this.starting) void this.restart()
  }

  private onEnd(child: Successor): void {
    this.children.delete(child)
    if (this.children.size === 0) this.onEmpty()
    if (child !== this.serving || this.isEnding) return
    const { starting } = this
    // It has the sockets, so that clients can wait for it.
    if (starting !== null)
      this.options.log.error(
        { pid: child.pid, exit_code: child.code },
        `the process that served has ended: process ${starting.pid}, which starts, is waited for`,
      )
    else this.options.onServingEnded(child.code ?? 1)
  }
}

/** A successor that is to be replaced itself. */
class ChildIncumbent implements Incumbent {
  private readonly child: Successor

  constructor(child: Successor) {
    this.child = child
  }

  get pid(): number {
    return this.child.pid
  }

  lend(): Promise<LentSockets> {
    return this.child.lend()
  }

  takeBack(sockets: LentSockets): void {
    for (const [, handle] of listSockets(sockets)) handle.close()
  }

  bequeath(link: Link): void {
    const { link: own } = this.child
    own.receive('handover', (value) => link.send('handover', value))
    own.onClose(() => link.send('handover', ['gone']))
    tellSuccessor(own, { type: 'bequeath' })
  }

  keep(): void {
    tellSuccessor(this.child.link, { type: 'keep' })
  }

  retire(): void {
    tellSuccessor(this.child.link, { type: 'retire' })
  }
}
