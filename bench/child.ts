import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { fileURLToPath } from 'node:url'
import type { Reading } from './meter.js'

/** Longest wait for a process to listen, or to reply to a message. */
const PATIENCE_MS = 30_000

/** Clock ticks of /proc/PID/stat in a second, on every Linux (proc(5), sysconf). */
const TICKS_PER_SECOND = 100

export interface ChildOptions {
  /** The core to run on; null for any. */
  readonly core: number | null
  readonly env?: NodeJS.ProcessEnv
  readonly cwd?: string
  /** File for standard output, overwritten; without it the output is dropped. */
  readonly stdout?: string
}

const started = new Set<Child>()

/** A process that the bench starts: pinned to a core, metered, and ended with the bench. */
export class Child {
  readonly process: ChildProcess
  private stderr: string
  private readonly ipc: boolean
  /** Settles when the last message has its answer. */
  private asked: Promise<unknown>

  /** Starts a Node program with the meter loaded into it. */
  static node(
    script: string,
    args: readonly string[],
    options: ChildOptions,
    flags: readonly string[] = [],
  ): Child {
    const meter = new URL('./meter.js', import.meta.url).href
    return new Child(process.execPath, [...flags, '--import', meter, script, ...args], options, true)
  }

  /** Starts any other program. Its CPU time and memory are read from /proc. */
  static program(command: string, args: readonly string[], options: ChildOptions): Child {
    return new Child(command, args, options, false)
  }

  private constructor(command: string, args: readonly string[], options: ChildOptions, ipc: boolean) {
    const out = options.stdout === undefined ? 'ignore' : openSync(options.stdout, 'w')
    const { core } = options
    const [program, all] =
      core === null ? [command, args] : ['taskset', ['-c', String(core), command, ...args]]
    this.process = spawn(program, all, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['ignore', out, 'pipe', ...(ipc ? (['ipc'] as const) : [])],
    })
    if (typeof out === 'number') closeSync(out)
    this.ipc = ipc
    this.asked = Promise.resolve()
    this.stderr = ''
    this.process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.stderr = (this.stderr + text).slice(-4_000)
    })
    this.process.on('error', (error) => {
      this.stderr += error.message
    })
    started.add(this)
    this.process.once('exit', () => started.delete(this))
  }

  get ended(): boolean {
    return (
      this.process.exitCode !== null || this.process.signalCode !== null || this.process.pid === undefined
    )
  }

  /** The end of its standard error, for the message of a failure. */
  get lastWords(): string {
    return this.stderr.trim()
  }

  /** Sends a message and waits for one. One after the other: an answer does not say which message it is for. */
  ask<T>(message: unknown): Promise<T> {
    const answer = this.asked.then(() => this.askNow<T>(message))
    this.asked = answer.catch(() => {})
    return answer
  }

  private async askNow<T>(message: unknown): Promise<T> {
    const answer = once(this.process, 'message', { signal: AbortSignal.timeout(PATIENCE_MS) })
    this.process.send?.(message as object)
    return ((await answer) as [T])[0]
  }

  async read(): Promise<Reading> {
    if (this.ipc) return this.ask<Reading>('read')
    return readFromOutside(this.process.pid ?? 0)
  }

  /** What it and its children have used, such as the workers of a relay. */
  readAll(): Reading {
    return readFromOutside(this.process.pid ?? 0)
  }

  /**
   * How often threads of it and of its children have gone to sleep, and so have woken up, since their start: the kernel's
   * count (voluntary_ctxt_switches of proc(5)). Null where there is no /proc.
   */
  readWakes(): number | null {
    const { pid } = this.process
    if (pid === undefined || !existsSync(`/proc/${pid}/task`)) return null
    let wakes = 0
    for (const member of [pid, ...childrenOf(pid)]) wakes += wakesOf(member)
    return wakes
  }

  /** Starts to measure the delay of its event loop, which the next reading contains. */
  async watch(): Promise<void> {
    if (this.ipc) await this.ask('watch')
  }

  /** Resolves when it listens on that port. @throws if it ends before, or does not listen in time */
  listening(port: number): Promise<void> {
    return this.until(() => accepts(port), `nothing listens on port ${port}`)
  }

  /** Resolves when `/readyz` on that port responds with 200. @throws if it ends before, or is not ready in time */
  ready(port: number): Promise<void> {
    const url = `http://127.0.0.1:${port}/readyz`
    const says = (): Promise<boolean> =>
      fetch(url)
        .then(({ ok }) => ok)
        .catch(() => false)
    return this.until(says, `${url} was never ready`)
  }

  private async until(holds: () => Promise<boolean>, otherwise: string): Promise<void> {
    const deadline = performance.now() + PATIENCE_MS
    while (performance.now() < deadline) {
      if (this.ended) throw new Error(`a process of the bench ended at once: ${this.lastWords}`)
      if (await holds()) return
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    throw new Error(`${otherwise}: ${this.lastWords}`)
  }

  /** Ends it, by SIGTERM first: a CPU profile is written only by a process that exits by itself. */
  async stop(): Promise<void> {
    if (this.ended) return
    const exit = once(this.process, 'exit')
    this.process.kill('SIGTERM')
    const timer = setTimeout(() => this.process.kill('SIGKILL'), 3_000)
    await exit
    clearTimeout(timer)
  }
}

/** No process may outlive the bench. */
process.once('exit', () => {
  for (const child of started) child.process.kill('SIGKILL')
})

/** A port that is free at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** The file of a compiled bench program. @param path in `bench/` */
export function programOf(path: string): string {
  return fileURLToPath(new URL(path, import.meta.url))
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', () => resolve(false))
  })
}

/** CPU and memory of a process and its children, such as nginx's worker. 0 where there is no /proc. */
function readFromOutside(pid: number): Reading {
  let cpuUs = 0
  let rssBytes = 0
  for (const member of [pid, ...childrenOf(pid)]) {
    try {
      rssBytes +=
        Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${member}/status`, 'utf8'))?.[1] ?? 0) * 1024
      cpuUs += cpuOf(member)
    } catch {
      // The process has ended, or this is not Linux.
    }
  }
  return { cpuUs, rssBytes, gcUs: null, loopDelayP99Us: null, loopDelayMaxUs: null }
}

/** CPU time in microseconds: from the kernel's count of each thread (schedstat), else from clock ticks. */
function cpuOf(pid: number): number {
  try {
    let ns = 0
    for (const thread of readdirSync(`/proc/${pid}/task`)) {
      ns += Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, 'utf8').split(' ')[0])
    }
    return ns / 1_000
  } catch {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return ((Number(fields[11]) + Number(fields[12])) * 1e6) / TICKS_PER_SECOND
  }
}

function wakesOf(pid: number): number {
  let wakes = 0
  for (const thread of readdirSync(`/proc/${pid}/task`)) {
    try {
      const status = readFileSync(`/proc/${pid}/task/${thread}/status`, 'utf8')
      wakes += Number(/^voluntary_ctxt_switches:\s+(\d+)/m.exec(status)?.[1] ?? 0)
    } catch {
      // The thread has ended.
    }
  }
  return wakes
}

function childrenOf(pid: number): number[] {
  try {
    return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
  } catch {
    return []
  }
}
