import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { cpus, release } from 'node:os'
import type { MachineFacts } from './results.js'

/** The cores of the processes. With one core all share it, and the figures mean little. */
export interface Placement {
  /** Core of the relay that is measured; null where processes cannot be pinned. */
  readonly relay: number | null
  /** Core of the clients and of the upstream. */
  readonly others: number | null
  readonly words: string
}

/** Puts client and upstream on one core and the relay on another, if possible. */
export function placeProcesses(): Placement {
  const allowed = allowedCores()
  const [first, second] = allowed
  if (first === undefined || spawnSync('taskset', ['-V'], { stdio: 'ignore' }).status !== 0) {
    return { relay: null, others: null, words: 'not pinned: taskset (util-linux) is not installed' }
  }
  if (second === undefined) return { relay: null, others: null, words: 'not pinned: there is one core' }
  return {
    relay: second,
    others: first,
    words: `client and upstream on core ${first}, the relay on core ${second}`,
  }
}

/** Cores that this process may use (proc(5), Cpus_allowed_list), which in a container are not all there are. */
function allowedCores(): number[] {
  let list: string | undefined
  try {
    list = /^Cpus_allowed_list:\s*(\S+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
  } catch {
    // Not Linux.
  }
  const cores: number[] = []
  for (const range of list?.split(',') ?? []) {
    const [from = 0, to = from] = range.split('-').map(Number)
    for (let core = from; core <= to; core++) cores.push(core)
  }
  return cores
}

/** Limit of open files for one process, which limits the streams too. */
function openFilesLimit(): number {
  try {
    const found = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))?.[1]
    if (found !== undefined) return Number(found)
  } catch {
    // Not Linux.
  }
  return 1024
}

/** Files that a relay has open for one stream; and beside them, with those that Thinwire keeps free (`OpenFiles`). */
const FILES_EACH = 2
const FILES_BESIDE = 1_200

/** How many streams the limit of open files leaves room for. */
export function streamsThatFit(): number {
  return Math.floor((openFilesLimit() - FILES_BESIDE) / FILES_EACH)
}

export function describeMachine(placement: Placement): MachineFacts {
  const all = cpus()
  return {
    cpu: all[0]?.model ?? 'unknown',
    cores: all.length,
    pinning: placement.words,
    node: process.version,
    kernel: release(),
    commit: describeCommit(),
  }
}

function describeCommit(): string | null {
  const git = (...args: string[]): string | null => {
    const { status, stdout } = spawnSync('git', args, { encoding: 'utf8' })
    return status === 0 ? stdout.trim() : null
  }
  const commit = git('rev-parse', '--short', 'HEAD')
  if (commit === null) return null
  return git('status', '--porcelain', '--untracked-files=no') === '' ? commit : `${commit}+`
}
