import { findMatchFlaws, findModelPatternDoubts, pathOf as pathOfPattern } from './limit-matches.js'
import {
  type Budget,
  hasAmounts,
  type LimitMatch,
  type LimitRule,
  type LimitRulesConfig,
  type LimitScope,
  type Rate,
} from './limit-rules.js'
import { coverAll, covers } from './pattern-cover.js'
import type { Problem } from './problems.js'
import type { Limits } from './schema.js'

/** A burst that takes longer than this to come back is a budget, and no rate. */
const LONGEST_BURST_MINUTES = 60

/** A smaller burst is used up by each single request. */
const LEAST_TOKEN_BURST = 1_000

type PlainBounds = Readonly<Pick<Limits, 'maxConcurrentRequests' | 'maxConcurrentRequestsPerKey'>>

/** What a look at all rules has found. */
export interface LimitDoubts {
  /** What can only be a mistake: a relay does not start with it. */
  readonly problems: readonly Problem[]
  /** Settings that work, and are likely to surprise. */
  readonly warnings: readonly string[]
}

/**
 * Finds rules that contradict themselves or each other, that no request can match, and that others make useless.
 * @param mode of the keys
 */
export function findLimitDoubts(
  { rules, alerts, unpriced }: LimitRulesConfig,
  limits: PlainBounds,
  mode: 'keys' | 'passthrough' | 'off',
): LimitDoubts {
  const problems: Problem[] = []
  const warnings: string[] = []
  const warn = ({ path, message }: Problem): void => void warnings.push(`${path}: ${message}`)
  for (const [i, rule] of rules.entries()) {
    problems.push(...findMatchFlaws(rule), ...findModelContradictions(rule))
    findModelPatternDoubts(rule).forEach(warn)
    findModelDoubts(rule).forEach(warn)
    findAmountDoubts(rule).forEach(warn)
    if (mode !== 'keys') findKeyDoubts(rule, mode).forEach(warn)
    findBoundDoubts(rule, limits).forEach(warn)
    // One rule that makes this one useless is enough to know, however many there are.
    const useless = new Set<string>()
    for (const [j, other] of rules.entries()) {
      if (i === j) continue
      for (const doubt of [...findDenied(rule, other), ...findUseless(rule, other, j < i)]) {
        if (!useless.has(doubt.path)) warn(doubt)
        useless.add(doubt.path)
      }
    }
  }
  if (typeof unpriced === 'object' && unpriced.input === 0 && unpriced.output === 0)
    warnings.push('limits.unpriced: makes models without a price free for all budgets of money')
  if (alerts.url !== null && alerts.at.length === 0)
    warnings.push('limits.alerts.at: has no share, so that the webhook is never called')
  if (alerts.url !== null && alerts.secret === null)
    warnings.push('limits.alerts.secret: is not set; the webhook cannot tell who calls it')
  return { problems, warnings }
}

/** Patterns that are in both lists. */
function findModelContradictions({ place, allow, deny }: LimitRule): Problem[] {
  const problems: Problem[] = []
  for (const [i, pattern] of (deny ?? []).entries())
    if (allow?.includes(pattern))
      problems.push({
        path: pathOfPattern(`${place}.models.deny`, deny ?? [], i),
        message: 'is in models.allow, too; remove it from one of them',
      })
  return problems
}

/** Patterns of a rule that its own patterns make useless. */
function findModelDoubts(rule: LimitRule): Problem[] {
  const { place, allow, deny, match } = rule
  if (deny === null) return []
  const doubts: Problem[] = []
  for (const [i, pattern] of (allow ?? []).entries())
    if (deny.some((wide) => covers(wide, pattern)))
      doubts.push({
        path: pathOfPattern(`${place}.models.allow`, allow ?? [], i),
        message: 'is never allowed, as models.deny covers it',
      })
  if (hasAmounts(rule) && match.model !== null && coverAll(deny, match.model))
    doubts.push({
      path: `${place}.match.model`,
      message: 'models.deny refuses all of these models, so that the amounts of the rule count nothing',
    })
  return doubts
}

/** A rule for models that another rule refuses. */
function findDenied(rule: LimitRule, other: LimitRule): Problem[] {
  const { model } = rule.match
  if (model === null || !hasAmounts(rule) || other.observe || other.deny === null) return []
  if (!coverAll(other.deny, model) || !matchesAllOf(other, rule)) return []
  const message = `${other.place}.models.deny (${other.name}) refuses all of these models, so that the rule counts nothing`
  return [{ path: `${rule.place}.match.model`, message }]
}

/** Requests in flight that a plain bound of the config does not let in. */
function findBoundDoubts({ place, per, concurrent }: LimitRule, limits: PlainBounds): Problem[] {
  if (concurrent === null) return []
  const bounds: (keyof PlainBounds)[] = ['maxConcurrentRequests']
  if (per === 'key') bounds.unshift('maxConcurrentRequestsPerKey')
  const bound = bounds.find((name) => concurrent > limits[name])
  if (bound === undefined) return []
  return [{ path: `${place}.concurrent`, message: `is never reached: limits.${bound} is ${limits[bound]}` }]
}

