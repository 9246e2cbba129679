import type { PromptSample } from '../metering/prompt-sample.js'
import type { ResponseStats } from '../metering/response-stats.js'
import type { Usage } from '../metering/usage.js'
import type { End } from './outcome.js'

/** Tokens of a request, and the source of the numbers. */
export interface TokenUsage {
  readonly usage: Usage | null
  /** `cache`: another record has the tokens. */
  readonly source: 'upstream' | 'estimated' | 'cache' | 'none'
}

/** Usage of a response from the cache. */
export const CACHED_USAGE: TokenUsage = {
  usage: { prompt: 0, cached: null, cacheWritten: null, completion: 0, reasoning: null, details: null },
  source: 'cache',
}

/** Usage of a response whose tokens are not billed in its record. */
export const NO_USAGE: TokenUsage = { usage: null, source: 'none' }

/** The facts of an ended request that decide its usage. */
export interface UsageEvidence {
  /** Null if no response came, or it was not metered. */
  readonly stats: ResponseStats | null
  /** Null if there was no prompt, or no upstream can have read it. */
  readonly prompt: PromptSample | null
  /** Null if no response came. */
  readonly status: number | null
  readonly end: End | null
}

/**
 * Returns the usage that the upstream reported. If it reported none (not requested, the client left, the response was
 * cut), returns an estimate: the prompt by its text, the completion by the text that passed. Hidden reasoning tokens
 * cannot be estimated.
 */
export function resolveUsage(evidence: UsageEvidence): TokenUsage {
  const { stats, prompt } = evidence
  const said = stats?.usage ?? null
  const known = said !== null && said.prompt !== null && said.completion !== null && !stats?.usageIsPartial
  if (known || prompt === null || !mayBeBilled(evidence)) {
    // A tier alone counts nothing.
    const isTold =
      said !== null && (said.prompt ?? said.completion ?? said.details?.costNano ?? null) !== null
    return { usage: said, source: isTold ? 'upstream' : 'none' }
  }
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
      details: said?.details ?? null,
    },
    source: 'estimated',
  }
}

/** Whether an upstream got the whole prompt and did not refuse it. */
function mayBeBilled({ stats, status, end }: UsageEvidence): boolean {
  // The relay's own status: it has ended a request that an upstream was working on.
  const isWithdrawn = end === 'superseded' || end === 'revoked'
  if (status === null || (isWithdrawn && stats === null))
    return isWithdrawn || end === 'client_gone' || end === 'shutdown' || end === 'crashed'
  if (status >= 300 || stats === null) return false
  // A response with only an error is not billed.
  return stats.error === null || stats.firstTokenAt !== null
}

/** Estimates the tokens of the completion. @returns null if the response could not be parsed */
function completionOf(stats: ResponseStats): number | null {
  const { deltas, callTokens } = stats
  const { tokens } = stats.estimator
  if (deltas === 0 && stats.unparsed > 0 && !stats.isCut) return null
  // Most upstreams send one event per token, and then the number of events is more exact. Others join several tokens.
  const textTokens = tokens - callTokens
  return Math.abs(deltas - textTokens) * 5 <= textTokens ? deltas + callTokens : tokens
}
