import { planRepairs, type TurnFacts } from '../repair/turns.js'
import type { HistoryEdits } from './history.js'

/** A turn of a conversation, and the messages that it is made of. */
export interface Turn {
  readonly facts: TurnFacts
  /** Indexes of its first and its last message. */
  readonly first: number
  readonly last: number
}

/** How the repairs of an API are written. */
export interface RepairWriter {
  readonly turns: readonly Turn[]
  /** Removes a result of a turn. All removals come ahead of all else. */
  drop(turn: number, result: number): void
  /** Called once all removals are made: messages may be moved from now on. */
  endDrops(): void
  /**
   * Puts results in that say that these calls were cancelled.
   * @param before index of the message that they go ahead of
   * @param isLast nothing else is put in ahead of that message
   */
  cancel(ids: readonly string[], before: number, isLast: boolean): void
}

/** Puts calls and results in the order that vendors accept: see `planRepairs`. */
export function applyRepairs(history: HistoryEdits, writer: RepairWriter): void {
  const { turns } = writer
  const repairs = planRepairs(turns.map(({ facts }) => facts))
  for (const repair of repairs) if (repair.kind === 'drop') writer.drop(repair.turn, repair.result)
  writer.endDrops()
  for (let n = 0; n < repairs.length; n++) {
    const repair = repairs[n] as (typeof repairs)[number]
    if (repair.kind === 'drop') continue
    const to = (turns[repair.after]?.last ?? -1) + 1
    if (repair.kind === 'move') {
      const { first, last } = turns[repair.turn] as Turn
      for (let k = first; k <= last; k++) if (!history.isCut(k)) history.move(k, to)
      continue
    }
    const ids = [repair.id]
    let next = repairs[n + 1]
    while (next?.kind === 'cancel' && next.after === repair.after) {
      ids.push(next.id)
      n++
      next = repairs[n + 1]
    }
    writer.cancel(ids, to, next?.kind !== 'move' || next.after !== repair.after)
  }
}