/** Amounts of one rule that cannot be reached, or are of an odd size. */
function findAmountDoubts(rule: LimitRule): Problem[] {
  const { place, requests, tokens, budgets } = rule
  const doubts: Problem[] = []
  for (const budget of budgets)
    for (const longer of budgets)
      if (budget !== longer && budget.amount > longer.amount && neverReaches(budget, longer))
        doubts.push({
          path: pathOf(place, budget),
          message: `is never reached, as the ${longer.period} has less: ${longer.unit}.${longer.period}`,
        })
  for (const [name, rate] of [
    ['requestBurst', requests],
    ['tokenBurst', tokens],
  ] as const)
    if (rate !== null && rate.burst > rate.perMinute * LONGEST_BURST_MINUTES)
      doubts.push({
        path: `${place}.${name}`,
        message: `takes more than ${LONGEST_BURST_MINUTES} minutes to come back; a budget for an hour or a day may be meant`,
      })
  if (tokens !== null && tokens.burst < LEAST_TOKEN_BURST)
    doubts.push({
      path: `${place}.${tokens.burst === tokens.perMinute ? 'tokensPerMinute' : 'tokenBurst'}`,
      message: `is less than most requests use; each of them waits until all ${tokens.burst} tokens are back`,
    })
  return doubts
}

/** Rules by keys, where there are no keys. */
function findKeyDoubts({ place, match, per }: LimitRule, mode: string): Problem[] {
  const doubts: Problem[] = (['key', 'user', 'team', 'env'] as const)
    .filter((field) => match[field] !== null)
    .map((field) => ({
      path: `${place}.match.${field}`,
      message: `no request matches: with keys.mode ${mode} there are no keys`,
    }))
  if (per !== 'pool' && doubts.length === 0)
    doubts.push({
      path: `${place}.per`,
      message: `all requests share one counter: with keys.mode ${mode} there are no keys`,
    })
  return doubts
}

/** One amount of a rule. */
interface Amount {
  readonly path: string
  readonly rate: Rate | null
  readonly budget: Budget | null
  readonly limit: number
}

/**
 * Finds the amounts of a rule that another rule makes useless: it counts all that the rule counts, and allows no more.
 * @param isEarlier whether the other rule stands first: of two that are the same the later one is reported
 */
function findUseless(rule: LimitRule, other: LimitRule, isEarlier: boolean): Problem[] {
  if (other.observe && !rule.observe) return []
  if (!isCoarser(other.per, rule.per) || !matchesAllOf(other, rule)) return []
  const isSame = other.per === rule.per && matchesAllOf(rule, other)
  const doubts: Problem[] = []
  for (const amount of listAmounts(rule)) {
    const by = listAmounts(other).find((each) => isNoMore(each, amount, rule.timezone === other.timezone))
    if (by === undefined) continue
    const isEqual = by.limit === amount.limit && by.rate?.burst === amount.rate?.burst
    if (isSame && isEqual && other.observe === rule.observe && !isEarlier) continue
    const what = isSame ? 'counts the same requests' : 'counts these requests, too,'
    const allows = isEqual ? 'has the same amount' : 'allows less'
    doubts.push({
      path: amount.path,
      message: `is never reached first: ${by.path} (${other.name}) ${what} and ${allows}`,
    })
  }
  return doubts
}

function listAmounts({ place, requests, tokens, concurrent, budgets }: LimitRule): Amount[] {
  const amounts: Amount[] = []
  const add = (path: string, limit: number, rate: Rate | null, budget: Budget | null): void =>
    void amounts.push({ path, limit, rate, budget })
  if (requests !== null) add(`${place}.requestsPerMinute`, requests.perMinute, requests, null)
  if (tokens !== null) add(`${place}.tokensPerMinute`, tokens.perMinute, tokens, null)
  if (concurrent !== null) add(`${place}.concurrent`, concurrent, null, null)
  for (const budget of budgets) add(pathOf(place, budget), budget.amount, null, budget)
  return amounts
}

/** Whether an amount of another rule is reached whenever this one is. */
function isNoMore(other: Amount, amount: Amount, isSameZone: boolean): boolean {
  if (amount.budget !== null)
    return (
      other.budget !== null &&
      isSameZone &&
      other.limit <= amount.limit &&
      neverReaches(amount.budget, other.budget)
    )
  if (other.budget !== null || fieldOf(other) !== fieldOf(amount) || other.limit > amount.limit) return false
  return amount.rate === null || (other.rate !== null && other.rate.burst <= amount.rate.burst)
}

function fieldOf({ path }: Amount): string {
  return path.slice(path.lastIndexOf('.') + 1)
}

const LENGTHS = { hour: 0, day: 1, week: 2, month: 3 } as const

/**
 * Whether a budget that is larger than another one is never reached because of it: all of its period lies in one period
 * of the other. A week may lie in two months, of which each has the whole amount.
 */
function neverReaches(budget: Budget, longer: Budget): boolean {
  if (budget.unit !== longer.unit || LENGTHS[budget.period] > LENGTHS[longer.period]) return false
  if (budget.period === 'week' && longer.period === 'month') return budget.amount > 2 * longer.amount
  return true
}

/** Whether requests that share a counter of `one` share one of `wide`, too. A user has one team, and maybe two envs. */
function isCoarser(wide: LimitScope, one: LimitScope): boolean {
  if (wide === one || wide === 'pool' || one === 'key') return true
  return wide === 'team' && one === 'user'
}

const MATCHED: readonly (keyof LimitMatch)[] = ['key', 'team', 'env', 'model', 'path', 'tag']

/** Whether each request that a rule matches is matched by the other one, too. */
function matchesAllOf(wide: LimitRule, { match }: LimitRule): boolean {
  if (!MATCHED.every((field) => coverAll(wide.match[field], match[field]))) return false
  return coverAll(withTeams(wide.match.user), withTeams(match.user))
}

/** A pattern of users without a slash is for those of any team. */
function withTeams(users: readonly string[] | null): readonly string[] | null {
  return users?.map((user) => (user.includes('/') ? user : `*/${user}`)) ?? null
}

function pathOf(place: string, { unit, period }: Budget): string {
  return `${place}.${unit}.${period}`
}
