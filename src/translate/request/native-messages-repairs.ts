import type { ArrayEdits } from '../../json/object-edits.js'
import { equalsText, findMember, findString, sliceText, type Value } from '../../json/outline.js'
import type { CallIds } from '../repair/call-ids.js'
import { CANCELLED } from '../repair/turns.js'
import type { HistoryEdits } from './history.js'
import type { DistinctCallIds } from './native-call-ids.js'
import type { RepairWriter, Turn } from './native-repairs.js'

/** The changes to the contents of messages, by their indexes. */
export type Contents = Map<number, ArrayEdits>

interface MessagesTurn extends Turn {
  readonly facts: { readonly calls: string[]; readonly results: string[] }
  last: number
  /** The blocks of its results in the message's content. */
  readonly blocks: number[]
}

/**
 * How repairs are written in Messages: results are blocks of the user's message behind the calls, ahead of all other
 * blocks in it.
 */
export class MessagesRepairs implements RepairWriter {
  readonly turns: readonly MessagesTurn[]
  private readonly history: HistoryEdits
  private readonly contents: Contents
  private readonly ids: CallIds

  constructor(history: HistoryEdits, contents: Contents, own: DistinctCallIds, ids: CallIds) {
    this.history = history
    this.contents = contents
    this.ids = ids
    this.turns = listTurns(history, own)
  }

  drop(turn: number, result: number): void {
    const { first, blocks } = this.turns[turn] as MessagesTurn
    const array = this.contents.get(first)
    array?.cut(blocks[result] as number)
    if (array?.countLeft() === 0) removeMessage(this.history, first)
  }

  endDrops(): void {
    for (const { first, blocks } of this.turns) this.orderBlocks(first, blocks)
    writeContents(this.history, this.contents)
  }

  cancel(cancelled: readonly string[], before: number, isLast: boolean): void {
    const { history } = this
    const blocks = cancelled.map((id) => {
      const call = JSON.stringify(this.ids.idFor(id))
      return `{"type":"tool_result","tool_use_id":${call},"content":${CANCELLED},"is_error":true}`
    })
    const text = blocks.join(',')
    let next = before
    while (next < history.messages.length && history.isCut(next)) next++
    if (isLast && this.join(next, text)) return
    history.insert(before, `{"role":"user","content":[${text}]}`)
  }

  /** Puts results into a message of the user's. @returns false if it is none */
  private join(n: number, text: string): boolean {
    const { history } = this
    const { body } = history
    const message = history.messages[n]
    if (!message?.members || equalsText(body, findMember(message, 'role'), 'assistant')) return false
    const content = findMember(message, 'content')
    if (content?.elements?.length) {
      const at = content.start + 1
      history.of(n).within([{ start: at, end: at, text: `${text},` }])
      return true
    }
    if (content === null || findString(body, content) === null) return false
    history.of(n).replace(content, `[${text},{"type":"text","text":${sliceText(body, content)}}]`)
    return true
  }

  /** "`tool_use` ids were found without `tool_result` blocks immediately after": a text ahead of results is refused. */
  private orderBlocks(n: number, blocks: readonly number[]): void {
    const array = this.contents.get(n)
    // Results alone, or results ahead of all else, are in order.
    if (array === undefined || blocks.every((k, at) => k === at)) return
    const { messages } = this.history
    const all = findMember(messages[n] as Value, 'content')?.elements ?? []
    const isResult = new Set(blocks)
    let first = 0
    while (first < all.length && (array.isCut(first) || isResult.has(first))) first++
    const late = blocks.filter((k) => k > first && !array.isCut(k))
    const texts = this.history.formatParts(
      n,
      late.map((k) => all[k] as Value),
    )
    for (const text of texts) array.insert(first, text)
    for (const k of late) array.cut(k)
  }
}

/** Neighbours of the model's count as one turn; each message of the user's is one. */
function listTurns(history: HistoryEdits, own: DistinctCallIds): MessagesTurn[] {
  const { body, messages } = history
  const turns: MessagesTurn[] = []
  let isModels = false
  messages.forEach((message, n) => {
    if (history.isCut(n)) return
    const wasModels = isModels
    isModels = equalsText(body, findMember(message, 'role'), 'assistant')
    const joined = isModels && wasModels ? turns.at(-1) : undefined
    const turn = joined ?? { facts: { calls: [], results: [] }, first: n, last: n, blocks: [] }
    if (joined === undefined) turns.push(turn)
    turn.last = n
    const blocks = findMember(message, 'content')?.elements ?? []
    for (let k = 0; k < blocks.length; k++) {
      const block = blocks[k] as Value
      const type = findMember(block, 'type')
      if (isModels && equalsText(body, type, 'tool_use')) {
        const id = own.read(findMember(block, 'id'))
        if (id !== null) turn.facts.calls.push(id)
      } else if (!isModels && equalsText(body, type, 'tool_result')) {
        const id = own.read(findMember(block, 'tool_use_id'))
        if (id === null) continue
        turn.facts.results.push(id)
        turn.blocks.push(k)
      }
    }
  })
  return turns
}

/**
 * Removes a message that has nothing left. The first one stays, with a text that says so: a conversation begins with
 * the user.
 */
export function removeMessage(history: HistoryEdits, n: number): void {
  const { body, messages } = history
  const message = messages[n] as Value
  let before = n - 1
  while (before >= 0 && history.isCut(before)) before--
  if (before >= 0 || equalsText(body, findMember(message, 'role'), 'assistant')) {
    history.cut(n)
    return
  }
  const content = findMember(message, 'content')
  if (content === null) history.of(n).add('content', NO_TEXT)
  else history.of(n).replace(content, NO_TEXT)
}

const NO_TEXT = '"(no text)"'

/** Writes the changes to contents: no more are made. */
function writeContents(history: HistoryEdits, contents: Contents): void {
  for (const [n, array] of contents) {
    const edits = array.edits()
    if (edits.length > 0 && !history.isCut(n)) history.of(n).within(edits)
  }
  contents.clear()
}
