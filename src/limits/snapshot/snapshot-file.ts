import { type Budget, type LimitRule, type LimitScope, PERIODS } from '../../config/limit-rules.js'
import { findZoneFlaw } from '../../config/timezone.js'
import { isObject } from '../../json/values.js'
import { parseWhole, type Whole } from '../../ledger/read/whole.js'
import { type ProcessMark, parseObject } from '../../ledger/starts.js'
import type { LimitState } from '../counters/store.js'

/*
 * The file in which a relay leaves the state of its counters, for commands: JSON, in lines, so that it is written in
 * slices.
 *
 *   {"v":1,"writer":"w-…","started":"2026-…Z","host":"…","pid":4711,"born":123456,
 *   "slices":[
 *   {"seq":17,"at":1790000000000,"rules":[[0,{"id":"…","name":"…",…}]],"states":[
 *   [0,"team1","requests",-1,null,60,3,0,2000],
 *   …]},
 *   …
 *   null],"written":"2026-…Z","ended":false,"restored":true}
 *
 * The states of a slice are of one moment, and have what the records of the writer up to `seq` say.
 *
 * A primary makes no records, and has counted those of its workers: its file has `"v":2`, and each slice, in place of
 * `seq`, `"live":[["w-…",17],…],"ids":["…",…]`. Of each of these writers, the records up to that number are counted,
 * and those of the requests with these ids; of writers that are not there, all are. Behind the slices,
 * `"workers":["w-…",…]` names all writers that were, or are, workers of this relay.
 */

/** The file's name in the folder of the ledger. */
export const SNAPSHOT_FILE = 'limits.json'

/** Where a counter stood. */
export interface SavedState extends Omit<LimitState, 'resetMs'> {
  /** Epoch milliseconds: when a rate is whole again, or the period ends. */
  readonly resetsAt: number
  /** Epoch milliseconds: when it stood there. */
  readonly at: number
  /** Number of the last record that is in it; 0 with `live`. */
  readonly seq: number
  /** Which records of the workers are in it; null in the file of a relay of one process. */
  readonly live: LiveMark | null
}

/** Which records of workers were counted at a moment. */
export interface LiveMark {
  /** By writer: its records up to this number, and of others only those that `ids` has. */
  readonly writers: ReadonlyMap<string, number>
  /** Ids of requests that are counted, and whose records may have later numbers, or may not be written yet. */
  readonly ids: ReadonlySet<string>
}

/** Which start of a relay has written a file. */
export interface SnapshotOwner extends ProcessMark {
  readonly writer: string
  /** ISO 8601, UTC. */
  readonly started: string
}

export interface Snapshot extends SnapshotOwner {
  /** ISO 8601, UTC. */
  readonly written: string
  /** The relay has ended by itself, and this is its last one. */
  readonly ended: boolean
  /** The budgets have what was used before this start. */
  readonly restored: boolean
  readonly states: readonly SavedState[]
  /** Which records were counted in the last slice; null in the file of a relay of one process. */
  readonly live: LiveMark | null
  /** Writers that were, or are, workers of this relay. */
  readonly workers: readonly string[]
}

/** Versions of the file: that of a relay of one process, and that of a primary. */
const OWN = 1
const LIVE = 2

/**
 * @param isPrimary whether slices say which records of workers they have
 * @returns the beginning of the file
 */
export function formatOwner({ writer, started, host, pid, born }: SnapshotOwner, isPrimary = false): string {
  return `${JSON.stringify({ v: isPrimary ? LIVE : OWN, writer, started, host, pid, born }).slice(0, -1)},\n"slices":[\n`
}

/** Stands at the end of the last file of a relay. */
export const ENDED = '"ended":true'

/**
 * @param workers of a primary
 * @returns the end of the file
 */
export function formatEnd(
  { written, ended, restored }: Pick<Snapshot, 'written' | 'ended' | 'restored'>,
  workers?: readonly string[],
): string {
  return `null],${JSON.stringify({ workers, written, ended, restored }).slice(1)}\n`
}

