import { isObject, type JsonObject, readCount } from '../../json/values.js'

/** As chat completions tell it (OpenAI API reference: The chat completion object). What is not known is not there. */
export interface ChatUsage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly total_tokens: number
  readonly prompt_tokens_details?: { readonly cached_tokens: number }
  readonly completion_tokens_details?: { readonly reasoning_tokens: number }
}

/** @param usage of a response @returns null if it is not told */
export function readResponseUsage(usage: unknown): ChatUsage | null {
  if (!isObject(usage)) return null
  const prompt = readCount(usage.input_tokens)
  const completion = readCount(usage.output_tokens)
  if (prompt === null || completion === null) return null
  return chatUsage(
    prompt,
    completion,
    readCount(usage.total_tokens) ?? prompt + completion,
    detail(usage.input_tokens_details, 'cached_tokens'),
    detail(usage.output_tokens_details, 'reasoning_tokens'),
  )
}

/**
 * Anthropic counts what is read from a cache and written to one beside `input_tokens`, not among them (Anthropic docs,
 * Prompt caching).
 * @param usage of a message, or of a whole stream of one
 */
export function readMessageUsage(usage: unknown): ChatUsage | null {
  if (!isObject(usage)) return null
  const input = readCount(usage.input_tokens)
  const completion = readCount(usage.output_tokens)
  if (input === null || completion === null) return null
  const cached = readCount(usage.cache_read_input_tokens)
  const prompt = input + (cached ?? 0) + (readCount(usage.cache_creation_input_tokens) ?? 0)
  const thought = detail(usage.output_tokens_details, 'thinking_tokens')
  return chatUsage(prompt, completion, prompt + completion, cached, thought)
}

/** What a later event tells replaces what an earlier one told, field by field: its counts are of all so far. */
export function mergeUsage(before: JsonObject, later: unknown): JsonObject {
  if (!isObject(later)) return before
  const usage: Record<string, unknown> = { ...before }
  for (const [field, value] of Object.entries(later)) if (value !== null) usage[field] = value
  return usage
}

function chatUsage(
  prompt: number,
  completion: number,
  total: number,
  cached: number | null,
  reasoning: number | null,
): ChatUsage {
  return {
    prompt_tokens: prompt,
    completion_tokens: completion,
    total_tokens: total,
    ...(cached === null ? {} : { prompt_tokens_details: { cached_tokens: cached } }),
    ...(reasoning === null ? {} : { completion_tokens_details: { reasoning_tokens: reasoning } }),
  }
}

function detail(details: unknown, name: string): number | null {
  return isObject(details) ? readCount(details[name]) : null
}
