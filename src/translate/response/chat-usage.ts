import { isObject, type JsonObject, readCount } from '../../json/values.js'

/**
 * `usage` of chat completions, in tokens (OpenAI API reference: The chat completion object). Unknown details are left
 * out.
 */
export interface ChatUsage {
  readonly prompt_tokens: number
  readonly completion_tokens: number
  readonly total_tokens: number
  readonly prompt_tokens_details?: { readonly cached_tokens: number }
  readonly completion_tokens_details?: { readonly reasoning_tokens: number }
}

/**
 * Converts the usage of Responses.
 * @returns null if the input or the output is unknown
 */
export function readResponseUsage(usage: unknown): ChatUsage | null {
  if (!isObject(usage)) return null
  const prompt = readCount(usage.input_tokens)
  const completion = readCount(usage.output_tokens)
  if (prompt === null || completion === null) return null
  return createUsage(
    prompt,
    completion,
    readCount(usage.total_tokens) ?? prompt + completion,
    readDetail(usage.input_tokens_details, 'cached_tokens'),
    readDetail(usage.output_tokens_details, 'reasoning_tokens'),
  )
}

/**
 * Converts the usage of Messages. Anthropic counts tokens that are read from a cache or written to it beside
 * `input_tokens`, not among them (Anthropic docs, Prompt caching).
 * @param usage of a whole message, or merged from all events of its stream
 * @returns null if the input or the output is unknown
 */
export function readMessageUsage(usage: unknown): ChatUsage | null {
  if (!isObject(usage)) return null
  const input = readCount(usage.input_tokens)
  const completion = readCount(usage.output_tokens)
  if (input === null || completion === null) return null
  const cached = readCount(usage.cache_read_input_tokens)
  const prompt = input + (cached ?? 0) + (readCount(usage.cache_creation_input_tokens) ?? 0)
  const thought = readDetail(usage.output_tokens_details, 'thinking_tokens')
  return createUsage(prompt, completion, prompt + completion, cached, thought)
}

/** Adds the usage of a later event, member by member. Its counts replace earlier ones, as they are totals. */
export function mergeUsage(before: JsonObject, later: unknown): JsonObject {
  if (!isObject(later)) return before
  const usage: Record<string, unknown> = { ...before }
  for (const [member, value] of Object.entries(later)) if (value !== null) usage[member] = value
  return usage
}

function createUsage(
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

function readDetail(details: unknown, name: string): number | null {
  return isObject(details) ? readCount(details[name]) : null
}
