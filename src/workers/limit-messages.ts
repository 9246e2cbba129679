import type { Budget, LimitRule } from '../config/limit-rules.js'
import type { LimitClaim, LimitLeft, LimitTicket } from '../exchange/limit-ticket.js'
import type { Whole } from '../ledger/read/whole.js'
import type { LimitExcess, LimitState, LimitUse } from '../limits/counters/store.js'
import type { RefusalKind } from '../limits/reports/refusal-tally.js'
import type { LimitFigures } from '../observe/limit-metrics.js'

/*
 * What a worker and the primary say to each other about limits, under the topic `limits`. Values are lists, and not
 * objects, as there are some for each request. A rule is named by its id, and a counter by the id of its rule and its
 * owner. A worker numbers its requests, its settlements and its questions, each from 1.
 */

/** Counters: `[rule, owner, rule, owner]`. */
export type ClaimNames = readonly string[]

/** What a worker says. */
export type WorkerMessage =
  /** It uses this rule from now on, under its id. It says so before the first claim that has it. */
  | readonly ['rule', LimitRule]
  /** May a request pass? */
  | readonly ['check', request: number, ClaimNames, tokens: number, nano: number, at: number]
  /** The request is over, and its summary follows. */
  | readonly ['release', request: number]
  /** The request takes no place, and is not over. */
  | readonly ['places', request: number]
  | readonly ['cancel', request: number]
  | readonly ['renew', readonly number[]]
  /** @see Settled */
  | readonly ['settle', Settled]
  /** Summaries that were gathered are settled: the answer to `settle`. */
  | readonly ['flushed', round: number]
  /** A rule has refused a request. */
  | readonly ['refused', rule: string, observe: boolean, RefusalKind]
  /** A rule that only observes would have refused a request. @param kinds of the amounts */
  | readonly ['observed', ClaimNames, kinds: readonly RefusalKind[]]
  /** Records of this worker up to a number were counted without some budgets, and later ones with them. */
  | readonly ['follow', Followed]
  /** Its records up to this number are in a file, and those of its settlements up to another number are among them. */
  | readonly ['written', seq: number, settlement: number]
  /** The states of counters are asked for. */
  | readonly ['read', question: number, ClaimNames]
  | readonly ['figures', question: number]

/** What a request has used, for `LimitStore.settle`. */
export interface Settled {
  /** 0 if it was not checked. */
  readonly request: number
  readonly claims: ClaimNames
  readonly tokens: LimitUse['tokens']
  readonly nano: Whole
  readonly at: number
  /** Its id in the ledger. */
  readonly id: string
  /** Which settlement of the worker it is, from 1. */
  readonly settlement: number
  /** Its record waits for what was crossed. */
  readonly isAwaited: boolean
  /** Its record was made by another process than the one that has served it. */
  readonly isRecovered: boolean
}

export interface Followed {
  /** Identifies the worker's records; null: it writes none. */
  readonly writer: string | null
  /** Number of its last record. */
  readonly seq: number
  /** Names of budgets that it follows from here on (`nameBudget`), and no more. */
  readonly added: readonly string[]
  readonly dropped: readonly string[]
  /** Which question of the primary it answers; 0 for none. */
  readonly round: number
}

/** What the primary says. */
export type PrimaryMessage =
  | readonly ['passed', request: number, observed: readonly SentExcess[], left: readonly (SentLeft | null)[]]
  | readonly ['stopped', request: number, readonly SentExcess[]]
  /** Settlements up to this one are counted; the last one may have brought budgets to a share. */
  | readonly ['settled', settlement: number, reached: string | null]
  /** All summaries that were gathered are to be settled. */
  | readonly ['settle', round: number]
  /** The number of the last record is asked for: these budgets are to be read from the ledger again. */
  | readonly ['restate', round: number, budgets: readonly string[]]
  | readonly ['states', question: number, SentStates]
  | readonly ['figures', question: number, SentFigures]

/** A `LimitExcess`, with the place of its rule among the claims of the request. */
export type SentExcess = readonly [
  claim: number,
  kind: LimitExcess['kind'],
  Budget | null,
  limit: number,
  used: Whole,
  retryMs: number,
  resetsAt: number | null,
]

/** A `LimitLeft`, in the same way. */
export type SentLeft = readonly [
  claim: number,
  Budget | null,
  limit: number,
  remaining: number,
  resetMs: number,
]

/** States of counters, by claim, and when they were read in epoch milliseconds. */
export interface SentStates {
  readonly at: number
  readonly states: readonly (readonly SentState[])[]
}

/** A `LimitState` without its rule and owner. */
type SentState = Omit<LimitState, 'rule' | 'owner'>

/** `LimitFigures` that can be copied. */
export interface SentFigures extends Omit<LimitFigures, 'refusals' | 'amounts'> {
  readonly refusals: readonly (LimitFigures['refusals'] extends Iterable<infer T> ? T : never)[]
  readonly amounts: readonly (LimitFigures['amounts'] extends Iterable<infer T> ? T : never)[]
}

export function nameClaims(claims: readonly LimitClaim[]): ClaimNames {
  const names = new Array<string>(2 * claims.length)
  for (let i = 0; i < claims.length; i++) {
    const { rule, owner } = claims[i] as LimitClaim
    names[2 * i] = rule.id
    names[2 * i + 1] = owner
  }
  return names
}

export function toSentExcess(excess: LimitExcess, claims: readonly LimitClaim[]): SentExcess {
  const { rule, kind, budget, limit, used, retryMs, resetsAt } = excess
  return [indexOf(rule, claims), kind, budget, limit, used, retryMs, resetsAt]
}

export function fromSentExcess(sent: SentExcess, claims: readonly LimitClaim[]): LimitExcess[] {
  const [claim, kind, budget, limit, used, retryMs, resetsAt] = sent
  const rule = claims[claim]?.rule
  return rule === undefined ? [] : [{ rule, kind, budget, limit, used, retryMs, resetsAt }]
}

/** What a ticket says is left: of requests, tokens and money. */
export function listLeft({ claims, requestsLeft, tokensLeft, usdLeft }: LimitTicket): (SentLeft | null)[] {
  if (requestsLeft === null && tokensLeft === null && usdLeft === null) return []
  return [requestsLeft, tokensLeft, usdLeft].map((left) => {
    if (left === null) return null
    const { rule, budget, limit, remaining, resetMs } = left
    return [indexOf(rule, claims), budget, limit, remaining, resetMs]
  })
}

export function fromSentLeft(
  sent: SentLeft | null | undefined,
  claims: readonly LimitClaim[],
): LimitLeft | null {
  if (sent === null || sent === undefined) return null
  const [claim, budget, limit, remaining, resetMs] = sent
  const rule = claims[claim]?.rule
  return rule === undefined ? null : { rule, budget, limit, remaining, resetMs }
}

function indexOf(rule: LimitRule, claims: readonly LimitClaim[]): number {
  for (let i = 0; i < claims.length; i++) if (claims[i]?.rule === rule) return i
  return -1
}
