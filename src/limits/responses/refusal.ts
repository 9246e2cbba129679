import type { ErrorFormat } from '../../api/error-format.js'
import type { RefusalDetails } from '../../api/error-response.js'
import type { ErrorCode } from '../../api/errors.js'
import { type LimitRule, type LimitScope, type Rate, rateOf } from '../../config/limit-rules.js'
import type { FlatHeaderList, FlatHeaders } from '../../http/flat-headers.js'
import { groupDigits } from '../../ledger/price-rates.js'
import type { Whole } from '../../ledger/read/whole.js'
import { LONGEST_MS } from '../counters/rate-count.js'
import type { LimitExcess } from '../counters/store.js'
import { formatAmount, formatBudget, formatDuration, formatMoment } from './amount-text.js'

/** What a client gets that a rule refuses. */
export interface LimitRefusal extends RefusalDetails {
  readonly code: ErrorCode
  readonly message: string
  readonly headers: FlatHeaders
  /** The rule that the message names. */
  readonly rule: LimitRule
}

/**
 * Shortest wait for what comes back when another request ends, in milliseconds: nobody knows when that is, and a client
 * that asks at once again only takes time from the others.
 */
const SHORT_WAIT_MS = 1_000

/**
 * Longest wait that a client is asked to sit out, in milliseconds. Official clients sleep for as long as they are asked
 * to, or ignore what is above a minute and ask again at once: neither helps whoever waits.
 */
const LONGEST_WAIT_MS = 60_000

/**
 * Formats within which `retry-after` may be hours away: the official clients of these APIs obey `x-should-retry` and
 * those of Gemini and Ollama do not try again. Those of Cohere and AWS try again after any 429, and sleep before it.
 */
const PATIENT: ReadonlySet<ErrorFormat> = new Set(['openai', 'anthropic', 'gemini', 'ollama'])

/**
 * Says why rules refuse a request. Of several the one that resets last is named: the others have passed by then.
 * @param excesses of `LimitStore.check`, at least one
 * @param format of the client's API
 * @param at epoch milliseconds
 */
export function describeRefusal(
  excesses: readonly LimitExcess[],
  format: ErrorFormat,
  at: number,
): LimitRefusal {
  const named = findLast(excesses, at)
  const waitMs = Math.max(1, Math.ceil(passesAt(named, at) - at))
  const { rule, kind } = named
  const seconds = String(Math.ceil(waitMs / 1_000))
  if (kind === 'budget') {
    const headers = PATIENT.has(format) ? ['retry-after', seconds] : []
    headers.push('x-should-retry', 'false')
    return { code: 'budget_exceeded', message: describeBudget(named, at), headers, rule }
  }
  const headers = ['retry-after', seconds, 'retry-after-ms', String(waitMs)]
  headers.push('x-should-retry', String(waitMs <= LONGEST_WAIT_MS))
  addRates(headers, excesses, format, at)
  const openaiType = kind === 'tokens' || named.budget?.unit === 'tokens' ? 'tokens' : 'requests'
  return { code: 'rate_limit_exceeded', message: describeWait(named, waitMs, at), headers, openaiType, rule }
}

/** Says that a rule does not allow the model of a request. */
export function describeBarredModel(rule: LimitRule): LimitRefusal {
  const { allow, deny } = rule
  const allowed = allow === null ? '' : ` It allows: ${listPatterns(allow)}.`
  const denied = deny === null ? '' : ` It denies: ${listPatterns(deny)}.`
  const ask = askWhom(rule, 'which models may be used')
  const message = `The rule "${rule.name}" does not allow this model.${allowed}${denied}${ask}`
  return { code: 'model_not_allowed', param: 'model', message, headers: [], rule }
}

/**
 * Says that a rule for some models cannot tell whether it is for a request.
 * @param isMixed the request names models of which some count on the rule
 */
export function describeUnseenModel(rule: LimitRule, isMixed: boolean): LimitRefusal {
  const why = isMixed
    ? 'is for some of the models that this request names, and not for all of them. Send a request for each.'
    : 'is for some models, and it cannot be known which one this request runs. Name the model as "model", in a request that runs it at once.'
  const message = `The rule "${rule.name}" ${why}${askWhom(rule, 'for a key without that rule')}`
  return { code: 'model_not_allowed', param: 'model', message, headers: [], rule }
}

/** Says that it cannot be known whether a rule lets a request pass. */
export function describeUnanswered(rule: LimitRule): LimitRefusal {
  const message = `The rule "${rule.name}" limits this request, and what is used of it cannot be known at the moment. Send the request again.${askWhom(rule, 'if it lasts')}`
  return { code: 'limits_unavailable', message, headers: [], rule }
}

/** Says that the model of a request has no price, under a rule that limits money. */
export function describeUnpriced(rule: LimitRule): LimitRefusal {
  const ask = askWhom(rule, 'to give it one (`ledger.prices`)')
  const message = `The rule "${rule.name}" limits money, and this model has no price. Use a model that has one.${ask}`
  return { code: 'model_not_allowed', param: 'model', message, headers: [], rule }
}

function findLast(excesses: readonly LimitExcess[], at: number): LimitExcess {
  return excesses.reduce((last, excess) => (passesAt(excess, at) > passesAt(last, at) ? excess : last))
}

/** When a request can pass, as far as is known: epoch milliseconds. */
function passesAt({ kind, retryMs, resetsAt }: LimitExcess, at: number): number {
  if (kind === 'budget') return resetsAt ?? at + retryMs
  return at + (kind === 'concurrent' || kind === 'held' ? Math.max(SHORT_WAIT_MS, retryMs) : retryMs)
}

