import { type KeyRuleEntries, readKeyRules } from '../access/key-rules.js'
import type { Budget, LimitMatch, LimitRule, Rate } from '../config/limit-rules.js'
import { formatNanoUsd } from '../lib/nano-usd.js'

/** Says what a rule limits: `120 requests a minute`, `5 USD a week`, `no claude-opus-*`. */
export function describeAmounts(rule: LimitRule): string[] {
  const { requests, tokens, concurrent, budgets, allow, deny, observe } = rule
  const facts: string[] = []
  if (requests !== null) facts.push(describeRate(requests, 'requests'))
  if (tokens !== null) facts.push(describeRate(tokens, 'tokens'))
  if (concurrent !== null) facts.push(`${formatCount(concurrent)} at one time`)
  for (const budget of budgets) facts.push(describeBudget(budget))
  if (allow !== null) facts.push(allow.length === 0 ? 'no model at all' : `only ${allow.join(', ')}`)
  if (deny !== null) facts.push(`no ${deny.join(', ')}`)
  if (observe) facts.push('only observed')
  return facts
}

function describeRate({ perMinute, burst }: Rate, unit: string): string {
  const atOnce = burst === perMinute ? '' : ` (${formatCount(burst)} at once)`
  return `${formatCount(perMinute)} ${unit} a minute${atOnce}`
}

/** `500 USD a month` */
export function describeBudget({ unit, period, amount }: Budget): string {
  const text = unit === 'usd' ? `${formatNanoUsd(amount)} USD` : `${formatCount(amount)} tokens`
  return `${text} ${period === 'hour' ? 'an' : 'a'} ${period}`
}

/** What a rule looks at, in the order of the config. */
const MATCH_PARTS = ['key', 'user', 'team', 'env', 'model', 'path', 'tag'] as const

/** `team team1, model gpt-*-mini or o3`; empty for a rule that is for all requests. */
export function describeMatch(match: LimitMatch): string {
  return MATCH_PARTS.flatMap((part) => {
    const patterns = match[part]
    return patterns === null ? [] : [`${part} ${patterns.join(' or ')}`]
  }).join(', ')
}

/** A number of the config, in few characters, and never rounded: `400k`, `1200`. */
export function formatCount(count: number): string {
  if (count >= 1_000_000 && count % 100_000 === 0) return `${count / 1_000_000}M`
  return count >= 10_000 && count % 1_000 === 0 ? `${count / 1_000}k` : String(count)
}

/** One line for each rule of a key: `month: 50 USD a month; for model gpt-*`. */
export function describeKeyRules(entries: KeyRuleEntries): string[] {
  const { rules } = readKeyRules(entries, '', 'k_0000000000')
  if (rules === null) return ['cannot be read: the key may use no model']
  return rules.map((rule) => {
    const match = describeMatch({ ...rule.match, key: null })
    return `${rule.name}: ${describeAmounts(rule).join(', ')}${match === '' ? '' : `; for ${match}`}`
  })
}
