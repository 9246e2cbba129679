import type { Prices } from '../ledger/prices.js'
import type { NanoUsd } from '../lib/nano-usd.js'
import { toAmount } from './amount.js'

/** A request whose prompt was in part in the provider's cache. */
export interface CachedPrompt {
  /** The model that the upstream names; null if it names none. */
  readonly answered: string | null
  readonly requested: string | null
  readonly upstream: string | null
  /** Epoch milliseconds. */
  readonly at: number
  /** Tokens; the cached ones are among them. */
  readonly prompt: number
  readonly cached: number
}

/**
 * Computes what the provider's prompt cache has saved: cached tokens at the price of others, less what they cost, at
 * the rates of the standard tier.
 * @param prompt stands for all of them: its size decides which rates apply
 * @param cachedTokens of all
 * @returns whole nano-dollars; 0 if the price is not known
 */
export function computeCacheSaving(
  prices: Prices | null,
  { answered, requested, upstream, at, prompt, cached }: CachedPrompt,
  cachedTokens: number,
): number {
  if (prices === null || cached <= 0) return 0
  const names = { answered, requested, upstream, at }
  const chargePrompt = (fromCache: number | null): NanoUsd | null => {
    const usage = {
      prompt,
      cached: fromCache,
      cacheWritten: null,
      completion: 0,
      reasoning: null,
      details: null,
    }
    return prices.charge(usage, names).nano
  }
  const [full, reduced] = [chargePrompt(null), chargePrompt(Math.min(cached, prompt))]
  if (full === null || reduced === null) return 0
  const saved = ((Number(full) - Number(reduced)) * cachedTokens) / cached
  return saved > 0 ? toAmount(Math.round(saved)) : 0
}
