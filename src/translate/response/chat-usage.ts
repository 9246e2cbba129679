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

/**
 * Adds the usage of a later event, member by member. Its counts replace earlier ones, as they are totals; but zeros are
 * not known to be counts, as some servers end with a usage of zeros.
 */
export function mergeUsage(before: Record<string, unknown>, later: unknown): Record<string, unknown> {
  if (!isObject(later)) return before
  const usage: Record<string, unknown> = { ...before }
  for (const [member, value] of Object.entries(later)) setCount(usage, member, value)
  return usage
}

/** Sets a member of a usage to that of a later event, as `mergeUsage` does. */
export function setCount(usage: Record<string, unknown>, member: string, value: unknown): void {
  if (value === null || (value === 0 && typeof usage[member] === 'number')) return
  usage[member] = value
}

/**
 * Reads the usage of chat completions. Members that only one upstream has stay (a price, for example), down to the
 * members of an object. Tokens from a cache are read where DeepSeek and Moonshot have them, too.
 * @returns null if the input or the output is unknown
 */
export function readChatUsage(usage: unknown): ChatUsage | null {
  if (!isObject(usage)) return null
  const prompt = readCount(usage.prompt_tokens)
  const completion = readCount(usage.completion_tokens)
  if (prompt === null || completion === null) return null
  const read: Record<string, unknown> = {}
  for (const [member, value] of Object.entries(usage)) {
    if (isObject(value)) read[member] = keepScalars(value)
    else if (!Array.isArray(value)) read[member] = value
  }
  read.total_tokens = readCount(usage.total_tokens) ?? prompt + completion
  const cached = readCount(usage.prompt_cache_hit_tokens) ?? readCount(usage.cached_tokens)
  if (cached !== null && !isObject(usage.prompt_tokens_details))
    read.prompt_tokens_details = { cached_tokens: cached }
  return read as unknown as ChatUsage
}

/** Nothing nested: a depth of thousands would exhaust the stack where the usage is printed. */
function keepScalars(object: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(object).filter(([, value]) => typeof value !== 'object' || value === null),
  )
}

/**
 * Converts the usage of Gemini's API (reference: GenerateContentResponse, UsageMetadata). It counts thinking beside the
 * candidates, not among them, and the results of tools that Google runs beside the prompt.
 * @returns null if the input is unknown
 */
export function readGeminiUsage(usage: unknown): ChatUsage | null {
  if (!isObject(usage)) return null
  const prompt = readCount(usage.promptTokenCount)
  if (prompt === null) return null
  const input = prompt + (readCount(usage.toolUsePromptTokenCount) ?? 0)
  const thought = readCount(usage.thoughtsTokenCount)
  const completion = (readCount(usage.candidatesTokenCount) ?? 0) + (thought ?? 0)
  const total = readCount(usage.totalTokenCount) ?? input + completion
  return createUsage(input, completion, total, readCount(usage.cachedContentTokenCount), thought)
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
