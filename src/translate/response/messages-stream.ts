import { isObject, type JsonObject, stringOr } from '../../json/values.js'
import { InputDecoder, unwrapInput } from '../custom-tools/input-decoder.js'
import { mergeUsage, readMessageUsage } from './chat-usage.js'
import type { FinishReason } from './response-writer.js'
import { StreamTranslation } from './stream.js'

/** A call of a tool that the client runs. */
interface Call {
  /** Among the calls of the response. */
  readonly index: number
  /** Decodes the input of a wrapped custom tool; null for other tools. */
  readonly decoder: InputDecoder | null
  /** The input that came with the beginning of the block, as JSON text; used if no delta follows. */
  input: string
  hasDeltas: boolean
}

/**
 * Translates the stream of a message (Anthropic docs: Streaming messages). Calls of tools that Anthropic runs itself
 * are dropped, and so are the signatures of thinking.
 */
export class MessagesTranslation extends StreamTranslation {
  /** The calls whose block is open, by the block's index. */
  private readonly calls: Map<unknown, Call>
  /** The index of the last thinking block: an empty line separates two of them. */
  private lastThinking: unknown
  private usage: JsonObject
  private stopReason: string | null
  private readonly wrapped: readonly string[]

  /**
   * @param model the name for the chunks if the upstream gives none
   * @param wrapped names of the custom tools that went out as functions
   */
  constructor(includeUsage: boolean, model: string | null, wrapped: readonly string[] = []) {
    super(includeUsage, model)
    this.wrapped = wrapped
    this.calls = new Map()
    this.lastThinking = null
    this.usage = {}
    this.stopReason = null
  }

  protected read(type: string, event: JsonObject): void {
    switch (type) {
      case 'message_start':
        if (isObject(event.message)) this.begin(event.message)
        return
      case 'content_block_start':
        if (isObject(event.content_block)) this.openBlock(event.index, event.content_block)
        return
      case 'content_block_delta':
        if (isObject(event.delta)) this.readDelta(event.index, event.delta)
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

  /** With its stop reason, the message is complete: only the last event is missing. */
  protected override endWithoutFinish(): void {
    if (this.stopReason === null) super.endWithoutFinish()
    else this.endWithFinish()
  }

  private begin(message: JsonObject): void {
    this.usage = mergeUsage(this.usage, message.usage)
    this.writer.begin(stringOr(message.id, null), null, stringOr(message.model, null) || null)
  }

  private openBlock(index: unknown, block: JsonObject): void {
    switch (block.type) {
      case 'text':
        this.writer.content(stringOr(block.text, ''))
        return
      case 'thinking':
        this.writeThinking(index, block.thinking)
        return
      case 'tool_use': {
        const id = stringOr(block.id, '') || `call_${this.writer.calls}`
        const name = stringOr(block.name, '')
        const call = this.writer.openCall(id, name)
        const decoder = this.wrapped.includes(name) ? new InputDecoder() : null
        this.calls.set(index, { index: call, decoder, input: readToolInput(block.input), hasDeltas: false })
      }
    }
  }

  private readDelta(index: unknown, delta: JsonObject): void {
    switch (delta.type) {
      case 'text_delta':
        this.writer.content(stringOr(delta.text, ''))
        return
      case 'thinking_delta':
        this.writeThinking(index, delta.thinking)
        return
      case 'input_json_delta': {
        // The input of a tool that Anthropic runs itself has no call here.
        const call = this.calls.get(index)
        if (call === undefined || typeof delta.partial_json !== 'string' || delta.partial_json === '') return
        call.hasDeltas = true
        const text = call.decoder?.push(delta.partial_json) ?? delta.partial_json
        this.writer.callArguments(call.index, text)
      }
    }
  }

  private writeThinking(index: unknown, text: unknown): void {
    if (typeof text !== 'string' || text === '') return
    const isNext = this.lastThinking !== null && this.lastThinking !== index
    this.lastThinking = index
    this.writer.reasoning(isNext ? `\n\n${text}` : text)
  }

  private closeBlock(index: unknown): void {
    const call = this.calls.get(index)
    if (call === undefined) return
    this.calls.delete(index)
    const { decoder, input, hasDeltas } = call
    if (hasDeltas) this.writer.callArguments(call.index, decoder?.flush() ?? '')
    else this.writer.callArguments(call.index, decoder === null ? input : unwrapInput(input))
  }

  protected override endWithFinish(): void {
    for (const index of [...this.calls.keys()]) this.closeBlock(index)
    this.writer.finish(readMessageFinish(this.stopReason, this.writer.calls), readMessageUsage(this.usage))
  }
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

/** The input of a `tool_use` block as JSON text; `{}` if it has none. */
export function readToolInput(input: unknown): string {
  return isObject(input) ? JSON.stringify(input) : '{}'
}
