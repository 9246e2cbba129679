/**
 * What one turn of a conversation says about tool calls, by the ids of the calls.
 *
 * A turn is what a repair may move as a whole: a message of chat completions; of Messages, a message, where neighbours
 * of the same role count as one turn; of Responses, each item, where neighbouring calls and reasoning, with a message
 * of the assistant's ahead of them, count as one turn.
 */
export interface TurnFacts {
  readonly calls: readonly string[]
  readonly results: readonly string[]
}

/** JSON string: the result of a call that was interrupted, for the model. */
export const CANCELLED = '"Cancelled: this call has no result."'

/** One change that makes a conversation acceptable. Turns and results are meant by their indexes before all changes. */
export type Repair =
  /**
   * The result `result` (index in `TurnFacts.results`) of a turn has no call, or its call has another result already.
   * A turn that has nothing else goes with it.
   */
  | { readonly kind: 'drop'; readonly turn: number; readonly result: number }
  /** A result that says that the call was cancelled is missing directly behind the turn `after`. */
  | { readonly kind: 'cancel'; readonly id: string; readonly after: number }
  /** The turn goes to the place behind the turn `after`. */
  | { readonly kind: 'move'; readonly turn: number; readonly after: number }

/**
 * Finds what vendors refuse in the order of calls and results, which edited and interrupted chats have: the results of
 * a turn's calls must follow directly behind it, one for each call, and no other results.
 *
 * A result that comes later, behind a system message say, moves ahead to its call. A call without a result is cancelled
 * if any turn follows it; the calls of the last turn are left alone. The same id may be called again in a later turn.
 * Of a turn with results for several turns, those for the last one are kept in it, and the others are dropped and
 * cancelled. Not meant for conversations whose beginning the vendor has (`previous_response_id`): their results have no
 * calls in the body.
 *
 * @returns drops in ascending order; then all others by `after` in ascending order, where those with the same `after`
 * follow behind it in the order of the list. `after` never is a turn that moves. Empty if nothing is wrong.
 */
export function planRepairs(turns: readonly TurnFacts[]): readonly Repair[] {
  if (isPlain(turns)) return []
  const matches = new Matches(turns)
  const repairs: Repair[] = matches.drops
  const placed = new Uint8Array(turns.length)
  /** The turn behind which the next one goes. */
  let after = -1
  /** The first turn that has no place yet. */
  let next = 0
  for (let n = 0; n < turns.length; n++) {
    if (placed[n] === 1) continue
    const waiting = [n]
    while (waiting.length > 0) {
      const turn = waiting.pop() as number
      placed[turn] = 1
      if (turn === next) after = turn
      else repairs.push({ kind: 'move', turn, after })
      while (placed[next] === 1) next++
      if (turn < turns.length - 1) {
        for (const id of matches.listCancelled(turn)) repairs.push({ kind: 'cancel', id, after })
      }
      const results = matches.resultTurns.get(turn) ?? []
      for (let k = results.length - 1; k >= 0; k--) waiting.push(results[k] as number)
    }
  }
  return repairs
}

/** Whether each call has one result directly behind its turn, as in nearly all conversations. */
function isPlain(turns: readonly TurnFacts[]): boolean {
  const open = new Set<string>()
  for (const { calls, results } of turns) {
    for (const id of results) if (!open.delete(id)) return false
    if (results.length > 0 && calls.length > 0) return false
    if (results.length > 0) continue
    if (open.size > 0) return false
    for (const id of calls) {
      if (open.has(id)) return false
      open.add(id)
    }
  }
  return open.size === 0 || (turns[turns.length - 1]?.calls.length ?? 0) > 0
}

/** The calls of a turn that have the same id. */
interface OpenCalls {
  readonly turn: number
  left: number
}

/** Which results belong to which calls. */
class Matches {
  readonly drops: Repair[]
  /** By a turn with calls, the turns with their results, in their order. */
  readonly resultTurns: Map<number, number[]>
  private readonly turns: readonly TurnFacts[]
  /** By turn and id, how many results are there. */
  private readonly found: Map<number, Map<string, number>>

  constructor(turns: readonly TurnFacts[]) {
    this.turns = turns
    this.drops = []
    this.resultTurns = new Map()
    this.found = new Map()
    const open = new Map<string, OpenCalls>()
    for (let n = 0; n < turns.length; n++) {
      const { calls, results } = turns[n] as TurnFacts
      if (results.length > 0) this.addResults(n, results, open)
      for (const id of calls) {
        const known = open.get(id)
        if (known?.turn === n) known.left++
        else open.set(id, { turn: n, left: 1 })
      }
    }
  }

  /** The ids of a turn's calls that have no result, once for each. */
  listCancelled(turn: number): string[] {
    const { calls } = this.turns[turn] as TurnFacts
    if (calls.length === 0) return []
    const found = new Map(this.found.get(turn))
    return calls.filter((id) => {
      const left = found.get(id) ?? 0
      if (left > 0) found.set(id, left - 1)
      return left === 0
    })
  }

  private addResults(turn: number, results: readonly string[], open: Map<string, OpenCalls>): void {
    let owner = -1
    for (const id of results) {
      const calls = open.get(id)
      if (calls !== undefined && calls.left > 0 && calls.turn > owner) owner = calls.turn
    }
    results.forEach((id, result) => {
      const calls = open.get(id)
      if (calls === undefined || calls.left === 0 || calls.turn !== owner) {
        this.drops.push({ kind: 'drop', turn, result })
        return
      }
      calls.left--
      const found = this.found.get(owner) ?? new Map<string, number>()
      found.set(id, (found.get(id) ?? 0) + 1)
      this.found.set(owner, found)
    })
    if (owner === -1) return
    const known = this.resultTurns.get(owner)
    if (known === undefined) this.resultTurns.set(owner, [turn])
    else known.push(turn)
  }
}
