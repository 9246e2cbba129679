import {
  findMember,
  findOnly,
  parseOutline,
  readElements,
  sliceText,
  type Value,
  WHOLE,
} from '../../json/outline.js'
import { asArray, isObject, type JsonObject, stringOr } from '../../json/values.js'
import { ThoughtGroups } from '../thinking/thought-groups.js'
import type { Translation } from '../translation.js'
import { CallIds, CallInput } from './call-input.js'
import { mergeUsage, readMessageUsage } from './chat-usage.js'
import type { FinishReason, ResponseWriter } from './response-writer.js'
import { PLAIN, type ReaderOptions, StreamTranslation } from './stream.js'

const BLOCK = findOnly({ input: WHOLE })
const BLOCK_EVENT = findOnly({ content_block: BLOCK })
const MESSAGE = findOnly({ content: readElements(BLOCK) })

/** A call of a tool that the client runs. */
interface Call {
  readonly input: CallInput
  /** The input that came with the beginning of the block, as JSON text; used if no delta follows. */
  readonly whole: string
}

/** A thinking block that is open, as it has to be sent back. */
interface Thinking {
  text: string
  signature: string
}

/**
 * Reads a message of Anthropic's API, as a stream (Anthropic docs: Streaming messages) or as a whole (API reference:
 * Messages). Calls of tools that Anthropic runs itself are dropped.
 */
export class MessagesStream extends StreamTranslation {
  /** The calls whose block is open, by the block's index. */
  private readonly calls: Map<unknown, Call>
  private readonly callIds: CallIds
  private id: string | null
  /** The index of the last thinking block: an empty line separates two of them. */
  private lastThinking: unknown
  /** The thinking block that is open, where thinking is kept. */
  private thinking: Thinking | null
  private readonly groups: ThoughtGroups
  private usage: Record<string, unknown>
  private stopReason: string | null

  constructor(writer: ResponseWriter, options: ReaderOptions = PLAIN, makes: Translation['makes'] = null) {
    super(writer, options, makes)
    this.calls = new Map()
    this.callIds = new CallIds()
    this.id = null
    this.lastThinking = null
    this.thinking = null
    this.groups = new ThoughtGroups()
    this.usage = {}
    this.stopReason = null
  }

  protected read(type: string, event: JsonObject): void {
    switch (type) {
      case 'message_start':
        if (isObject(event.message)) this.begin(event.message)
        return
      case 'content_block_start':
        if (isObject(event.content_block)) this.openBlock(event.index, event.content_block, null)
        else this.failUnreadable()
        return
      case 'content_block_delta':
        if (isObject(event.delta)) this.readDelta(event.index, event.delta)
        else this.failUnreadable()
        return
      case 'content_block_stop':
        this.closeBlock(event.index)
        return
      case 'message_delta':
        if (isObject(event.delta)) this.stopReason = stringOr(event.delta.stop_reason, this.stopReason)
        this.usage = mergeUsage(this.usage, event.usage)
        return
      case 'message_stop':
        this.endWithFinish()
    }
  }

  protected readWhole(message: unknown): void {
    if (!isObject(message) || !Array.isArray(message.content)) return
    this.begin(message)
    const values = findMember(parseOutline(this.json, MESSAGE), 'content')?.elements ?? []
    for (const [index, block] of message.content.entries()) {
      if (!isObject(block)) continue
      this.openBlock(index, block, values[index] ?? null)
      this.closeBlock(index)
    }
    this.stopReason = stringOr(message.stop_reason, null)
    this.endWithFinish()
  }

  /** With its stop reason, the message is complete: only the last event is missing. */
  protected override endWithoutFinish(): void {
    if (this.stopReason === null) super.endWithoutFinish()
    else this.endWithFinish()
  }

  private begin(message: JsonObject): void {
    this.id = stringOr(message.id, '') || null
    this.usage = mergeUsage(this.usage, message.usage)
    this.writer.begin(stringOr(message.id, null), null, stringOr(message.model, null) || null)
  }

