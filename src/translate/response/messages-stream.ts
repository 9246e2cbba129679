import { isObject, type JsonObject, stringOr } from '../../json/values.js'
import { InputDecoder, unwrapInput } from '../custom-tools/input-decoder.js'
import { mergeUsage, readMessageUsage } from './chat-usage.js'
import type { FinishReason } from './chunk-writer.js'
import { StreamTranslation } from './stream.js'

/** A tool that the client runs. */
interface Call {
  readonly index: number
  /** What makes a text of its input; null if that is to be JSON. */
  readonly wrapped: InputDecoder | null
  /** Its whole input, if it came with its beginning, until any other comes. */
  input: string
  argued: boolean
}

/**
 * The stream of a message (Anthropic docs: Streaming messages). Of tools, only those that the client runs come through; of
 * thinking the text, without its signature.
 */
export class MessagesTranslation extends StreamTranslation {
  /** Calls whose block is open, by the block's index. */
  private readonly calls: Map<unknown, Call>
  /** Block of the thinking that was written last: between two of them stands an empty line. */
  private thought: unknown
  private usage: JsonObject
  private stopReason: string | null
  private readonly wrapped: readonly string[]

  /** @param wrapped names of tools that take a text, and were told of as if they took JSON */
  constructor(includeUsage: boolean, model: string | null, wrapped: readonly string[] = []) {
    super(includeUsage, model)
    this.wrapped = wrapped
    this.calls = new Map()
    this.thought = null
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
        if (isObject(event.delta)) this.takeDelta(event.index, event.delta)
        return
      case 'content_block_stop':
        this.closeBlock(event.index)
        return
      case 'message_delta':
        if (isObject(event.delta)) this.stopReason = stringOr(event.delta.stop_reason, this.stopReason)
        this.usage = mergeUsage(this.usage, event.usage)
        return
      case 'message_stop':
        this.endTold()
    }
  }

  /** It has told why it stopped, and so that nothing is missing. */
  protected override endUntold(): void {
    if (this.stopReason === null) super.endUntold()
    else this.endTold()
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
        this.takeThinking(index, block.thinking)
        return
      case 'tool_use': {
        const id = stringOr(block.id, '') || `call_${this.writer.calls}`
        const name = stringOr(block.name, '')
        const call = this.writer.openCall(id, name)
        const wrapped = this.wrapped.includes(name) ? new InputDecoder() : null
        this.calls.set(index, { index: call, wrapped, input: readToolInput(block.input), argued: false })
      }
    }
  }

  private takeDelta(index: unknown, delta: JsonObject): void {
    switch (delta.type) {
      case 'text_delta':
        this.writer.content(stringOr(delta.text, ''))
        return
      case 'thinking_delta':
        this.takeThinking(index, delta.thinking)
        return
      case 'input_json_delta': {
        // Of a tool that Anthropic runs itself, there is no call.
        const call = this.calls.get(index)
        if (call === undefined || typeof delta.partial_json !== 'string' || delta.partial_json === '') return
        call.argued = true
        const text = call.wrapped?.push(delta.partial_json) ?? delta.partial_json
        this.writer.callArguments(call.index, text)
      }
    }
  }

  private takeThinking(index: unknown, text: unknown): void {
    if (typeof text !== 'string' || text === '') return
    const apart = this.thought !== null && this.thought !== index
    this.thought = index
    this.writer.reasoning(apart ? `\n\n${text}` : text)
  }

  private closeBlock(index: unknown): void {
    const call = this.calls.get(index)
    if (call === undefined) return
    this.calls.delete(index)
    const { wrapped, input, argued } = call
    if (argued) this.writer.callArguments(call.index, wrapped?.rest() ?? '')
    else this.writer.callArguments(call.index, wrapped === null ? input : unwrapInput(input))
  }

  protected override endTold(): void {
    for (const index of [...this.calls.keys()]) this.closeBlock(index)
    this.writer.finish(readMessageFinish(this.stopReason, this.writer.calls), readMessageUsage(this.usage))
  }
}

/** @param calls of tools that the client is to run */
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

/** The arguments of a call, `{}` if it has none. */
export function readToolInput(input: unknown): string {
  return isObject(input) ? JSON.stringify(input) : '{}'
}
