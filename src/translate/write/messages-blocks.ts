import type {
  CallItem,
  FilePart,
  ImagePart,
  Item,
  Json,
  JsonString,
  MessageItem,
  Part,
  ResultItem,
} from '../conversation.js'
import type { Markable } from './cache-marks.js'
import { listAsTexts, readFileText, replacePart, splitDataUrl } from './data-sources.js'
import { isAssistantItem } from './earlier-thinking.js'
import {
  formatArray,
  formatInputObject,
  formatWrappedObject,
  isBlank,
  joinTexts,
  listTexts,
  readInner,
  trimEnd,
} from './json-text.js'
import { formatObject, type RequestFields, type WriteContext } from './request-fields.js'
import { isCustomCall, type ToolSet } from './tool-texts.js'

/** A message of a Messages request. */
export interface BlockMessage {
  readonly role: 'user' | 'assistant'
  /** Never empty. */
  readonly blocks: Block[]
}

interface Block extends Markable {
  readonly kind: 'thinking' | 'result' | 'other'
}

/** The images that Claude reads (Anthropic's guide "Vision"). */
const IMAGE_TYPES: readonly string[] = ['image/jpeg', 'image/png', 'image/gif', 'image/webp']

/** Ahead of a conversation that the assistant begins, as the API requires the user to begin it. */
export const OPENING = '"(The conversation begins here.)"'
/** In place of a message without any visible text, as the roles of the messages around it have to take turns. */
const BLANK_MESSAGE = '"(no text)"'

/**
 * Builds the messages of a Messages request: the roles take turns, the results of calls come first in the message
 * behind the calls, and no text is blank.
 */
export class MessageBlocks {
  readonly messages: BlockMessage[]
  private readonly context: WriteContext
  private readonly tools: ToolSet
  private readonly fields: RequestFields

  constructor(context: WriteContext, tools: ToolSet, fields: RequestFields) {
    this.messages = []
    this.context = context
    this.tools = tools
    this.fields = fields
  }

  /** @param thinking blocks ahead of items, by the items' index */
  addAll(items: readonly Item[], thinking: ReadonlyMap<number, Json>): void {
    for (const [at, item] of items.entries()) {
      const blocks = thinking.get(at)
      if (blocks !== undefined)
        this.push('assistant', { json: blocks, cache: null, takesMark: false, kind: 'thinking' })
      if (item.kind === 'message') this.addMessage(item, items[at + 1])
      else if (item.kind === 'call') this.addCall(item)
      else if (item.kind === 'result') this.addResult(item)
    }
    this.finish()
  }

  /** The conversation ends with words of the assistant's, which Claude is to go on with. */
  get isPrefilled(): boolean {
    return this.messages.at(-1)?.role === 'assistant'
  }

  /**
   * Whether the thinking of the current turn is there. A turn goes on over the results of its calls, and its first
   * message begins with thinking.
   */
  get knowsTurn(): boolean {
    let first: BlockMessage | null = null
    for (let n = this.messages.length - 1; n >= 0; n--) {
      const message = this.messages[n] as BlockMessage
      if (message.role === 'assistant') first = message
      else if (!message.blocks.some(({ kind }) => kind === 'result')) break
    }
    return first === null || first.blocks[0]?.kind === 'thinking'
  }

  private addMessage({ role, parts }: MessageItem, next: Item | undefined): void {
    const sender = role === 'assistant' ? role : 'user'
    const last = this.messages.at(-1)
    const goesOn =
      (last?.role === sender && last.blocks.at(-1)?.kind !== 'thinking') ||
      (sender === 'assistant' && next !== undefined && isAssistantItem(next))
    if (!goesOn && parts.every((part) => part.type === 'text' && isBlank(part.text))) {
      this.pushText(sender, BLANK_MESSAGE, parts.findLast((part) => part.cache !== null)?.cache ?? null)
      return
    }
    if (role === 'user') {
      for (const part of parts) this.pushPart('user', part)
      return
    }
    const texts = listAsTexts(parts, this.fields)
    for (const [n, text] of texts.entries()) {
      const cache = parts[n]?.cache ?? null
      if (role === 'assistant') this.pushText('assistant', text, cache)
      // There is no place for what the system says in the middle of a conversation but the user's turn.
      else if (!isBlank(text)) this.pushText('user', `"<system>\\n${readInner(text)}\\n</system>"`, cache)
    }
  }

  private addCall(call: CallItem): void {
    const input = isCustomCall(call, this.tools)
      ? formatWrappedObject(call.input)
      : formatInputObject(call.input)
    const id = this.formatId(call.id)
    this.pushJson(
      'assistant',
      formatObject({ type: '"tool_use"', id, name: JSON.stringify(call.name), input }),
      null,
    )
  }

