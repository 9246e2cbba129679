import type { PeriodKind } from '../../config/limit-rules.js'
import type { LimitLeft, LimitTicket } from '../../exchange/limit-ticket.js'
import type { FlatHeaderList } from '../../http/flat-headers.js'
import { formatNumber } from './amount-text.js'

/** Headers that tell what is left of the limits of a request; `-remaining-` and `-reset-` follow. */
const OWN = 'x-thinwire-limit-'

/** Family of headers from which Claude Code shows how much of a plan is used. */
const UNIFIED = 'anthropic-ratelimit-unified-'

/** Names of the headers of one unit: made once, as Node checks each name, and a new text takes longer. */
interface LeftNames {
  readonly unit: 'requests' | 'tokens' | 'usd'
  readonly limit: string
  readonly remaining: string
  readonly reset: string
}

const REQUESTS = namesOf('requests')
const TOKENS = namesOf('tokens')
const USD = namesOf('usd')

function namesOf(unit: LeftNames['unit']): LeftNames {
  return { unit, limit: OWN + unit, remaining: `${OWN}remaining-${unit}`, reset: `${OWN}reset-${unit}` }
}

/** Part of a budget from which on Claude Code is to warn. */
const WARNED_SHARE = 0.8

/**
 * Adds to a response what is left of the limits of its request. The upstream's own limits stay, but for the family that
 * Claude Code shows as the plan of the person: it is replaced, as a whole, where a budget is that plan.
 * @param headers of `filterResponseHeaders`
 * @param status of the response; a refusal of the upstream keeps the family that explains it
 * @param now epoch milliseconds
 */
export function addLimitHeaders(
  headers: FlatHeaderList,
  ticket: LimitTicket,
  status: number,
  now: number,
): void {
  const { requestsLeft, tokensLeft, usdLeft, at } = ticket
  if (requestsLeft === null && tokensLeft === null && usdLeft === null) return
  const hasPlan = status < 400 && (isBudget(tokensLeft) || isBudget(usdLeft))
  const hadFamily = removeReplaced(headers, hasPlan)
  if (requestsLeft !== null) addLeft(headers, REQUESTS, requestsLeft, at, now)
  if (tokensLeft !== null) addLeft(headers, TOKENS, tokensLeft, at, now)
  if (usdLeft !== null) addLeft(headers, USD, usdLeft, at, now)
  // Few responses have the family, and to find the windows of a plan takes longer than all of the other headers.
  if (hadFamily) addPlan(headers, findPlan(tokensLeft, usdLeft), at)
}

function isBudget(left: LimitLeft | null): boolean {
  return left !== null && left.budget !== null
}

/**
 * Removes what another relay behind this one says of its limits, and the family of a plan.
 * @returns whether that family was there
 */
function removeReplaced(headers: FlatHeaderList, replacesPlan: boolean): boolean {
  let hadFamily = false
  for (let i = headers.length - 2; i >= 0; i -= 2) {
    const name = headers[i] as string
    if (name.length <= OWN.length) continue
    const lower = name.toLowerCase()
    const isFamily = replacesPlan && lower.startsWith(UNIFIED)
    if (!isFamily && !lower.startsWith(OWN)) continue
    hadFamily ||= isFamily
    headers.splice(i, 2)
  }
  return hadFamily
}

function addLeft(
  headers: FlatHeaderList,
  names: LeftNames,
  { limit, remaining, resetMs }: LimitLeft,
  at: number,
  now: number,
): void {
  const left = Math.max(0, Math.floor(remaining))
  const seconds = Math.max(0, Math.ceil((at + resetMs - now) / 1_000))
  headers.push(names.limit, formatNumber(names.unit, limit))
  headers.push(names.remaining, formatNumber(names.unit, left))
  headers.push(names.reset, String(seconds))
}

/** One window of a plan, as Claude Code knows it. */
interface PlanWindow {
  readonly name: '5h' | '7d'
  /** Part that is used, from 0 to 1. */
  readonly used: number
  readonly resetMs: number
}

/** What Claude Code has words for: "session limit" and "weekly limit". */
const WINDOW_NAMES = { '5h': 'five_hour', '7d': 'seven_day' } as const

const WINDOW_OF: Readonly<Record<PeriodKind, PlanWindow['name']>> = {
  hour: '5h',
  day: '5h',
  week: '7d',
  month: '7d',
}

/** The budgets of a request as windows of a plan, the one that is used most first. Rates are no plan. */
function findPlan(tokensLeft: LimitLeft | null, usdLeft: LimitLeft | null): readonly PlanWindow[] {
  const windows = [toWindow(tokensLeft), toWindow(usdLeft)].filter((window) => window !== null)
  windows.sort((one, other) => other.used - one.used)
  return windows.filter(({ name }, i) => windows.findIndex((other) => other.name === name) === i)
}

function toWindow(left: LimitLeft | null): PlanWindow | null {
  if (left === null || left.budget === null) return null
  const { budget, limit, remaining, resetMs } = left
  return { name: WINDOW_OF[budget.period], used: 1 - Math.max(0, remaining) / limit, resetMs }
}

/**
 * Adds the family with the fields that a budget has. They are not documented; these were seen in responses, and in the
 * code of Claude Code 2.1 that reads them:
 * - `status`: `allowed`, `allowed_warning`, `rejected`. Never `rejected` here, as this request has passed.
 * - `representative-claim`: the window that speaks for all: `five_hour`, `seven_day` (and some for single models);
 *   `reset` is its end, in seconds since the epoch.
 * - for each window, `5h` and `7d`: `-status`, `-utilization` (0 to 1), `-reset`, and `-surpassed-threshold` (a part,
 *   as `utilization`), without which no warning is shown.
 * Left out, as a budget has no such thing: `fallback`, `fallback-percentage`, `overage-*`, `upgrade-paths`.
 */
function addPlan(headers: FlatHeaderList, plan: readonly PlanWindow[], at: number): void {
  const [first] = plan
  if (first === undefined) return
  headers.push(`${UNIFIED}status`, statusOf(first), `${UNIFIED}reset`, endOf(first, at))
  headers.push(`${UNIFIED}representative-claim`, WINDOW_NAMES[first.name])
  for (const window of plan) {
    const prefix = `${UNIFIED}${window.name}-`
    headers.push(`${prefix}status`, statusOf(window), `${prefix}reset`, endOf(window, at))
    headers.push(`${prefix}utilization`, String(Math.round(window.used * 1e4) / 1e4))
    if (isWarned(window)) headers.push(`${prefix}surpassed-threshold`, String(WARNED_SHARE))
  }
}

function isWarned({ used }: PlanWindow): boolean {
  return used >= WARNED_SHARE
}

function statusOf(window: PlanWindow): string {
  return isWarned(window) ? 'allowed_warning' : 'allowed'
}

function endOf({ resetMs }: PlanWindow, at: number): string {
  return String(Math.ceil((at + resetMs) / 1_000))
}
