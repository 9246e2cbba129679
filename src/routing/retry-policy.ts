import { onlyAsksModel } from '../api/api-of-path.js'
import { COLLECTIONS } from '../api/stored-collections.js'
import { classifyFailure, type FailureKind, type Outcome } from './outcome.js'

/**
 * What to do after an attempt. `accept`: the response goes to the client. `retry`: the same target again. `next`: the
 * next target. `fail`: an error of the relay's own.
 */
export type Decision = 'accept' | 'retry' | 'next' | 'fail'

/** The facts that a decision depends on, besides the outcome of the attempt. */
export interface AttemptState {
  /** The attempt was itself a retry at the same target. */
  readonly retried: boolean
  /** Another target may yet respond: one that has not been tried, or one that is being tried now. */
  readonly hasOther: boolean
  /** This request may be sent twice, even if the first target has acted on it. */
  readonly failover: boolean
  /** See `isIdempotent`. */
  readonly idempotent: boolean
}

/** `repeatable`: with failover, or if the method is idempotent. */
type When = 'never' | 'always' | 'failover' | 'repeatable'

interface Row {
  readonly retry: When
  readonly next: When
  /** If it is neither. */
  readonly otherwise: 'accept' | 'fail'
}

/**
 * The retry policy, by the kind of outcome. The columns are tried from left to right.
 *
 * - Not connected: nothing was sent, so the next target is tried whatever the method (Pingora, user guide, Failover;
 *   Caddy's `DialError`). An incomplete request counts as not sent: no API acts on half a body.
 * - A kept connection that is lost before a response was most likely closed by the upstream while the request was on
 *   its way (RFC 9112, 9.3.1; Envoy issue 10007). One retry on a fresh connection, as in Pingora; this needs no
 *   second target.
 * - In all other cases the upstream may have acted on the request. RFC 9110, 9.2.2 leaves a retry to those who know
 *   that it does no harm: repeating a completion costs tokens and changes no state, which is what `failover` says.
 * - A retryable status goes to the next target; if there is none, the client gets the response (Caddy's
 *   `retryableResponseError`). So does a stalled 200: without another target, its head goes to the client.
 */
const TABLE: Readonly<Record<FailureKind, Row>> = {
  final_status: { retry: 'never', next: 'never', otherwise: 'accept' },
  retryable_status: { retry: 'never', next: 'failover', otherwise: 'accept' },
  rejected_locally: { retry: 'never', next: 'never', otherwise: 'fail' },
  untranslatable: { retry: 'never', next: 'failover', otherwise: 'fail' },
  connect_failed: { retry: 'never', next: 'always', otherwise: 'fail' },
  stale_connection_unsent: { retry: 'always', next: 'always', otherwise: 'fail' },
  stale_connection: { retry: 'repeatable', next: 'failover', otherwise: 'fail' },
  upload_incomplete: { retry: 'never', next: 'always', otherwise: 'fail' },
  connection_lost: { retry: 'never', next: 'failover', otherwise: 'fail' },
  first_byte_timeout: { retry: 'never', next: 'failover', otherwise: 'fail' },
  stalled: { retry: 'never', next: 'failover', otherwise: 'accept' },
}

/**
 * Decides what to do after an attempt. A pure function.
 *
 * The caller guarantees that no byte of a response has gone to the client, and that the client is still there. If the
 * body cannot be sent again, the caller sets `hasOther` to false and `retried` to true.
 */
export function decide(outcome: Outcome, state: AttemptState): Decision {
  const row = TABLE[classifyFailure(outcome)]
  if (!state.retried && holds(row.retry, state)) return 'retry'
  if (state.hasOther && holds(row.next, state)) return 'next'
  return row.otherwise
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
  return (method === 'GET' || method === 'HEAD') && !isAccountScoped(path)
}

/** `/responses` and `/chat/completions` themselves generate: only paths below them are stored objects. */
const ACCOUNT_SCOPED = new RegExp(
  `^/(?:(?:${COLLECTIONS.join('|')})(?:/|$)|(?:responses|chat/completions)/|(?:upload/)?v1beta/(?!models(?:/|$)))`,
)

/**
 * Whether a path is about objects that one account stores. Another target does not have them: it would respond with 404
 * for a file that exists, or store a new one where nobody looks for it. So such requests go to the first target only.
 * @param path behind the version, without a query
 */
export function isAccountScoped(path: string): boolean {
  return ACCOUNT_SCOPED.test(path)
}
