import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { until } from '../until.js'
import { awaitPort } from './ports.js'

/** The first of these names that is a program here. @param versionArg what makes it print its version and end well */
export function findProgram(names: readonly string[], versionArg: string): string | undefined {
  return names.find((name) => spawnSync(name, [versionArg]).status === 0)
}

/**
 * A recipe as it is shipped, with what an operator has to change replaced.
 * @param changes pairs of what stands there and what shall; a pattern without the flag `g` is replaced once
 * @throws if the recipe does not have what is to be replaced: then the test would try something else than the recipe
 */
export function fillIn(file: string, changes: ReadonlyArray<readonly [string | RegExp, string]>): string {
  let text = readFileSync(file, 'utf8')
  changes.forEach(([from], i) => {
    const isThere = typeof from === 'string' ? text.includes(from) : text.search(from) !== -1
    if (!isThere) throw new Error(`${file} has no ${from}`)
    // A mark in its place: what was filled in (a port) could have in it what is looked for next.
    const mark = `<<change ${i}>>`
    text = typeof from === 'string' ? text.replaceAll(from, mark) : text.replace(from, mark)
  })
  return text.replace(/<<change (\d+)>>/g, (_, i) => changes[Number(i)]?.[1] ?? '')
}

/** Where a front proxy stands: what each one has to know. */
export interface FrontPlace {
  /** A folder that is gone after the test. */
  readonly folder: string
  /** Ports of two relays. */
  readonly relayPorts: readonly number[]
  /** Of the provider's HTTPS door, and who vouches for it. */
  readonly providerPort: number
  readonly providerCa: string
}

/** How a front proxy is run. */
export interface FrontCommand {
  readonly program: string
  /** Runs it in the foreground. */
  readonly args: readonly string[]
  /** The port that it listens on when it is up. */
  readonly port: number
  readonly folder: string
  readonly env?: Readonly<Record<string, string>>
  /** The signal that makes it read its files again. Default: SIGHUP. */
  readonly reloadSignal?: NodeJS.Signals
  /** The signal on which it ends after the open requests. Default: SIGTERM. */
  readonly stopSignal?: NodeJS.Signals
}

/** A real front proxy: a child process. What it has written so far is in `output`, and in the file `FRONT_OUTPUT`. */
export class Front {
  readonly child: ChildProcess
  readonly port: number
  output = ''
  private closed = false
  private readonly command: FrontCommand

  private constructor(command: FrontCommand) {
    const { program, args, folder, env } = command
    this.command = command
    this.port = command.port
    this.child = spawn(program, args, {
      cwd: folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, HOME: folder, ...env },
    })
    for (const stream of [this.child.stdout, this.child.stderr])
      stream?.on('data', (piece: Buffer) => {
        this.output = (this.output + piece.toString()).slice(-100_000)
        if (process.env.FRONT_OUTPUT) appendFileSync(process.env.FRONT_OUTPUT, piece)
      })
    this.child.on('error', (error) => {
      this.output += error.message
      this.closed = true
    })
    const guard = guardFront(this.child)
    this.child.on('exit', () => {
      this.closed = true
      guard?.kill('SIGKILL')
    })
  }

  /** Starts it, and waits until it listens. @throws with what it wrote, if it ends before */
  static async start(command: FrontCommand): Promise<Front> {
    const front = new Front(command)
    try {
      await awaitPort(command.port, command.program, () => (front.closed ? front.output : null))
    } catch (error) {
      await front.kill()
      throw error
    }
    return front
  }

  get pid(): number {
    return this.child.pid as number
  }

  get isRunning(): boolean {
    return !this.closed
  }

  /** Makes it read its files again. It may still be at it when this returns. */
  reload(): void {
    this.child.kill(this.command.reloadSignal ?? 'SIGHUP')
  }

  /** Lets open requests end, then waits for its end. */
  async stop(): Promise<void> {
    this.child.kill(this.command.stopSignal ?? 'SIGTERM')
    await until(() => this.closed, `${this.command.program} to end`)
  }

  private killNow(): void {
    if (this.closed || this.child.pid === undefined) return
    // Its workers would outlive it. They are read before, since their parent is another one afterwards.
    for (const pid of [this.child.pid, ...readChildren(this.child.pid)]) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // It has ended by itself.
      }
    }
  }

  /** Ends it and its workers at once. */
  async kill(): Promise<void> {
    this.killNow()
    this.child.stdout?.destroy()
    this.child.stderr?.destroy()
    await until(() => this.closed, `${this.command.program} to be gone`)
  }
}

/**
 * Ends a front and its workers when this process ends, however that is: a front that nobody ends would send its checks
 * to the servers of other tests for good. Fronts have sessions of their own, so that a killed group spares them.
 */
function guardFront({ pid }: ChildProcess): ChildProcess | null {
  if (pid === undefined) return null
  const script = 'read -r end; kill -9 $1 $(cat /proc/$1/task/$1/children)'
  const guard = spawn('/bin/sh', ['-c', script, 'sh', String(pid)], {
    detached: true,
    stdio: ['pipe', 'ignore', 'ignore'],
  })
  // Neither keeps the test process alive.
  guard.unref()
  ;(guard.stdin as unknown as Socket).unref()
  return guard
}

/** Processes that a process has started; none where there is no `/proc`. */
function readChildren(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}

/** The lines of a log file of JSON lines; none, if it is not there yet. A last line that is not whole is left out. */
export function readJsonLines(file: string): Array<Record<string, unknown>> {
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line) as Record<string, unknown>)
}
