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
  /** What few responses report; null if the upstream reported none of it. */
  details: UsageDetails | null
}

/** Numbers and facts that change the price of few requests. */
export interface UsageDetails {
  /** Part of `cacheWritten` that is kept for an hour, at a price of its own (Anthropic). */
  readonly cacheWrittenHour: number | null
  /** Parts of `prompt` and `completion` that are audio. */
  readonly audioPrompt: number | null
  readonly audioCompletion: number | null
  /** Parts of `prompt` and `completion` that are images. */
  readonly imagePrompt: number | null
  readonly imageCompletion: number | null
  /** Web searches, which are billed by their number. */
  readonly searches: number | null
  /** Tier that served the request, in the upstream's word: `priority`, `flex`, `batch`. */
  readonly tier: string | null
  /** The cost that the upstream itself reports, in billionths of a US dollar. */
  readonly costNano: number | null
  /**
   * The passes that the numbers above sum up, each at the price of its model: a compaction, the question to another
   * model (Anthropic). Null for one pass.
   */
  readonly passes: readonly UsagePass[] | null
}

/** A part of a response that a model of its own may have written. */
export interface UsagePass {
  /** Null if it is the model of the response. */
  readonly model: string | null
  readonly usage: Usage
}
