import type { ConversationApi } from '../../api/apis.js'
import type { CallItem, Item, Json } from '../conversation.js'
import type { TranslationTarget } from '../conversation-request.js'
import { isFrom, type ThoughtMemory } from '../thinking/thought-memory.js'

/** Whether the item belongs to a message of the assistant's. */
export function isAssistantItem(item: Item): boolean {
  return (
    item.kind === 'call' || item.kind === 'thinking' || (item.kind === 'message' && item.role === 'assistant')
  )
}

/** The thinking that came with a call from this target, in the target's form; null if it is not known. */
export function findThought(
  thoughts: ThoughtMemory | null,
  target: TranslationTarget,
  api: ConversationApi,
  { id, source }: CallItem,
): Json | null {
  const thought = thoughts?.find(source ?? { id, message: -1 }) ?? null
  return thought !== null && isFrom(thought, { ...target, api }) ? thought.json : null
}

/**
 * Finds the thinking that goes ahead of the assistant's items. What the client sent itself stays at its place. Of what
 * is remembered, the thinking of the first call goes to the beginning of the message, ahead of its texts, as models
 * think before they write; the thinking of a later call goes ahead of the call, unless the message has it already.
 * @param find gives what is remembered for a call
 * @returns by the index of the item, the JSON text that goes ahead of it or, for an item of thinking, in its place
 */
export function planThinking(
  items: readonly Item[],
  api: 'responses' | 'messages',
  find: (call: CallItem) => Json | null,
): ReadonlyMap<number, Json> {
  const plan = new Map<number, Json>()
  for (let start = 0; start < items.length; start++) {
    if (!isAssistantItem(items[start] as Item)) continue
    let end = start
    while (end < items.length && isAssistantItem(items[end] as Item)) end++
    if (!planGiven(items, start, end, api, plan)) planRemembered(items, start, end, find, plan)
    start = end
  }
  return plan
}

/** @returns false if the client sent no thinking in this message */
function planGiven(
  items: readonly Item[],
  start: number,
  end: number,
  api: 'responses' | 'messages',
  plan: Map<number, Json>,
): boolean {
  let found = false
  // Thinking that led to nothing, because the answer was broken off, is refused.
  let last = end - 1
  while (last >= start && items[last]?.kind === 'thinking') last--
  for (let n = start; n < last; n++) {
    const item = items[n] as Item
    if (item.kind !== 'thinking' || item.api !== api) continue
    plan.set(n, item.json)
    found = true
  }
  return found
}

function planRemembered(
  items: readonly Item[],
  start: number,
  end: number,
  find: (call: CallItem) => Json | null,
  plan: Map<number, Json>,
): void {
  const seen = new Set<Json>()
  let first = true
  for (let n = start; n < end; n++) {
    const item = items[n] as Item
    if (item.kind !== 'call') continue
    const json = find(item)
    if (json !== null && json !== '' && !seen.has(json)) {
      seen.add(json)
      plan.set(first ? start : n, json)
    }
    first = false
  }
}
