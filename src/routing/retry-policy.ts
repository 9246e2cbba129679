/**
 * What comes next for a request: pass this answer on, the same target again, the next one, or an error of the relay's
 * own.
 */
export type Decision = 'answer' | 'same' | 'next' | 'fail'

/**
 * `connecting`: nothing was written. `waiting`: written, and no byte of an answer came. `silent`: the head of a 200
 * came, was held back, and no first event followed.
 */
export type FailurePhase = 'connecting' | 'waiting' | 'silent'

/** How an attempt failed of which no byte went to the client. */
export interface Failure {
  /** Of the system or undici; of the relay's own clocks `FIRST_BYTE_LATE` or `FIRST_EVENT_LATE`. */
  readonly code: string
  readonly phase: FailurePhase
  /** The connection had carried an answer before; `connecting`: the one that the request was to be written to had. */
  readonly reused: boolean
  /** False only if a part of the body is known never to have been written: then the upstream cannot have begun. */
  readonly sentWhole: boolean
}

/** The status of an answer whose head came, or how there came to be none. */
export type Outcome = number | Failure

export interface AttemptState {
  /** A `same` has been used up. */
  readonly sameTried: boolean
  /** A target is left that has not been asked and can be. */
  readonly another: boolean
  /** This request may be asked twice though the first may have been acted on. */
  readonly failover: boolean
  /** See `isIdempotent`. */
  readonly idempotent: boolean
}

/** undici's codes for these two waits; the relay's clocks take its place, and report under its names. */
export const FIRST_BYTE_LATE = 'UND_ERR_HEADERS_TIMEOUT'
export const FIRST_TOKEN_LATE = 'UND_ERR_BODY_TIMEOUT'

/** The code of an answer that has to be changed, and is compressed although that was not asked for. */
export const ENCODED_RESPONSE = 'UPSTREAM_COMPRESSED'

export type FailureKind =
  | 'answered'
  | 'turned_away'
  | 'refused'
  | 'unusable'
  | 'unreached'
  | 'stale_unsent'
  | 'stale'
  | 'unsent'
  | 'dead'
  | 'late'
  | 'silent'

/** `repeatable`: with failover, or by a method that may be repeated. */
type When = 'never' | 'always' | 'failover' | 'repeatable'

interface Row {
  readonly same: When
  readonly next: When
  /** If it is neither. */
  readonly last: 'answer' | 'fail'
}

/**
 * Who is asked after an attempt, by what became of it. The columns are tried from left to right.
 *
 * - Not connected: nothing was sent, so the next target is asked whatever the method (Pingora, user guide, Failover;
 *   Caddy's `DialError`). An incomplete request counts as such too: no API acts on half a body.
 * - A kept connection that dies before it answers was most likely closed by the upstream while the request was on its
 *   way (RFC 9112, 9.3.1; Envoy issue 10007). One more try on a fresh one, as in Pingora; it needs no second target.
 * - Else the upstream may have begun. RFC 9110, 9.2.2 leaves a repetition to who knows that it does no harm: that of a
 *   completion costs tokens, not state, which is what `failover` says.
 * - A status that asks to come again goes to the next target, and is the client's answer when there is none (Caddy's
 *   `retryableResponseError`). A silent 200 likewise: its head goes on, and the wait with it.
 */
const TABLE: Readonly<Record<FailureKind, Row>> = {
  answered: { same: 'never', next: 'never', last: 'answer' },
  turned_away: { same: 'never', next: 'failover', last: 'answer' },
  refused: { same: 'never', next: 'never', last: 'fail' },
  unusable: { same: 'never', next: 'failover', last: 'fail' },
  unreached: { same: 'never', next: 'always', last: 'fail' },
  stale_unsent: { same: 'always', next: 'always', last: 'fail' },
  stale: { same: 'repeatable', next: 'failover', last: 'fail' },
  unsent: { same: 'never', next: 'always', last: 'fail' },
  dead: { same: 'never', next: 'failover', last: 'fail' },
  late: { same: 'never', next: 'failover', last: 'fail' },
  silent: { same: 'never', next: 'failover', last: 'answer' },
}