// Messages

/** Begins as OpenAI's does (Error codes, 429), because some clients tell the kind of an error by its text. */
function describeBudget({ rule, budget, used, resetsAt }: LimitExcess, at: number): string {
  const spent = budget === null ? '' : `, and ${formatAmount(budget, used)} ${isOne(budget.unit)} used`
  const amount = budget === null ? 'a budget' : formatBudget(budget)
  const allowance = `the rule "${rule.name}" allows ${amount} ${SHARERS[rule.per]}${spent}`
  return `You exceeded your current quota: ${allowance}. It resets at ${formatMoment(resetsAt ?? at, rule)}.${askWhom(rule)}`
}

function isOne(unit: 'usd' | 'tokens'): string {
  return unit === 'usd' ? 'is' : 'are'
}

/** Codex reads the pause from these words, in seconds (`try again in 1.5s`). */
function describeWait(excess: LimitExcess, waitMs: number, at: number): string {
  const { rule, resetsAt } = excess
  const pause = `Please try again in ${waitMs / 1_000}s.`
  let reset = ''
  if (resetsAt !== null) reset = ` It resets at ${formatMoment(resetsAt, rule)}.`
  else if (excess.kind !== 'concurrent')
    reset = ` All of it is back at ${formatMoment(at + Math.max(waitMs, wholeIn(excess)), rule)}.`
  return `Rate limit reached: ${describeAllowance(excess)}. ${pause}${reset}${askWhom(rule)}`
}

function describeAllowance({ rule, kind, budget, limit, used }: LimitExcess): string {
  const start = `the rule "${rule.name}" allows`
  const sharers = SHARERS[rule.per]
  const [count, most] = [groupDigits(ceil(used)), groupDigits(limit)]
  switch (kind) {
    case 'requests':
      return `${start} ${describeRate(rule.requests, 'requests')} ${sharers}, and ${count} of ${most} are used`
    case 'tokens': {
      const isShort = used < limit ? '; what is left is too little for this request' : ''
      return `${start} ${describeRate(rule.tokens, 'tokens')} ${sharers}, and ${count} of ${most} are used${isShort}`
    }
    case 'concurrent':
      return `${start} ${most} requests at one time ${sharers}, and ${count} are in flight`
    default: {
      if (budget === null)
        return `${start} a budget ${sharers}, and the rest of it is held for requests in flight`
      const spent = `${formatAmount(budget, used)} ${isOne(budget.unit)} used`
      return `${start} ${formatBudget(budget)} ${sharers}, of which ${spent}, and the rest is held for requests in flight`
    }
  }
}

function describeRate(rate: Rate | null, what: string): string {
  if (rate === null) return `a rate of ${what}`
  const burst = rate.burst === rate.perMinute ? '' : ` (${groupDigits(rate.burst)} at once)`
  return `${groupDigits(rate.perMinute)} ${what} a minute${burst}`
}

/** Whose counter it is, to the client. */
const SHARERS: Readonly<Record<LimitScope, string>> = {
  pool: 'for all its users together',
  key: 'for each key',
  user: 'for each user',
  team: 'for each team',
  env: 'for each environment',
}

/** The operator's own words, or ours. */
function askWhom({ message }: LimitRule, forWhat = 'for more'): string {
  return message === null ? ` Ask the operator of this relay ${forWhat}.` : ` ${message}`
}

const MOST_PATTERNS = 10

function listPatterns(patterns: readonly string[]): string {
  const more = patterns.length - MOST_PATTERNS
  return patterns.slice(0, MOST_PATTERNS).join(', ') + (more > 0 ? ` and ${more} more` : '')
}

// Headers of rates

/** Adds what is known of the rates that are used up, by the names of the client's API. */
function addRates(
  headers: FlatHeaderList,
  excesses: readonly LimitExcess[],
  format: ErrorFormat,
  at: number,
): void {
  for (const unit of ['requests', 'tokens'] as const) {
    const own = excesses.filter((excess) => excess.kind === unit)
    const places = unit === 'tokens' ? [] : excesses.filter((excess) => excess.kind === 'concurrent')
    const tightest = own.length > 0 ? own : places
    if (tightest.length === 0) continue
    const excess = findLast(tightest, at)
    const resetMs = Math.max(passesAt(excess, at) - at, wholeIn(excess))
    const left = Math.max(0, Math.floor(excess.limit - Number(excess.used)))
    const values = [String(excess.limit), String(left)]
    if (format === 'anthropic') {
      const reset = new Date(Math.ceil((at + resetMs) / 1_000) * 1_000).toISOString().replace('.000', '')
      FIELDS.forEach((field, i) => {
        headers.push(`anthropic-ratelimit-${unit}-${field}`, values[i] ?? reset)
      })
    } else {
      FIELDS.forEach((field, i) => {
        headers.push(`x-ratelimit-${field}-${unit}`, values[i] ?? formatDuration(resetMs))
      })
    }
  }
}

const FIELDS = ['limit', 'remaining', 'reset']

/** Milliseconds until a rate is whole again, if nothing else is used; 0 for what is no rate. */
function wholeIn({ rule, kind, used }: LimitExcess): number {
  const rate = rateOf(rule, kind)
  return rate === null ? 0 : Math.min(LONGEST_MS, Math.ceil((Number(used) * 60_000) / rate.perMinute))
}

/** Tokens of a rate come back in parts. */
function ceil(used: Whole): Whole {
  return typeof used === 'number' ? Math.ceil(used) : used
}
