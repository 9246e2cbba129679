import { type ChildProcess, spawn } from 'node:child_process'
import { readErrorCode } from '../lib/error-code.js'

export interface ShellCommandOptions {
  /** Gets one line for a failure, and for the end of failures. */
  readonly say: (line: string) => void
  /** Milliseconds after which a command that has not ended is killed. */
  readonly timeoutMs?: number
  /** Milliseconds after which a command that has failed is run again. */
  readonly retryMs?: number
}

const TIMEOUT_MS = 30_000
const RETRY_MS = 10_000

/** How long a command that was asked to end may take for it. */
const GRACE_MS = 2_000

/** How long the end of this process waits for a command. */
const CLOSE_MS = 5_000

const HAS_GROUPS = process.platform !== 'win32'

/**
 * Runs a command of the shell after each change, one run at a time: a change during a run leads to one more run. A run
 * that fails is repeated until one does not.
 */
export class ShellCommand {
  private readonly command: string
  private readonly say: (line: string) => void
  private readonly timeoutMs: number
  private readonly retryMs: number
  private child: ChildProcess | null
  private isWanted: boolean
  private isClosed: boolean
  private retry: NodeJS.Timeout | null
  /** Why the last run has failed; null if it has not. */
  private failure: string | null
  private onIdle: (() => void) | null

  /** @param command as a person would type it into a shell; its output goes to standard error */
  constructor(command: string, { say, timeoutMs, retryMs }: ShellCommandOptions) {
    this.command = command
    this.say = say
    this.timeoutMs = timeoutMs ?? TIMEOUT_MS
    this.retryMs = retryMs ?? RETRY_MS
    this.child = null
    this.isWanted = false
    this.isClosed = false
    this.retry = null
    this.failure = null
    this.onIdle = null
  }

  /** Runs the command now, or as soon as the run of it that goes on has ended. */
  request(): void {
    this.isWanted = true
    if (this.child === null) this.start()
  }

  /** Resolves when no run goes on and none is wanted, to why the last one has failed, or null. */
  async finish(): Promise<string | null> {
    if (this.child !== null)
      await new Promise<void>((resolve) => {
        this.onIdle = resolve
      })
    return this.failure
  }

  /** Starts no further run, and resolves when the one that goes on has ended or was killed. */
  async close(): Promise<void> {
    this.isClosed = true
    if (this.retry !== null) clearTimeout(this.retry)
    const { child } = this
    if (child === null) return
    const timer = setTimeout(() => kill(child, 'SIGKILL'), CLOSE_MS)
    await this.finish()
    clearTimeout(timer)
  }

  private start(): void {
    if (this.isClosed) return
    if (this.retry !== null) clearTimeout(this.retry)
    this.retry = null
    this.isWanted = false
    // A group of its own, so that all that it has started ends with it.
    const child = spawn(this.command, { shell: true, detached: HAS_GROUPS, stdio: ['ignore', 2, 2] })
    this.child = child
    let isLate = false
    const timers = [
      setTimeout(() => {
        isLate = true
        kill(child, 'SIGTERM')
      }, this.timeoutMs),
      setTimeout(() => kill(child, 'SIGKILL'), this.timeoutMs + GRACE_MS),
    ]
    const end = (failure: string | null): void => {
      if (this.child !== child) return
      for (const timer of timers) clearTimeout(timer)
      this.child = null
      this.onEnd(isLate ? `it has not ended within ${this.timeoutMs / 1000} s, and was killed` : failure)
    }
    child.on('error', (error) => end(`it cannot be run (${readErrorCode(error)})`))
    child.on('exit', (code, signal) => end(code === 0 ? null : describeExit(code, signal)))
  }

  private onEnd(failure: string | null): void {
    const before = this.failure
    this.failure = failure
    if (failure !== null && failure !== before)
      this.say(`--then: ${failure}${this.isClosed ? '' : `; it is run again every ${this.retryMs / 1000} s`}`)
    if (failure === null && before !== null) this.say('--then: it works again')
    if (this.isWanted && !this.isClosed) {
      this.start()
      return
    }
    if (failure !== null && !this.isClosed) this.retry = setTimeout(() => this.request(), this.retryMs)
    this.onIdle?.()
    this.onIdle = null
  }
}

function describeExit(code: number | null, signal: NodeJS.Signals | null): string {
  return signal === null ? `it has ended with exit code ${code}` : `it was ended by ${signal}`
}

function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return
  try {
    process.kill(HAS_GROUPS ? -child.pid : child.pid, signal)
  } catch {
    // It has ended.
  }
}
