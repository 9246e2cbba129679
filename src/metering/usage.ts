/**
 * Tokens as the upstream counted them; null where it sent no number. As OpenAI counts, `prompt` includes the cached
 * tokens and `completion` the reasoning tokens. Anthropic's `input_tokens` exclude the cached ones, which are added.
 */
export interface Usage {
  prompt: number | null
  /** Read from the prompt cache. */
  cached: number | null
  /** Written to the prompt cache, which has a price of its own (Anthropic, Messages API). */
  cacheWritten: number | null
  completion: number | null
  reasoning: number | null
}
