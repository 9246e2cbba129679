import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { rateOf } from '../../config/limit-rules.js'
import { isRunning } from '../../ledger/starts.js'
import { readErrorCode } from '../../lib/error-code.js'
import { findPeriod } from '../counters/period.js'
import { parseSnapshot, type SavedState, SNAPSHOT_FILE, type Snapshot } from './snapshot-file.js'

/**
 * Whether the relay that has left a snapshot runs. `unknown`: it belongs to another machine or container, or this
 * system has no /proc.
 */
export type Liveness = 'running' | 'ended' | 'killed' | 'unknown'

/** What a folder has of a relay's counters. */
export interface FoundSnapshot {
  /** Null if there is none, or it cannot be used. */
  readonly snapshot: Snapshot | null
  /** Why it cannot be used, as the end of a sentence about the file; null if it can, or there is none. */
  readonly problem: string | null
}

/** Reads what a relay has left in the folder of its ledger. */
export async function readSnapshot(folder: string): Promise<FoundSnapshot> {
  let text: string
  try {
    text = await readFile(join(folder, SNAPSHOT_FILE), 'utf8')
  } catch (error) {
    const code = readErrorCode(error)
    const isMissing = code === 'ENOENT' || code === 'ENOTDIR'
    return { snapshot: null, problem: isMissing ? null : `cannot be read (${code})` }
  }
  const parsed = parseSnapshot(text)
  return typeof parsed === 'string'
    ? { snapshot: null, problem: parsed }
    : { snapshot: parsed, problem: null }
}

export function findLiveness(snapshot: Snapshot): Liveness {
  if (snapshot.ended) return 'ended'
  const isAlive = isRunning(snapshot)
  return isAlive === null ? 'unknown' : isAlive ? 'running' : 'killed'
}

/**
 * What a counter says at a later moment, if nothing has been counted since: a rate comes back evenly, and a period that
 * is over has nothing in the next one.
 * @param now epoch milliseconds
 */
export function advanceState(state: SavedState, now: number): SavedState {
  const { rule, kind, budget, at } = state
  if (kind === 'budget' && budget !== null && now >= state.resetsAt) {
    const { name, end } = findPeriod(budget.period, rule.timezone, now)
    return { ...state, period: name, used: 0, held: 0, resetsAt: end }
  }
  const rate = rateOf(rule, kind)
  if (rate === null || now <= at) return state
  const back = ((now - at) * rate.perMinute) / 60_000
  return { ...state, used: Math.max(0, Math.ceil(Number(state.used) - back)) }
}
