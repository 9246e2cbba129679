import { ArrayEdits } from '../../json/object-edits.js'
import { findMember, type Value } from '../../json/outline.js'
import type { Part } from '../conversation.js'
import { PartReader } from '../read/parts.js'
import { formatChatContent } from '../write/chat.js'
import { RequestFields } from '../write/request-fields.js'
import { isToolRole } from './chat-call-ids.js'
import type { HistoryEdits } from './history.js'

const NOTHING = { refuses: [], refusesTogether: [] }

/** Parts of results other than text, by the index of the message. */
export type Media = ReadonlyMap<number, readonly Part[]>

/** Cuts what results have besides text out of them: vendors refuse images in a tool's message. */
export function takeMedia(history: HistoryEdits): Media {
  const media = new Map<number, readonly Part[]>()
  for (const [n, message] of history.messages.entries()) {
    if (!isToolRole(history.body, message)) continue
    const parts = takeParts(history, n)
    if (parts.length > 0) media.set(n, parts)
  }
  return media
}

/** Puts it into a message of the user's behind all results of its turn, once these have their places. */
export function placeMedia(history: HistoryEdits, media: Media): void {
  const { messages } = history
  /** By the index of the message that the user's message goes ahead of. */
  const placed = new Map<number, Part[]>()
  for (const [n, parts] of media) {
    let end = history.placeBehind(n)
    if (end === null) continue
    while (end < messages.length && isResultThere(history, end)) end++
    const known = placed.get(end)
    if (known === undefined) placed.set(end, [...parts])
    else known.push(...parts)
  }
  for (const [n, parts] of placed)
    history.insert(n, `{"role":"user","content":${formatChatContent(parts, new RequestFields(NOTHING))}}`)
}

/** Whether the message is a result that stays in its place, or none that stays at all. */
function isResultThere(history: HistoryEdits, n: number): boolean {
  return history.isCut(n) || isToolRole(history.body, history.messages[n] as Value)
}

/** Cuts all parts other than text out of a result. */
function takeParts(history: HistoryEdits, n: number): Part[] {
  const { body, messages } = history
  const content = findMember(messages[n] as Value, 'content')
  const parts: Part[] = []
  if (!content?.elements?.length) return parts
  const array = new ArrayEdits(content)
  const reader = new PartReader(body, () => {})
  content.elements.forEach((part, k) => {
    const read: Part[] = []
    reader.addPart(part, read)
    // Of a part that no API has, nothing is read: it is for the upstream to refuse.
    if (read.length === 0 || read.some(({ type }) => type === 'text')) return
    parts.push(...read)
    array.cut(k)
  })
  if (array.countLeft() === 0) history.of(n).replace(content, '""')
  else if (parts.length > 0) history.of(n).within(array.edits())
  return parts
}
