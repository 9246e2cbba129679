import { readCount } from '../../json/values.js'
import { quoteJson } from '../../lib/text.js'
import { type AnswerPart, isJsonObject } from './answer-part.js'
import type { ChatUsage } from './chat-usage.js'
import type { FinishReason } from './response-writer.js'

// Anthropic API reference: Messages, Response.

/**
 * The stop reason of a message.
 * @param refused the answer has a refusal
 */
export function printStopReason(reason: FinishReason, calls: number, refused: boolean): string {
  if (reason === 'length') return 'max_tokens'
  if (reason === 'content_filter') return 'refusal'
  if (calls > 0) return 'tool_use'
  return refused ? 'refusal' : 'end_turn'
}

/**
 * The usage of a message. Anthropic counts cached tokens beside `input_tokens`, and not among them (Anthropic docs,
 * Prompt caching). Unknown counts are 0, as the official clients read numbers.
 */
export function printMessageUsage(usage: ChatUsage | null): string {
  const prompt = readCount(usage?.prompt_tokens) ?? 0
  const cached = readCount(usage?.prompt_tokens_details?.cached_tokens) ?? 0
  const output = readCount(usage?.completion_tokens) ?? 0
  return (
    `{"input_tokens":${Math.max(0, prompt - cached)},"cache_creation_input_tokens":0,` +
    `"cache_read_input_tokens":${cached},"output_tokens":${output}}`
  )
}

/**
 * A content block.
 *
 * Thinking has an empty signature: it was not signed by Anthropic. Clients send the block back like that, so that it
 * can be told from Anthropic's own.
 * @param isComplete false: the block as it begins in a stream, without its content
 */
export function printBlock(part: AnswerPart, isComplete: boolean): string {
  if (part.kind === 'call') {
    const call = `"id":${quoteJson(part.callId)},"name":${quoteJson(part.name)}`
    return `{"type":"tool_use",${call},"input":${isComplete ? printInput(part) : '{}'}}`
  }
  const text = isComplete ? JSON.stringify(part.text) : '""'
  if (part.kind === 'reasoning') return `{"type":"thinking","thinking":${text},"signature":""}`
  return `{"type":"text","text":${text}}`
}

/** The input as the upstream wrote it, with all its digits. It has to be an object. */
function printInput({ isCustom, text }: AnswerPart): string {
  if (isCustom) return JSON.stringify({ input: text })
  if (text === '') return '{}'
  return isJsonObject(text) ? text.trim() : JSON.stringify({ arguments: text })
}

/**
 * A whole message.
 * @param content the blocks as JSON, joined by commas
 * @param stopReason null while the message streams
 */
export function printMessage(
  id: string,
  model: string,
  content: string,
  stopReason: string | null,
  usage: ChatUsage | null,
): string {
  return (
    `{"id":${quoteJson(id)},"type":"message","role":"assistant","model":${quoteJson(model)},"content":[${content}],` +
    `"stop_reason":${quoteJson(stopReason)},"stop_sequence":null,"usage":${printMessageUsage(usage)}}`
  )
}
