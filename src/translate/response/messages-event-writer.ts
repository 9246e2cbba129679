import type { AnswerPart } from './answer-part.js'
import type { ChatError } from './chat-errors.js'
import type { ChatUsage } from './chat-usage.js'
import { printErrorBody } from './error-bodies.js'
import { printBlock, printMessage, printMessageUsage, printStopReason } from './message-object.js'
import { PartWriter } from './part-writer.js'
import type { FinishReason } from './response-writer.js'

const DELTAS = {
  text: '"type":"text_delta","text":',
  refusal: '"type":"text_delta","text":',
  reasoning: '"type":"thinking_delta","thinking":',
  call: '"type":"input_json_delta","partial_json":',
} as const

/**
 * Writes the stream of a message (Anthropic docs: Streaming messages). A refusal is text. The usage is known at the end
 * only, where the official client takes it over.
 */
export class MessagesEventWriter extends PartWriter {
  private refused: boolean

  /** @param model the name for the message if the upstream gives none */
  constructor(model: string | null) {
    super(model, 'msg_', false)
    this.refused = false
  }

  override refusal(text: string): void {
    if (text === '') return
    this.refused = true
    this.content(text)
  }

  /** The client ignores a ping. Ahead of the message it may not come, so that it is a comment there. */
  override keepAlive(): void {
    if (this.begun && !this.over) this.event('ping', '')
    else super.keepAlive()
  }

  protected writeBegin(): void {
    this.event('message_start', `,"message":${printMessage(this.id, this.model, '', null, null)}`)
  }

  protected writeOpen(part: AnswerPart): void {
    const { index, kind } = part
    this.event('content_block_start', `,"index":${index},"content_block":${printBlock(part, false)}`)
    part.head = `${headOf('content_block_delta')},"index":${index},"delta":{${DELTAS[kind]}`
    if (part.isCustom) this.delta(part, '{"input":"')
  }

  protected writeDelta(part: AnswerPart, text: string): void {
    this.out += `${part.head}${JSON.stringify(part.isCustom ? JSON.stringify(text).slice(1, -1) : text)}}}\n\n`
  }

  protected writeClose(part: AnswerPart): void {
    const { index } = part
    if (part.isCustom) this.delta(part, '"}')
    // Each thinking block of the official API has one, right ahead of its end.
    if (part.kind === 'reasoning') {
      this.event('content_block_delta', `,"index":${index},"delta":{"type":"signature_delta","signature":""}`)
    }
    this.event('content_block_stop', `,"index":${index}`)
  }

  protected writeEnd(reason: FinishReason, usage: ChatUsage | null): void {
    const stopReason = printStopReason(reason, this.calls, this.refused)
    const delta = `{"stop_reason":"${stopReason}","stop_sequence":null}`
    this.event('message_delta', `,"delta":${delta},"usage":${printMessageUsage(usage)}`)
    this.event('message_stop', '')
  }

  protected writeError(error: ChatError): void {
    this.out += `event: error\ndata: ${printErrorBody(error, 'messages')}\n\n`
  }

  /** Writes a part of an input that is JSON already. */
  private delta(part: AnswerPart, json: string): void {
    this.out += `${part.head}${JSON.stringify(json)}}}\n\n`
  }

  private event(type: string, members: string): void {
    this.out += `${headOf(type)}${members}}\n\n`
  }
}

function headOf(type: string): string {
  return `event: ${type}\ndata: {"type":"${type}"`
}
