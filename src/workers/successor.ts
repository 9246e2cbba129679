import { type ChildProcess, spawn } from 'node:child_process'
import { constants } from 'node:os'
import { isListeningHandle, type ListeningHandle } from '../lib/listening-handle.js'
import { type ChannelEnd, openLink, type ProcessLink } from './link.js'
import {
  hearSuccessor,
  isSentSocket,
  type LentSockets,
  listSockets,
  type SocketName,
  type ToParent,
  tellSuccessor,
} from './succession-messages.js'
import { SUCCESSOR_ENV, type SuccessorPlace } from './successor-seat.js'

/** A successor that does not serve after so many ticks is given up. */
const READY_WITHIN_TICKS = 60
const TICK_MS = 1_000

/** How long a successor may take to send its sockets; milliseconds. */
const LEND_MS = 10_000

export interface SuccessorOptions {
  readonly sockets: LentSockets
  readonly isGuarded: boolean
  /** The process whose place it takes. */
  readonly follows: number
  /** Variables that it has besides those of this process. */
  readonly env: Readonly<Record<string, string>>
}

/** A process that takes over the sockets of a relay, as the process sees it that has started it. */
export class Successor {
  readonly link: ProcessLink
  private readonly child: ChildProcess
  private readonly ended: (() => void)[]
  /** Why it has failed, in its own words. */
  private problem: string | null
  private isReady: boolean
  private exitCode: number | null
  private how: string
  private onReady: (problem: string | null) => void
  private onBare: () => void

  /** Starts this program once more, with the same arguments. */
  constructor({ sockets, isGuarded, follows, env }: SuccessorOptions) {
    const lent = listSockets(sockets)
    const fds = lent.map(([, { fd }]) => fd)
    const place: SuccessorPlace = {
      sockets: lent.map(([name]) => name),
      isTakenOver: sockets.isTakenOver,
      isGuarded,
      follows,
    }
    this.child = spawn(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
      env: { ...process.env, ...env, [SUCCESSOR_ENV]: JSON.stringify(place) },
      stdio: ['inherit', 'inherit', 'inherit', ...fds, 'ipc'],
      serialization: 'advanced',
    })
    this.link = openLink(this.child as ChannelEnd)
    this.ended = []
    this.problem = null
    this.isReady = false
    this.exitCode = null
    this.how = ''
    this.onReady = () => {}
    this.onBare = () => {}
    // A process that cannot be started, as there is no memory for it, has no exit.
    this.child.once('error', (error) => this.onExit(1, error.message))
    this.child.once('exit', (code, signal) => {
      const number = signal === null ? 0 : constants.signals[signal]
      this.onExit(code ?? 128 + number, signal === null ? `exit code ${code}` : `signal ${signal}`)
    })
  }

  get pid(): number {
    return this.child.pid ?? 0
  }

  /** Null while it runs. By a signal it is that of shells. */
  get code(): number | null {
    return this.exitCode
  }

  /** @param onMessage gets what it says once it serves */
  hear(onMessage: (message: ToParent) => void): void {
    hearSuccessor(this.link, (message) => {
      if (message.type === 'failed') this.problem = message.message
      else if (message.type === 'ready') this.settle(null)
      else if (message.type === 'bare') this.onBare()
      else onMessage(message)
    })
  }

  /** @returns resolves when it serves, to null, or when it has failed, to the reason */
  whenReady(): Promise<string | null> {
    return new Promise((resolve) => {
      // Ticks, as none pass while this process is stopped, and the new one with it.
      let ticksLeft = READY_WITHIN_TICKS
      const clock = setInterval(() => {
        if (--ticksLeft === 0) this.settle(`the new process was not ready within ${READY_WITHIN_TICKS} s`)
      }, TICK_MS)
      this.onReady = (problem) => {
        clearInterval(clock)
        resolve(problem)
      }
      if (this.exitCode !== null) this.settle(this.describeEnd())
    })
  }

  /** Gives it up. */
  kill(): void {
    this.child.kill('SIGKILL')
  }

  signal(signal: NodeJS.Signals): void {
    if (this.exitCode === null) this.child.kill(signal)
  }

  /** Calls back once when the process has ended. */
  onEnd(listener: () => void): void {
    if (this.exitCode === null) this.ended.push(listener)
    else listener()
  }

  /**
   * Asks for its sockets, for another successor.
   * @throws {Error} it has none, or does not answer
   */
  lend(): Promise<LentSockets> {
    return new Promise((resolve, reject) => {
      const got = new Map<SocketName, ListeningHandle>()
      const end = (): void => {
        clearTimeout(timer)
        this.child.removeListener('message', onMessage)
        this.child.removeListener('exit', fail)
      }
      const fail = (): void => {
        end()
        for (const handle of got.values()) handle.close()
        reject(new Error('the running process has not sent its sockets'))
      }
      const onMessage = (message: unknown, handle: unknown): void => {
        if (!isSentSocket(message) || !isListeningHandle(handle)) return
        got.set(message.thinwireSocket, handle)
        const relay = got.get('relay')
        if (relay === undefined || got.size < message.of) return
        end()
        const [metrics = null, page = null] = [got.get('metrics'), got.get('page')]
        resolve({ relay, metrics, page, isTakenOver: message.isTakenOver })
      }
      const timer = setTimeout(fail, LEND_MS)
      this.onBare = fail
      this.child.on('message', onMessage)
      this.child.once('exit', fail)
      tellSuccessor(this.link, { type: 'lend' })
    })
  }

  private settle(problem: string | null): void {
    if (this.isReady) return
    this.isReady = problem === null
    this.onReady(problem)
  }

  private onExit(code: number, how: string): void {
    if (this.exitCode !== null) return
    this.exitCode = code
    this.how = how
    // What it has said before may still be on its way.
    setImmediate(() => this.settle(this.describeEnd()))
    for (const listener of this.ended.splice(0)) listener()
  }

  private describeEnd(): string {
    return this.problem ?? `the new process has ended (${this.how}) before it was ready`
  }
}
