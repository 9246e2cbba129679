import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { isRunning, markProcess, type ProcessMark, parseObject } from '../ledger/starts.js'

/** A restart, as far as it has come. */
export interface RestartState {
  /** Counts the restarts of this relay, from 1. */
  readonly number: number
  readonly state: 'running' | 'done' | 'failed'
  /** Processes that new ones have replaced. */
  readonly replaced: number
  /** Why it failed; null if it did not. */
  readonly problem: string | null
}

/** What `thinwire restart` has to know of a running relay. */
export interface RunningRelay extends ProcessMark {
  /** Where it listens, as an origin. */
  readonly url: string
  readonly workers: number
  /** The process whose place this one has taken; null, or not there, for none. */
  readonly follows?: number | null
  /** The last one; null if there was none. */
  readonly restart: RestartState | null
}

/** Of the file, so that what it says later has room in it. */
const LEAST_LENGTH = 4_000

/** What is said of a problem that has none. */
const LONG_PROBLEM = 'see its log'

const NAME = /^running-\d+\.json$/

/**
 * The file `running-PID.json` in the folder of the ledger. It is there while the relay runs, and says how far a restart
 * has come. A relay that is killed leaves it; the next start with this folder removes it.
 */
export class RunningFile {
  private readonly path: string
  private relay: RunningRelay

  constructor(folder: string, { url, workers, follows }: Pick<RunningRelay, 'url' | 'workers' | 'follows'>) {
    this.path = join(folder, `running-${process.pid}.json`)
    this.relay = { ...markProcess(), url, workers, follows: follows ?? null, restart: null }
    mkdirSync(folder, { recursive: true })
    for (const { path } of findRunning(folder).over) rmSync(path, { force: true })
    this.write()
  }

  /** A restart begins. */
  beginRestart(): void {
    const number = (this.relay.restart?.number ?? 0) + 1
    this.show({ number, state: 'running', replaced: 0, problem: null })
  }

  /** How far the restart has come. */
  showRestart(state: RestartState['state'], replaced: number, problem: string | null): void {
    const { restart } = this.relay
    if (restart !== null) this.show({ number: restart.number, state, replaced, problem })
  }

  remove(): void {
    try {
      rmSync(this.path, { force: true })
    } catch {
      // The next start removes it.
    }
  }

  private show(restart: RestartState): void {
    this.relay = { ...this.relay, restart }
    try {
      this.write()
    } catch {
      this.overwrite()
    }
  }

  private write(): void {
    // Renamed, so that a reader finds a whole one. A link of that name is replaced and not followed.
    const draft = `${this.path}.tmp`
    const text = `${JSON.stringify(this.relay).padEnd(LEAST_LENGTH)}\n`
    rmSync(draft, { force: true })
    try {
      writeFileSync(draft, text, { mode: 0o640, flag: 'wx' })
      renameSync(draft, this.path)
    } catch (error) {
      rmSync(draft, { force: true })
      throw error
    }
  }

  /** A disk that is full takes no new file, but what fits into the old one. */
  private overwrite(): void {
    try {
      const bytes = Buffer.alloc(statSync(this.path).size, ' ')
      const text = JSON.stringify(this.relay)
      const { restart } = this.relay
      const short = { ...this.relay, restart: restart && { ...restart, problem: LONG_PROBLEM } }
      bytes.write(Buffer.byteLength(text) < bytes.length ? text : JSON.stringify(short))
      bytes.write('\n', bytes.length - 1)
      writeFileSync(this.path, bytes, { flag: 'r+' })
    } catch {
      // The log says it, too. It does not end a restart.
    }
  }
}

/** A file of that name, and what it says. */
export interface FoundRelay {
  readonly path: string
  readonly relay: RunningRelay
}

/** Finds the relays of a folder: those that run on this machine, and those that are over. */
export function findRunning(folder: string): { readonly running: FoundRelay[]; readonly over: FoundRelay[] } {
  const { host } = markProcess()
  const running: FoundRelay[] = []
  const over: FoundRelay[] = []
  for (const name of listNames(folder)) {
    const path = join(folder, name)
    const relay = readRunning(path)
    if (relay === null) continue
    // Without /proc it cannot be told: a process of that number counts as the relay.
    if (isRunning(relay) === false) over.push({ path, relay })
    else if (relay.host === host) running.push({ path, relay })
  }
  return { running, over }
}

/** @returns null if there is no such file, or none that can be understood */
export function readRunning(path: string): RunningRelay | null {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return null
  }
  const relay = parseObject(text) as Partial<RunningRelay> | null
  if (relay === null || typeof relay.host !== 'string') return null
  if (!Number.isSafeInteger(relay.pid) || (relay.pid as number) < 1) return null
  return relay as RunningRelay
}

function listNames(folder: string): string[] {
  try {
    return readdirSync(folder).filter((name) => NAME.test(name))
  } catch {
    return []
  }
}
