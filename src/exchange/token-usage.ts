import type { PromptSample } from '../metering/prompt-sample.js'
import type { Sighting } from '../metering/response-stats.js'
import type { Usage } from '../metering/usage.js'
import type { End } from './outcome.js'

/** Tokens of a request, and by whose word. */
export interface Account {
  readonly usage: Usage | null
  /** `cache`: they were counted in another record, or earlier. */
  readonly source: 'upstream' | 'estimated' | 'cache' | 'none'
}

/** Of an answer that no upstream was asked for. */
export const FROM_CACHE: Account = {
  usage: { prompt: 0, cached: null, cacheWritten: null, completion: 0, reasoning: null },
  source: 'cache',
}

/** What is known of a request when it is over. */
export interface Evidence {
  /** Null if no answer came, or nothing looked at it. */
  readonly seen: Sighting | null
  /** Null where there was none, or nothing of it can have been answered. */
  readonly prompt: PromptSample | null
  /** 0 if no answer came. */
  readonly status: number
  readonly end: End | null
}

/**
 * The upstream's word where it has one. Where it said nothing (the client did not ask, or left, or the answer was cut), an
 * estimate: of the prompt from its text, of the completion from what passed. Tokens that were thought and not shown are
 * in no estimate.
 */
export function settleAccount(evidence: Evidence): Account {
  const { seen, prompt } = evidence
  const said = seen?.usage ?? null
  const known = said !== null && said.prompt !== null && said.completion !== null && !seen?.provisional
  if (known || prompt === null || !mayBeBilled(evidence))
    return { usage: said, source: said === null ? 'none' : 'upstream' }
  const passed = seen === null ? 0 : completionOf(seen)
  return {
    usage: {
      prompt: said?.prompt ?? prompt.tokens,
      cached: said?.cached ?? null,
      cacheWritten: said?.cacheWritten ?? null,
      completion: seen?.provisional
        ? Math.max(said?.completion ?? 0, passed ?? 0)
        : (said?.completion ?? passed),
      reasoning: said?.reasoning ?? null,
    },
    source: 'estimated',
  }
}

/** An upstream has had the whole of the prompt, and has not refused it. */
function mayBeBilled({ seen, status, end }: Evidence): boolean {
  if (status === 0 || (end === 'superseded' && seen === null))
    return end === 'client_gone' || end === 'shutdown' || end === 'superseded'
  if (status >= 300 || seen === null) return false
  // Nothing but an error came of it.
  return seen.error === null || seen.firstTokenAt > 0
}

/** @returns null if what passed could not be read */
function completionOf(seen: Sighting): number | null {
  const { tokens } = seen.gauge
  if (seen.deltas === 0 && seen.odd > 0) return null
  // Most upstreams send an event for each token, and then their number is the better figure; others gather some first.
  return Math.abs(seen.deltas - tokens) * 5 <= tokens ? seen.deltas : tokens
}