/** Formats the states of one moment. */
export class SliceFormatter {
  private readonly known: Map<LimitRule, number>
  private readonly fresh: string[]
  private readonly states: string[]

  constructor() {
    this.known = new Map()
    this.fresh = []
    this.states = []
  }

  add(state: LimitState): void {
    const { rule, owner, kind, period, limit, used, held, resetMs } = state
    let number = this.known.get(rule)
    if (number === undefined) {
      number = this.known.size
      this.known.set(rule, number)
      this.fresh.push(`[${number},${JSON.stringify(rule)}]`)
    }
    const budget = state.budget === null ? -1 : rule.budgets.indexOf(state.budget)
    const spent = typeof used === 'bigint' ? String(used) : used
    this.states.push(
      JSON.stringify([number, owner, kind, budget, period, limit, spent, held, Math.ceil(resetMs)]),
    )
  }

  /**
   * Formats what was added since the last slice.
   * @param counted number of the last record; of a primary, the records of its workers
   * @param at epoch milliseconds
   */
  take(counted: number | LiveMark, at: number): string {
    const rules = this.fresh.splice(0).join(',')
    const records = typeof counted === 'number' ? `"seq":${counted}` : formatLive(counted)
    return `{${records},"at":${at},"rules":[${rules}],"states":[\n${this.states.splice(0).join(',\n')}]},\n`
  }
}

/** Reads the owner from the beginning of a file. @returns null if it has none that is known */
export function parseOwner(text: string): SnapshotOwner | null {
  const line = text.slice(0, text.indexOf('\n')).replace(/,$/, '}')
  const fields = parseObject(line)
  return fields?.v === OWN || fields?.v === LIVE ? toOwner(fields) : null
}

/** Reads a whole file. @returns what is wrong with it, if anything is */
export function parseSnapshot(text: string): Snapshot | string {
  const fields = parseObject(text)
  if (fields === null) return 'is not JSON, or not all of it was written'
  if (typeof fields.v !== 'number') return UNKNOWN
  if (fields.v !== OWN && fields.v !== LIVE) return 'was written by another version of thinwire'
  const owner = toOwner(fields)
  const { slices, written, ended, restored, workers = [] } = fields
  if (owner === null || !isMoment(written) || !Array.isArray(slices)) return UNKNOWN
  if (!areTexts(workers)) return UNKNOWN
  let last: LiveMark | null = null
  const rules: LimitRule[] = []
  const states: SavedState[] = []
  for (const slice of slices) {
    if (slice === null) continue
    if (!isObject(slice) || !isTime(slice.at)) return UNKNOWN
    const live = fields.v === LIVE ? toLive(slice) : null
    const seq = fields.v === LIVE ? 0 : slice.seq
    if (!isCount(seq) || (fields.v === LIVE && live === null)) return UNKNOWN
    last = live
    if (!Array.isArray(slice.rules) || !Array.isArray(slice.states)) return UNKNOWN
    for (const entry of slice.rules as unknown[]) {
      if (!Array.isArray(entry) || !isRule(entry[1])) return UNKNOWN
      rules[Number(entry[0])] = entry[1]
    }
    for (const entry of slice.states as unknown[]) {
      const state = Array.isArray(entry) ? toState(entry, rules, { seq, live, at: slice.at }) : null
      if (state === null) return UNKNOWN
      states.push(state)
    }
  }
  const isWhole = { ended: ended === true, restored: restored === true }
  return { ...owner, written, ...isWhole, states, live: last, workers }
}

const UNKNOWN = 'is not a file of a relay'

function toOwner({ writer, started, host, pid, born }: Record<string, unknown>): SnapshotOwner | null {
  if (typeof writer !== 'string' || !isMoment(started)) return null
  if (typeof host !== 'string' || !isCount(pid)) return null
  return { writer, started, host, pid, born: isCount(born) ? born : null }
}

