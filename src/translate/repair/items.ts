import type { CallItem, Item, ResultItem } from '../conversation.js'
import { CANCELLED, planRepairs, type Repair, type TurnFacts } from './turns.js'

/**
 * Repairs the order of calls and results (see `planRepairs`), and gives ids of their own to calls whose id an earlier
 * call has: see `separateIds`. The same beginning of a conversation always gives the same items.
 * @returns the same list if nothing is wrong
 */
export function repairItems(items: readonly Item[]): readonly Item[] {
  return separateIds(repairOrder(items), 'conversation')
}

/** @returns the same list if nothing is wrong */
export function repairOrder(items: readonly Item[]): readonly Item[] {
  const turns = listTurns(items)
  const repairs = planRepairs(turns)
  if (repairs.length === 0) return items
  const gone = new Set<number>()
  const inserts = new Map<number, Repair[]>()
  for (const repair of repairs) {
    // Each result is a turn of its own here.
    if (repair.kind !== 'cancel') gone.add(repair.turn)
    if (repair.kind === 'drop') continue
    const there = inserts.get(repair.after)
    if (there === undefined) inserts.set(repair.after, [repair])
    else there.push(repair)
  }
  const repaired: Item[] = []
  const addTurn = (n: number): void => {
    const { start, end } = turns[n] as Turn
    for (let i = start; i < end; i++) repaired.push(items[i] as Item)
  }
  for (let n = 0; n < turns.length; n++) {
    if (!gone.has(n)) addTurn(n)
    for (const repair of inserts.get(n) ?? []) {
      if (repair.kind === 'move') addTurn(repair.turn)
      else if (repair.kind === 'cancel') repaired.push(createCancelled(repair.id))
    }
  }
  return repaired
}

function createCancelled(id: string): ResultItem {
  const part = { type: 'text', text: CANCELLED, isRefusal: false, cache: null } as const
  return { kind: 'result', id, parts: [part], isError: true, cache: null }
}

interface Turn extends TurnFacts {
  readonly calls: string[]
  readonly start: number
  /** Index after its last item. */
  end: number
}

const NONE: readonly string[] = []

/**
 * Each item is a turn, but for the assistant's, which join. A message behind a call begins a new turn, as chat
 * completions have the text ahead of the calls.
 */
function listTurns(items: readonly Item[]): Turn[] {
  const turns: Turn[] = []
  let open: Turn | null = null
  for (let i = 0; i < items.length; i++) {
    const item = items[i] as Item
    const isAssistant =
      item.kind === 'call' ||
      item.kind === 'thinking' ||
      (item.kind === 'message' && item.role === 'assistant')
    if (open === null || !isAssistant || (item.kind === 'message' && open.calls.length > 0)) {
      const turn: Turn = { calls: [], results: item.kind === 'result' ? [item.id] : NONE, start: i, end: i }
      turns.push(turn)
      open = isAssistant ? turn : null
    }
    if (item.kind === 'call') open?.calls.push(item.id)
    ;(turns[turns.length - 1] as Turn).end = i + 1
  }
  return turns
}

/** The ids that the calls of one id get, in their order, and how many of them have a result. */
interface SameId {
  readonly ids: string[]
  answered: number
  count: number
}

/**
 * Gives ids of their own to calls whose id an earlier call has: some vendors refuse doubled ids, and some models count
 * from zero in each turn.
 * @param items in the order that `repairOrder` gives them
 * @param scope where no two calls may have one id. Chat completions: in a turn, so that a model gets its own ids back.
 * @returns the same list if no ids are doubled
 */
export function separateIds(items: readonly Item[], scope: 'conversation' | 'turn'): readonly Item[] {
  if (!hasDoubledIds(items)) return items
  const used = new Set<string>()
  const known = new Map<string, SameId>()
  let inTurn = false
  return items.map((item) => {
    if (item.kind === 'result') {
      inTurn = false
      const same = known.get(item.id)
      const id = same?.ids[same.answered++] ?? item.id
      return id === item.id ? item : { ...item, id }
    }
    if (item.kind !== 'call') return item
    if (!inTurn && scope === 'turn') {
      used.clear()
      known.clear()
    }
    inTurn = true
    return separateCall(item, used, known)
  })
}

function separateCall(call: CallItem, used: Set<string>, known: Map<string, SameId>): CallItem {
  const same = known.get(call.id) ?? { ids: [], answered: 0, count: 1 }
  known.set(call.id, same)
  let { id } = call
  while (used.has(id)) id = `${call.id}_${++same.count}`
  used.add(id)
  same.ids.push(id)
  return id === call.id ? call : { ...call, id }
}

function hasDoubledIds(items: readonly Item[]): boolean {
  const seen = new Set<string>()
  for (const item of items) {
    if (item.kind !== 'call') continue
    if (seen.has(item.id)) return true
    seen.add(item.id)
  }
  return false
}
