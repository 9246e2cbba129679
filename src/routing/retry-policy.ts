import { onlyAsksModel } from '../api/api-of-path.js'
import { isAccountScoped } from '../api/stored-collections.js'
import type { FailureKind } from './outcome.js'

/**
 * What to do after an attempt.
 *
 * - `same`: the same target once more, with a changed request.
 * - `fresh`: the same target once more, on a new connection.
 * - `key`: another key of the same upstream.
 * - `next`: the next target.
 * - `accept`: the response goes to the client.
 * - `give_up`: the client gets an error of the relay's own.
 *
 * After `accept` and `give_up` the client gets an earlier response if that is the better one (`chooseResponse`).
 */
export type Decision = 'same' | 'fresh' | 'key' | 'next' | 'accept' | 'give_up'

/** The facts that a decision depends on, besides the kind of the outcome. */
export interface AttemptState {
  /** The attempt was itself a retry at the same target, or may not be repeated there. */
  readonly retried: boolean
  /** Another key of the same upstream has not been tried. */
  readonly hasKey: boolean
  /** A target of another upstream may yet respond: one that has not been tried, or one that is being tried now. */
  readonly hasOther: boolean
  /** This request may be sent twice, even if the first target has acted on it. */
  readonly failover: boolean
  /** See `isIdempotent`. */
  readonly idempotent: boolean
}

/** `repeatable`: with failover, or if the method is idempotent. */
export type When = 'never' | 'always' | 'failover' | 'repeatable'

/**
 * When the other keys of the same upstream are tried. `first`: before any other upstream, and whatever the method, as
 * the upstream has not acted. `last`: after the other upstreams. `never`: they share what has failed.
 */
export type KeyUse = 'first' | 'last' | 'never'

/** What an outcome says of the health of its target. `ignore`: neither a success nor a failure. */
export type Verdict = 'success' | 'failure' | 'ignore'

/**
 * What is tried later than everything else for some time. `target`: for as long as it asks. `credential`: the key, with
 * every model. `model`: this model at this target.
 */
export type Cooldown = 'none' | 'target' | 'credential' | 'model'

export interface PolicyRow {
  /** When the same target is tried once more, and how. */
  readonly again: 'same' | 'fresh'
  readonly retry: When
  readonly keys: KeyUse
  readonly next: When
  /** If it is none of these. */
  readonly otherwise: 'accept' | 'give_up'
  readonly health: Verdict
  readonly cooldown: Cooldown
}

/** Columns: again, retry, keys, next, otherwise, health, cooldown. */
type Cells = readonly [PolicyRow['again'], When, KeyUse, When, PolicyRow['otherwise'], Verdict, Cooldown]

/**
 * The retry policy, by the kind of outcome. `thinwire explain retries` prints it.
 *
 * - Where the upstream has not acted, any request goes on, whatever its method: nothing was sent (Pingora, user guide,
 *   Failover; Caddy's `DialError`), or the upstream refused the account before it looked at the request. An incomplete
 *   request counts as not sent: no API acts on half a body.
 * - A kept connection that is lost before a response was most likely closed by the upstream while the request was on
 *   its way (RFC 9112, 9.3.1; Envoy issue 10007). One retry on a fresh connection, as in Pingora; this needs no
 *   second target.
 * - In all other cases the upstream may have acted on the request. RFC 9110, 9.2.2 leaves a retry to those who know
 *   that it does no harm: repeating a completion costs tokens and changes no state, which is what `failover` says.
 * - A failure of the host, or of the way to it, is the same for each of its keys. A refused or spent key is not.
 * - Only failures of the target's own count against its health. A client that has left is no outcome.
 */
