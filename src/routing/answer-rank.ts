import type { FailureKind } from './outcome.js'

/** A failed response of one target, as far as it matters which one the client gets when all targets have failed. */
export interface FailedAnswer {
  readonly kind: FailureKind
  /** How long it asks the client to wait, in milliseconds; null if it does not say. */
  readonly waitMs: number | null
  /** Its body is JSON: an error of the API, and not the page of a proxy in between. */
  readonly isJson: boolean
}

/**
 * What the client can do about it, the most useful first. An error that passes by itself comes before a used-up
 * account, and that before the client's own mistake, which it will be told of when the others serve again. What the
 * relay's account may not do is of least use to a client.
 */
const RANKS: Partial<Readonly<Record<FailureKind, number>>> = {
  rate_limited: 0,
  server_error: 0,
  retryable_status: 0,
  empty_response: 0,
  stalled: 0,
  quota_exhausted: 1,
  final_status: 2,
  correctable: 2,
  model_missing: 3,
  credential_refused: 4,
}
const LAST_RANK = 5

/**
 * Compares two failed responses. A pure function.
 * @returns below 0 if `a` is the better one for the client, above 0 if `b` is, 0 if they are alike
 */
export function compareAnswers(a: FailedAnswer, b: FailedAnswer): number {
  const byRank = rankOf(a) - rankOf(b)
  if (byRank !== 0) return byRank
  // A wait is honest if it is one: `retry-after: 0` says nothing.
  const [waitA, waitB] = [a.waitMs ?? 0, b.waitMs ?? 0]
  if (waitA > 0 !== waitB > 0) return waitA > 0 ? -1 : 1
  if (a.isJson !== b.isJson) return a.isJson ? -1 : 1
  return waitA - waitB
}

function rankOf({ kind }: FailedAnswer): number {
  return RANKS[kind] ?? LAST_RANK
}