  /** @param place of the block in `json`; null in a stream */
  private openBlock(index: unknown, block: JsonObject, place: Value | null): void {
    this.closeThinking()
    switch (block.type) {
      case 'text':
        this.writer.content(this.readText(block.text))
        return
      case 'thinking':
        if (this.thoughts !== null) this.thinking = { text: '', signature: stringOr(block.signature, '') }
        this.writeThinking(index, block.thinking)
        return
      case 'redacted_thinking':
        if (this.thoughts !== null && typeof block.data === 'string')
          this.groups.add(`{"type":"redacted_thinking","data":${JSON.stringify(block.data)}}`)
        return
      case 'tool_use': {
        const { calls } = this.writer
        const id = stringOr(block.id, '') || this.callIds.create(this.id, calls)
        const name = stringOr(block.name, '')
        if (name === '') this.failUnreadable()
        const whole = this.readToolInput(block.input, place)
        this.calls.set(index, { input: new CallInput(this.writer, id, name, false, this.wrapped), whole })
        this.groups.addCall(id)
      }
    }
  }

  private readDelta(index: unknown, delta: JsonObject): void {
    switch (delta.type) {
      case 'text_delta':
        this.writer.content(this.readText(delta.text))
        this.say(delta.text, (text) => this.writer.content(text))
        return
      case 'thinking_delta':
        this.writeThinking(index, delta.thinking)
        this.say(delta.thinking, (text) => this.writeThinking(index, text))
        return
      case 'signature_delta':
        if (this.thinking !== null) this.thinking.signature += stringOr(delta.signature, '')
        return
      case 'input_json_delta': {
        // The input of a tool that Anthropic runs itself has no call here.
        const input = this.calls.get(index)?.input
        input?.push(this.readText(delta.partial_json))
        this.say(delta.partial_json, (text) => input?.push(text))
      }
    }
  }

  private writeThinking(index: unknown, thinking: unknown): void {
    const text = this.readText(thinking)
    if (text === '') return
    if (this.thinking !== null) this.thinking.text += text
    const isNext = this.lastThinking !== null && this.lastThinking !== index
    this.lastThinking = index
    this.writer.reasoning(isNext ? `\n\n${text}` : text)
  }

  private closeBlock(index: unknown): void {
    this.closeThinking()
    const call = this.calls.get(index)
    if (call === undefined) return
    this.calls.delete(index)
    call.input.end(call.whole)
  }

  /** Anthropic refuses thinking without its signature. */
  private closeThinking(): void {
    if (this.thinking === null) return
    const { text, signature } = this.thinking
    this.thinking = null
    if (signature === '') return
    const [thinking, signed] = [JSON.stringify(text), JSON.stringify(signature)]
    this.groups.add(`{"type":"thinking","thinking":${thinking},"signature":${signed}}`)
  }

  /**
   * The input of a `tool_use` block as JSON text; `{}` if it has none. Copied, as a parsed number may have lost digits.
   * @param place of the block in `json`; null in a stream
   */
  private readToolInput(input: unknown, place: Value | null): string {
    if (isEmpty(input)) return '{}'
    if (!isObject(input)) {
      this.failUnreadable()
      return '{}'
    }
    const block = place ?? findMember(this.outlineOf(BLOCK_EVENT), 'content_block')
    const value = findMember(block, 'input')
    return value === null ? '{}' : sliceText(this.json, value)
  }

  protected override endWithFinish(): void {
    for (const index of [...this.calls.keys()]) this.closeBlock(index)
    if (this.thoughts !== null && !this.writer.over) this.groups.remember(this.thoughts)
    this.writer.finish(readMessageFinish(this.stopReason, this.writer.calls), readMessageUsage(this.usage))
  }
}

/**
 * Reads a whole message.
 * @param writer gets its content and its end, or an error if the body is no message
 */
export function readWholeMessage(body: Buffer, writer: ResponseWriter, options: ReaderOptions = PLAIN): void {
  new MessagesStream(writer, options).readBody(body)
}

/**
 * Converts a stop reason of Messages.
 * @param calls the number of tool calls for the client
 */
export function readMessageFinish(stopReason: unknown, calls: number): FinishReason {
  switch (stopReason) {
    case 'max_tokens':
    case 'model_context_window_exceeded':
      return 'length'
    case 'refusal':
      return 'content_filter'
    default:
      return calls > 0 ? 'tool_calls' : 'stop'
  }
}

/** Null, and empty objects and arrays: the input follows in deltas, or there is none. */
function isEmpty(input: unknown): boolean {
  if (input === undefined || input === null || input === '') return true
  for (const _ in isObject(input) ? input : asArray(input)) return false
  return isObject(input) || Array.isArray(input)
}
