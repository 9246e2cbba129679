/**
 * The phases of a request, in their order; it only goes forward. The key is checked before the body is read, so that a
 * flood of bad keys costs no memory.
 */
export const PHASES = ['admit', 'read', 'plan', 'cache', 'attempt', 'respond'] as const

export type Phase = (typeof PHASES)[number]

/**
 * What the relay's own cache had of an answer: of those that share one, the one that pays for it is a miss. A prefix is the
 * rest of an answer whose beginning has been typed.
 */
export type CacheOutcome = 'hit' | 'prefix' | 'miss' | 'joined' | 'off'

/** How an exchange ended; a closed list. */
export type End =
  /** The upstream's whole answer, whatever its status, was handed to the client. */
  | 'done'
  /** Answered by the relay itself: health, CORS preflight, the list of aliases. */
  | 'local'
  /** Refused by the relay before an upstream was asked. */
  | 'refused'
  /** No answer could be had from the upstream; the client got an error of the relay's. */
  | 'upstream_failed'
  /** The upstream broke off within its answer; the client's connection was broken off too. */
  | 'upstream_cut'
  /** The upstream fell silent within its answer for longer than `timeouts.idleMs`. */
  | 'upstream_idle'
  /** A newer autocomplete request of the same session came. */
  | 'superseded'
  /** The client left before the end. */
  | 'client_gone'
  /** The client stopped reading for longer than `timeouts.clientStallMs`. */
  | 'client_stalled'
  /** Still open when the drain's time was up. */
  | 'shutdown'
  /** A fault of the relay. */
  | 'crashed'