/** undici will not send the request itself, to whomever. */
const REFUSED: ReadonlySet<string> = new Set(['UND_ERR_INVALID_ARG', 'UND_ERR_NOT_SUPPORTED'])

/** These come of no connection that was made. ETIMEDOUT may, and is judged by its phase. */
const UNREACHED: ReadonlySet<string> = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'UND_ERR_CONNECT_TIMEOUT',
])

/**
 * A connection that went away. What is not here (an answer that is no HTTP, above all) says that the upstream did
 * something with the request, and is no reason to think of the connection as stale.
 */
const GONE: ReadonlySet<string> = new Set([
  'UND_ERR_SOCKET',
  'ECONNRESET',
  // A reset under the connector's name.
  'UPSTREAM_RESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
])

/**
 * What to do after an attempt. Pure.
 *
 * The caller's guarantees: it asks only while no byte of an answer has gone to the client and the client is still
 * there; and where the body cannot be sent again, `another` is false and `sameTried` is true.
 */
export function decide(outcome: Outcome, state: AttemptState): Decision {
  const row = TABLE[classifyFailure(outcome)]
  if (!state.sameTried && holds(row.same, state)) return 'same'
  if (state.another && holds(row.next, state)) return 'next'
  return row.last
}

/** The row of the table that an outcome falls under. */
export function classifyFailure(outcome: Outcome): FailureKind {
  if (typeof outcome === 'number') return asksToComeAgain(outcome) ? 'turned_away' : 'answered'
  const { code, phase, reused, sentWhole } = outcome
  if (REFUSED.has(code)) return 'refused'
  if (code === ENCODED_RESPONSE) return 'unusable'
  const stale = reused && GONE.has(code)
  if (phase === 'connecting') return stale ? 'stale_unsent' : 'unreached'
  if (UNREACHED.has(code)) return 'unreached'
  if (phase === 'silent') return code === FIRST_TOKEN_LATE ? 'silent' : 'dead'
  if (!sentWhole) return stale ? 'stale_unsent' : 'unsent'
  if (code === FIRST_BYTE_LATE) return 'late'
  return stale ? 'stale' : 'dead'
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

/**
 * The statuses after which the clients of OpenAI and Anthropic ask again: 408, 409, 429 and what is from 500 up,
 * Anthropic's 529 among them. Not 501 and 505 (RFC 9110, 15.6.2 and 15.6.6): they are about the request, and the next
 * one would say the same.
 */
function asksToComeAgain(status: number): boolean {
  if (status >= 500) return status !== 501 && status !== 505
  return status === 408 || status === 409 || status === 429
}

const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'TRACE', 'PUT', 'DELETE'])

/** Whether a method may be repeated at the same target (RFC 9110, 9.2.2). */
export function isIdempotent(method: string): boolean {
  return IDEMPOTENT.has(method)
}

/** Asked twice, these cost tokens and change nothing. */
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
 * Whether a request may be asked twice where the config does not say: reads, and what only generates. Not what makes
 * something or is dear (files, batches, audio, images), nor paths that are not known.
 * @param path behind the version, without a query
 */
export function isFailoverDefault(method: string, path: string): boolean {
  if (method === 'POST') return REPEATABLE_POSTS.has(path)
  return (method === 'GET' || method === 'HEAD') && !isAccountScoped(path)
}

/** What is made there has an id by which it is asked for again (API references of OpenAI and Anthropic). */
const COLLECTIONS = [
  'assistants',
  'batches',
  'containers',
  'conversations',
  'evals',
  'files',
  'fine_tuning',
  'messages/batches',
  'skills',
  'threads',
  'uploads',
  'vector_stores',
  'videos',
]

/** Of the last two only what lies below: their own path generates. */
const KEPT = new RegExp(`^/(?:(?:${COLLECTIONS.join('|')})(?:/|$)|(?:responses|chat/completions)/)`)

/**
 * Whether a path is about things that one account keeps. Another target does not have them: it would say 404 of a
 * file that exists, or keep a new one where nobody looks for it. So a caller should have them asked of the first
 * target alone.
 * @param path behind the version, without a query
 */
export function isAccountScoped(path: string): boolean {
  return KEPT.test(path)
}