  private addResult({ id, parts, isError, cache }: ResultItem): void {
    const json = formatObject({
      type: '"tool_result"',
      tool_use_id: this.formatId(id),
      content: this.formatResult(parts),
      is_error: isError ? 'true' : null,
    })
    const mark = cache ?? parts.findLast((part) => part.cache !== null)?.cache ?? null
    this.push('user', { json, cache: mark, takesMark: true, kind: 'result' })
  }

  /** Null: the result is empty. */
  private formatResult(parts: readonly Part[]): Json | null {
    const texts = listTexts(parts).filter((text) => !isBlank(text))
    if (parts.every(({ type }) => type === 'text')) return texts.length === 0 ? null : joinTexts(texts)
    const blocks: Json[] = []
    for (const part of parts)
      if (part.type !== 'text' || !isBlank(part.text)) blocks.push(this.formatPart(part))
    return formatArray(blocks)
  }

  private pushPart(role: 'user' | 'assistant', part: Part): void {
    if (part.type === 'text') this.pushText(role, part.text, part.cache)
    else this.pushJson(role, this.formatPart(part), part.cache)
  }

  /** The mark of a text that is not sent moves to the block before it. */
  private pushText(role: 'user' | 'assistant', text: JsonString, cache: Json | null): void {
    if (!isBlank(text)) {
      this.pushJson(role, `{"type":"text","text":${text}}`, cache)
      return
    }
    const last = this.messages.at(-1)?.blocks.at(-1)
    if (cache !== null && last?.takesMark === true) last.cache ??= cache
  }

  private pushJson(role: 'user' | 'assistant', json: Json, cache: Json | null): void {
    this.push(role, { json, cache, takesMark: true, kind: 'other' })
  }

  private push(role: 'user' | 'assistant', block: Block): void {
    const last = this.messages.at(-1)
    if (last?.role === role) last.blocks.push(block)
    else this.messages.push({ role, blocks: [block] })
  }

  /** Makes the first and the last message what the API requires. */
  private finish(): void {
    const { messages } = this
    if (messages[0]?.role !== 'user') {
      const json = `{"type":"text","text":${OPENING}}`
      messages.unshift({ role: 'user', blocks: [{ json, cache: null, takesMark: true, kind: 'other' }] })
    }
    const last = messages.at(-1)
    const block = last?.blocks.at(-1)
    if (last?.role !== 'assistant' || block?.json.startsWith('{"type":"text"') !== true) return
    const text = trimEnd(block.json.slice('{"type":"text","text":'.length, -1))
    last.blocks[last.blocks.length - 1] = { ...block, json: `{"type":"text","text":${text}}` }
  }

  private formatPart(part: Part): Json {
    const found =
      part.type === 'image' ? formatImage(part) : part.type === 'file' ? formatDocument(part) : null
    if (found !== null) return found
    const text = part.type === 'text' ? part.text : replacePart(part, this.fields)
    return `{"type":"text","text":${text}}`
  }

  private formatId(id: string): JsonString {
    return JSON.stringify(this.context.callIds?.idFor(id) ?? id)
  }
}

/** Null if Claude does not read it. */
function formatImage(part: ImagePart): Json | null {
  const source = splitDataUrl(part.source)
  if (source.kind === 'url') return `{"type":"image","source":{"type":"url","url":${source.url}}}`
  if (source.kind !== 'base64') return null
  const mediaType = source.mediaType === 'image/jpg' ? 'image/jpeg' : source.mediaType
  if (!IMAGE_TYPES.includes(mediaType)) return null
  return `{"type":"image","source":{"type":"base64","media_type":"${mediaType}","data":${source.data}}}`
}

function formatDocument(part: FilePart): Json | null {
  const source = splitDataUrl(part.source)
  const title = part.name === null || isBlank(part.name) ? null : part.name
  if (source.kind === 'url') return formatSource(`{"type":"url","url":${source.url}}`, title)
  if (source.kind === 'base64' && source.mediaType === 'application/pdf') {
    return formatSource(`{"type":"base64","media_type":"application/pdf","data":${source.data}}`, title)
  }
  const text = readFileText({ ...part, source })
  if (text === null || isBlank(text)) return null
  return formatSource(`{"type":"text","media_type":"text/plain","data":${text}}`, title)
}

function formatSource(source: Json, title: JsonString | null): Json {
  return formatObject({ type: '"document"', source, title })
}
