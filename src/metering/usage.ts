/**
 * Tokens as the upstream counted them; null where it did not say. `prompt` has the cached ones in it, `completion` the
 * reasoning ones, as OpenAI counts; Anthropic's counts, which leave them out, are added up to the same.
 */
export interface Usage {
  prompt: number | null
  cached: number | null
  /** Written to the prompt cache, at a price of its own (Anthropic, Messages API). */
  cacheWritten: number | null
  completion: number | null
  reasoning: number | null
}