function formatLive({ writers, ids }: LiveMark): string {
  return JSON.stringify({ live: [...writers], ids: [...ids] }).slice(1, -1)
}

function toLive({ live, ids }: Record<string, unknown>): LiveMark | null {
  if (!Array.isArray(live) || !areTexts(ids)) return null
  const writers = new Map<string, number>()
  for (const entry of live as unknown[]) {
    const [writer, seq] = Array.isArray(entry) ? (entry as unknown[]) : []
    if (typeof writer !== 'string' || !isCount(seq)) return null
    writers.set(writer, seq)
  }
  return { writers, ids: new Set(ids) }
}

const KINDS: readonly unknown[] = ['requests', 'tokens', 'concurrent', 'budget']

function toState(
  [number, owner, kind, budgetIndex, period, limit, used, held, resetMs]: readonly unknown[],
  rules: readonly LimitRule[],
  slice: Pick<SavedState, 'seq' | 'live' | 'at'>,
): SavedState | null {
  const { at } = slice
  const rule = rules[Number(number)]
  if (rule === undefined || typeof owner !== 'string' || !KINDS.includes(kind)) return null
  if (!isCount(limit) || !isCount(held) || !isCount(resetMs) || !isTime(at + resetMs)) return null
  const isText = typeof used === 'string' && /^\d{1,40}$/.test(used)
  const spent = isText || isCount(used) ? (parseWhole(used as string | number) as Whole) : null
  if (spent === null) return null
  const budget = rule.budgets[Number(budgetIndex)] ?? null
  if ((kind === 'budget') !== (budget !== null && typeof period === 'string')) return null
  return {
    rule,
    owner,
    kind: kind as SavedState['kind'],
    budget,
    period: typeof period === 'string' ? period : null,
    limit,
    used: spent,
    held,
    resetsAt: at + resetMs,
    ...slice,
  }
}

/** Whether what is read of a rule later has the right types. */
function isRule(value: unknown): value is LimitRule {
  if (!isObject(value)) return false
  const { id, name, per, timezone, budgets, requests, tokens, concurrent, match, allow, deny } = value
  if (typeof id !== 'string' || typeof name !== 'string' || !SCOPES.includes(per)) return false
  // A relay may know zones that this version of Node does not.
  if (typeof timezone !== 'string' || findZoneFlaw(timezone) !== null) return false
  if (concurrent !== null && !isCount(concurrent)) return false
  if ([allow, deny].some((models) => models !== null && !areTexts(models))) return false
  return isRate(requests) && isRate(tokens) && isMatch(match) && areBudgets(budgets)
}

const SCOPES: readonly unknown[] = ['pool', 'key', 'user', 'team', 'env'] satisfies LimitScope[]

const MATCHED = ['key', 'user', 'team', 'env', 'model', 'path', 'tag'] as const

function isMatch(match: unknown): boolean {
  return isObject(match) && MATCHED.every((part) => match[part] === null || areTexts(match[part]))
}

function areTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string')
}

function isRate(value: unknown): boolean {
  return value === null || (isObject(value) && isCount(value.perMinute) && isCount(value.burst))
}

const UNITS: readonly unknown[] = ['usd', 'tokens'] satisfies Budget['unit'][]

function areBudgets(value: unknown): value is Budget[] {
  return (
    Array.isArray(value) &&
    value.every(
      (each) =>
        isObject(each) &&
        PERIODS.some((period) => period === each.period) &&
        UNITS.includes(each.unit) &&
        isCount(each.amount),
    )
  )
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}

/** The last moment that a date can be, in epoch milliseconds, with room for the longest period behind it. */
const LAST_TIME = 8e15

function isTime(value: unknown): value is number {
  return isCount(value) && value <= LAST_TIME
}

/** ISO 8601. */
function isMoment(value: unknown): value is string {
  return typeof value === 'string' && isTime(Date.parse(value))
}
