import type { PromptSample } from '../metering/prompt-sample.js'
import type { ResponseStats } from '../metering/response-stats.js'
import type { Usage } from '../metering/usage.js'
import type { End } from './outcome.js'

/** Tokens of a request, and by whose word. */
export interface TokenUsage {
  readonly usage: Usage | null
  /** `cache`: they were counted in another record, or earlier. */
  readonly source: 'upstream' | 'estimated' | 'cache' | 'none'
}

/** Of an answer that no upstream was asked for. */
export const CACHED_USAGE: TokenUsage = {
  usage: { prompt: 0, cached: null, cacheWritten: null, completion: 0, reasoning: null },
  source: 'cache',
}

/** What is known of a request when it is over. */
export interface UsageEvidence {
  /** Null if no answer came, or nothing looked at it. */
  readonly stats: ResponseStats | null
  /** Null where there was none, or nothing of it can have been answered. */
  readonly prompt: PromptSample | null
  /** Null if no response came. */
  readonly status: number | null
  readonly end: End | null
}

/**
 * The upstream's word where it has one. Where it said nothing (the client did not ask, or left, or the answer was cut), an
 * estimate: of the prompt from its text, of the completion from what passed. Tokens that were thought and not shown are
 * in no estimate.
 */
export function resolveUsage(evidence: UsageEvidence): TokenUsage {
  const { stats, prompt } = evidence
  const said = stats?.usage ?? null
  const known = said !== null && said.prompt !== null && said.completion !== null && !stats?.usageIsPartial
  if (known || prompt === null || !mayBeBilled(evidence))
    return { usage: said, source: said === null ? 'none' : 'upstream' }
  const passed = stats === null ? 0 : completionOf(stats)
  return {
    usage: {
      prompt: said?.prompt ?? prompt.estimateTokens(),
      cached: said?.cached ?? null,
      cacheWritten: said?.cacheWritten ?? null,
      completion: stats?.usageIsPartial
        ? Math.max(said?.completion ?? 0, passed ?? 0)
        : (said?.completion ?? passed),
      reasoning: said?.reasoning ?? null,
    },
    source: 'estimated',
  }
}

/** An upstream has had the whole of the prompt, and has not refused it. */
function mayBeBilled({ stats, status, end }: UsageEvidence): boolean {
  if (status === null || (end === 'superseded' && stats === null))
    return end === 'client_gone' || end === 'shutdown' || end === 'superseded'
  if (status >= 300 || stats === null) return false
  // Nothing but an error came of it.
  return stats.error === null || stats.firstTokenAt !== null
}

/** @returns null if what passed could not be read */
function completionOf(stats: ResponseStats): number | null {
  const { tokens } = stats.estimator
  if (stats.deltas === 0 && stats.unparsed > 0) return null
  // Most upstreams send an event for each token, and then their number is the better figure; others gather some first.
  return Math.abs(stats.deltas - tokens) * 5 <= tokens ? stats.deltas : tokens
}