const CELLS: Readonly<Record<FailureKind, Cells>> = {
  final_status: ['fresh', 'never', 'never', 'never', 'accept', 'success', 'none'],
  correctable: ['same', 'always', 'never', 'never', 'accept', 'success', 'none'],
  retryable_status: ['fresh', 'never', 'last', 'failover', 'accept', 'success', 'none'],
  rate_limited: ['fresh', 'never', 'first', 'failover', 'accept', 'ignore', 'target'],
  server_error: ['fresh', 'never', 'last', 'failover', 'accept', 'failure', 'target'],
  credential_missing: ['fresh', 'never', 'first', 'always', 'give_up', 'failure', 'none'],
  credential_refused: ['fresh', 'never', 'first', 'always', 'accept', 'ignore', 'credential'],
  quota_exhausted: ['fresh', 'never', 'first', 'always', 'accept', 'ignore', 'credential'],
  model_missing: ['fresh', 'never', 'last', 'always', 'accept', 'success', 'model'],
  empty_response: ['fresh', 'never', 'last', 'failover', 'accept', 'failure', 'none'],
  stalled: ['fresh', 'never', 'last', 'failover', 'accept', 'failure', 'none'],
  rejected_locally: ['fresh', 'never', 'never', 'never', 'give_up', 'ignore', 'none'],
  untranslatable: ['fresh', 'never', 'never', 'failover', 'give_up', 'success', 'none'],
  connect_failed: ['fresh', 'never', 'never', 'always', 'give_up', 'failure', 'none'],
  stale_connection_unsent: ['fresh', 'always', 'never', 'always', 'give_up', 'ignore', 'none'],
  stale_connection: ['fresh', 'repeatable', 'never', 'failover', 'give_up', 'ignore', 'none'],
  upload_incomplete: ['fresh', 'never', 'never', 'always', 'give_up', 'failure', 'none'],
  connection_lost: ['fresh', 'never', 'never', 'failover', 'give_up', 'failure', 'none'],
  first_byte_timeout: ['fresh', 'never', 'never', 'failover', 'give_up', 'failure', 'none'],
}

/** The same by the names of the columns. */
export const RETRY_POLICY = Object.freeze(
  Object.fromEntries(
    Object.entries(CELLS).map(([kind, [again, retry, keys, next, otherwise, health, cooldown]]) => [
      kind,
      Object.freeze({ again, retry, keys, next, otherwise, health, cooldown }),
    ]),
  ),
) as Readonly<Record<FailureKind, PolicyRow>>

/**
 * Decides what to do after an attempt. A pure function.
 *
 * The caller guarantees that no byte of a response has gone to the client, and that the client is still there. If the
 * body cannot be sent again, the caller sets `hasKey` and `hasOther` to false and `retried` to true.
 */
export function decide(kind: FailureKind, state: AttemptState): Decision {
  const { again, retry, keys, next, otherwise } = RETRY_POLICY[kind]
  if (!state.retried && holds(retry, state)) return again
  if (keys === 'first' && state.hasKey) return 'key'
  const hasNext = state.hasOther || (keys === 'last' && state.hasKey)
  return hasNext && holds(next, state) ? 'next' : otherwise
}

function holds(when: When, { failover, idempotent }: AttemptState): boolean {
  switch (when) {
    case 'never':
      return false
    case 'always':
      return true
    case 'failover':
      return failover
    case 'repeatable':
      return failover || idempotent
  }
}

const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/** Whether a request of this method may be repeated at the same target (RFC 9110, 9.2.2). */
export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method)
}

/** Sent twice, these cost tokens and change no state. */
const REPEATABLE_POSTS: ReadonlySet<string> = new Set([
  '/chat/completions',
  '/completions',
  '/fim/completions',
  '/responses',
  '/messages',
  '/messages/count_tokens',
  '/embeddings',
])

/**
 * Whether failover is on where the config does not say: for reads, and for requests that only generate. It is off for
 * requests that create something or are expensive (files, batches, audio, images), and for unknown paths.
 * @param path behind the version, without a query
 */
export function isFailoverDefault(method: string, path: string): boolean {
  if (method === 'POST') return REPEATABLE_POSTS.has(path) || onlyAsksModel(path)
  return (method === 'GET' || method === 'HEAD') && !isAccountScoped(method, path)
}
