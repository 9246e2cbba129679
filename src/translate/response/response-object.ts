import { readCount } from '../../json/values.js'
import { quoteJson } from '../../lib/text.js'
import type { AnswerPart } from './answer-part.js'
import type { ChatError } from './chat-errors.js'
import type { ChatUsage } from './chat-usage.js'
import { epochSeconds } from './ids.js'
import type { FinishReason } from './response-writer.js'

// OpenAI API reference: Responses, The response object.

export type ResponseStatus = 'in_progress' | 'completed' | 'incomplete' | 'failed'
export type ItemStatus = 'in_progress' | 'completed' | 'incomplete'

/** What a response says about itself. */
export interface ResponseFacts {
  readonly id: string
  /** In seconds since 1970. */
  readonly created: number
  readonly model: string
}

/** The prefixes of item ids. */
const PREFIXES = { text: 'msg', refusal: 'msg', reasoning: 'rs', call: 'fc' } as const

/**
 * The id of an output item.
 * @param base random, and the same for all items of the response
 */
export function createItemId(part: AnswerPart, base: string): string {
  const prefix = part.isCustom ? 'ctc' : PREFIXES[part.kind]
  return `${prefix}_${base}${part.index.toString(16).padStart(4, '0')}`
}

/** The content part of a message item, or the summary part of a reasoning item. @param text as JSON */
export function printPart(part: AnswerPart, text: string): string {
  if (part.kind === 'refusal') return `{"type":"refusal","refusal":${text}}`
  if (part.kind === 'reasoning') return `{"type":"summary_text","text":${text}}`
  return `{"type":"output_text","annotations":[],"logprobs":[],"text":${text}}`
}

/**
 * An output item. A message has one content part: text and refusals are items of their own.
 * @param text as JSON; null: the item is just added, without its content
 */
export function printItem(part: AnswerPart, text: string | null, status: ItemStatus): string {
  const content = text === null ? '' : printPart(part, text)
  const id = quoteJson(part.id)
  switch (part.kind) {
    case 'call': {
      const call = `"call_id":${quoteJson(part.callId)},"name":${quoteJson(part.name)}`
      const [type, input] = part.isCustom ? ['custom_tool_call', 'input'] : ['function_call', 'arguments']
      return `{"id":${id},"type":"${type}","status":"${status}",${call},"${input}":${text ?? '""'}}`
    }
    case 'reasoning':
      return `{"id":${id},"type":"reasoning","summary":[${content}]}`
    default:
      return `{"id":${id},"type":"message","status":"${status}","role":"assistant","content":[${content}]}`
  }
}

/** The status with which a response ends. */
export function endStatus(reason: FinishReason): 'completed' | 'incomplete' {
  return reason === 'length' || reason === 'content_filter' ? 'incomplete' : 'completed'
}

/**
 * A whole response. The settings of the request, which the official API repeats, are given as unset.
 * @param reason null unless the response has ended
 * @param output the items as JSON, joined by commas
 */
export function printResponse(
  { id, created, model }: ResponseFacts,
  status: ResponseStatus,
  reason: FinishReason | null,
  output: string,
  usage: ChatUsage | null,
  error: ChatError | null,
): string {
  const cut = reason === 'length' ? 'max_output_tokens' : 'content_filter'
  return (
    `{"id":${quoteJson(id)},"object":"response","created_at":${created},"status":"${status}","background":false,` +
    `"completed_at":${status === 'completed' ? epochSeconds() : 'null'},"error":${printError(error)},` +
    `"incomplete_details":${status === 'incomplete' ? `{"reason":"${cut}"}` : 'null'},"instructions":null,` +
    `"max_output_tokens":null,"metadata":{},"model":${quoteJson(model)},"output":[${output}],` +
    '"parallel_tool_calls":true,"previous_response_id":null,"reasoning":{"effort":null,"summary":null},' +
    '"service_tier":"default","store":false,"temperature":null,"text":{"format":{"type":"text"}},' +
    '"tool_choice":"auto","tools":[],"top_p":null,"truncation":"disabled",' +
    `"usage":${printUsage(usage)},"user":null}`
  )
}

/** A response's error has two members, and its code is a text. */
function printError(error: ChatError | null): string {
  if (error === null) return 'null'
  const code = error.code === null ? error.type : String(error.code)
  return JSON.stringify({ code, message: error.message })
}

/** The details are no option here: unknown ones are 0. */
function printUsage(usage: ChatUsage | null): string {
  if (usage === null) return 'null'
  const input = readCount(usage.prompt_tokens) ?? 0
  const output = readCount(usage.completion_tokens) ?? 0
  const cached = readCount(usage.prompt_tokens_details?.cached_tokens) ?? 0
  const reasoning = readCount(usage.completion_tokens_details?.reasoning_tokens) ?? 0
  const total = readCount(usage.total_tokens) ?? input + output
  return (
    `{"input_tokens":${input},"input_tokens_details":{"cached_tokens":${cached},"cache_write_tokens":0},` +
    `"output_tokens":${output},"output_tokens_details":{"reasoning_tokens":${reasoning}},"total_tokens":${total}}`
  )
}
