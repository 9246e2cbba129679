import { readText, type Value } from '../../json/outline.js'
import type { CallIds } from '../repair/call-ids.js'
import type { ToolNames } from '../repair/tool-names.js'
import type { HistoryEdits } from './history.js'

/**
 * The ids of calls and results, where no two calls of a conversation have the same: Responses and Messages refuse that,
 * and some models count from zero in each turn. Of calls with one id all but the first get another one, and so do their
 * results. The same beginning of a conversation always gets the same ids (`separateIds` makes them alike).
 */
export class DistinctCallIds {
  private readonly body: Buffer
  /** The ids of the calls so far. */
  private readonly used: Set<string>
  /** By the id in the body. */
  private readonly known: Map<string, { count: number; turn: number; open: string[] }>
  /** By the place of an id, the one that it gets. */
  private readonly made: Map<Value, string>

  constructor(body: Buffer) {
    this.body = body
    this.used = new Set()
    this.known = new Map()
    this.made = new Map()
  }

  /** Adds a call. @param turn number of its turn: results belong to the last turn that has their id */
  addCall(value: Value | null, turn: number): void {
    const id = readCallId(this.body, value)
    if (value === null || id === null) return
    let known = this.known.get(id)
    if (known === undefined) {
      known = { count: 1, turn, open: [] }
      this.known.set(id, known)
    } else if (known.turn !== turn) {
      known.turn = turn
      known.open = []
    }
    let own = id
    while (this.used.has(own)) own = `${id}_${++known.count}`
    this.used.add(own)
    known.open.push(own)
    if (own !== id) this.made.set(value, own)
  }

  /** Adds a result, behind its call. */
  addResult(value: Value | null): void {
    const id = readCallId(this.body, value)
    const own = id === null ? undefined : this.known.get(id)?.open.shift()
    if (value !== null && own !== undefined && own !== id) this.made.set(value, own)
  }

  /** Null if there is none in the body. */
  read(value: Value | null): string | null {
    if (value === null) return null
    return this.made.get(value) ?? readCallId(this.body, value)
  }
}

/** Replaces the id of a call, in the call or in its result. */
export function editCallId(
  history: HistoryEdits,
  n: number,
  value: Value | null,
  own: DistinctCallIds,
  ids: CallIds,
): void {
  const id = own.read(value)
  if (value === null || id === null) return
  const wanted = ids.idFor(id)
  if (wanted !== readCallId(history.body, value)) history.of(n).replace(value, JSON.stringify(wanted))
}

/** Replaces the name of a tool that the target does not take. */
export function editToolName(history: HistoryEdits, n: number, value: Value | null, names: ToolNames): void {
  const name = readCallId(history.body, value)
  if (value === null || name === null) return
  const wanted = names.nameFor(name)
  if (wanted !== name) history.of(n).replace(value, JSON.stringify(wanted))
}

/** The id of a call; null if it is missing, no string, or longer than any vendor's. */
export function readCallId(body: Buffer, value: Value | null): string | null {
  return readText(body, value, LONGEST_READ)
}

/** In bytes. */
const LONGEST_READ = 1024 * 1024
