import { createHash } from 'node:crypto'
import { parseNanoUsd } from '../lib/nano-usd.js'
import type { Problem } from './problems.js'
import type { ConfigFile, Limits } from './schema.js'
import { toList } from './schema-values.js'
import type { Secrets } from './secrets.js'
import { findZoneFlaw } from './timezone.js'

/** Patterns of the requests that a rule is for. Null: it does not depend on that. */
export interface LimitMatch {
  readonly key: readonly string[] | null
  readonly user: readonly string[] | null
  readonly team: readonly string[] | null
  readonly env: readonly string[] | null
  readonly model: readonly string[] | null
  readonly path: readonly string[] | null
  readonly tag: readonly string[] | null
}

/** Whose counter a rule has: one for all, or one for each. */
export type LimitScope = 'pool' | 'key' | 'user' | 'team' | 'env'

/** An amount that comes back evenly. */
export interface Rate {
  readonly perMinute: number
  /** How much may be taken at once. */
  readonly burst: number
}

export type PeriodKind = 'hour' | 'day' | 'week' | 'month'

export const PERIODS: readonly PeriodKind[] = ['hour', 'day', 'week', 'month']

/** An amount for each period of the calendar. */
export interface Budget {
  readonly unit: 'usd' | 'tokens'
  readonly period: PeriodKind
  /** Nano-dollars, or tokens. */
  readonly amount: number
}

/** A rule of the config, or of one key. Frozen. */
export interface LimitRule {
  /**
   * Identifies what is counted: the same for a rule whose amounts have changed, another one if it matches other
   * requests or has other periods.
   */
  readonly id: string
  readonly name: string
  /** Where it is written: `limits.rules[2]`, or `key k_...`. */
  readonly place: string
  readonly match: LimitMatch
  readonly per: LimitScope
  readonly requests: Rate | null
  readonly tokens: Rate | null
  readonly concurrent: number | null
  readonly budgets: readonly Budget[]
  /** Patterns of the models that may be used and that may not; null for none. */
  readonly allow: readonly string[] | null
  readonly deny: readonly string[] | null
  /** Name of the time zone of the periods. */
  readonly timezone: string
  /** The operator's own words to a client that is refused; null for none. */
  readonly message: string | null
  /** It refuses nothing. */
  readonly observe: boolean
}

/** Whether a rule limits amounts, and not only which models may be used. */
export function hasAmounts({ requests, tokens, concurrent, budgets }: LimitRule): boolean {
  return requests !== null || tokens !== null || concurrent !== null || budgets.length > 0
}

/** The rate of a rule that a kind of amount is of; null if it is of none. */
export function rateOf(rule: LimitRule, kind: string): Rate | null {
  return kind === 'requests' ? rule.requests : kind === 'tokens' ? rule.tokens : null
}

/** The key that a rule is for, if it can match no other one. */
export function findOnlyKey({ match }: LimitRule): string | null {
  const [pattern, ...others] = match.key ?? []
  return pattern === undefined || others.length > 0 || pattern.includes('*') ? null : pattern
}

/** The rules of the config, and what goes with them. */
export interface LimitRulesConfig {
  readonly rules: readonly LimitRule[]
  /** What a model without a price costs: US dollars for a million tokens, or as the config says it. */
  readonly unpriced: Limits['unpriced']
  readonly alerts: {
    readonly url: string | null
    readonly secret: string | null
    /** Percent, ascending. */
    readonly at: readonly number[]
    /** Alerts that may wait for the webhook. */
    readonly maxQueued: number
  }
}

/** Splits the section `limits` into plain bounds and rules. Problems are reported to `secrets`. */
export function resolveLimits(
  section: Limits,
  secrets: Secrets,
): { readonly limits: Omit<Limits, 'rules' | 'unpriced' | 'alerts'>; readonly limitRules: LimitRulesConfig } {
  const { rules: entries, unpriced, alerts, ...limits } = section
  const problems: Problem[] = []
  const rules = resolveLimitRules(entries, 'limits.rules', null, problems)
  for (const { path, message } of problems) secrets.report(path, message)
  return { limits, limitRules: { rules, unpriced, alerts: resolveAlerts(alerts, secrets) } }
}

function resolveAlerts(section: Limits['alerts'], secrets: Secrets): LimitRulesConfig['alerts'] {
  const { at, maxQueued } = section
  const secret = section.secret === undefined ? null : secrets.read(section.secret, 'limits.alerts.secret')
  const url =
    section.url === null || typeof section.url === 'string'
      ? section.url
      : secrets.read(section.url, 'limits.alerts.url')
  // An empty text is a secret that is missing, which has been reported.
  const flaw = url === null || url === '' ? null : findUrlFlaw(url)
  if (flaw !== null) secrets.report('limits.alerts.url', flaw)
  return { url, secret, at: [...new Set(at)].sort((one, other) => one - other), maxQueued }
}

function findUrlFlaw(url: string): string | null {
  if (!URL.canParse(url)) return 'is not a URL'
  const { protocol, username, password } = new URL(url)
  if (protocol !== 'http:' && protocol !== 'https:') return 'must begin with https:// or http://'
  return username === '' && password === ''
    ? null
    : 'must not hold a user or password; use limits.alerts.secret'
}

/** An entry of `limits.rules`, or of the rules of a key. */
export type LimitRuleEntry = Omit<ConfigFile['limits']['rules'][number], 'per'> & {
  readonly per?: LimitScope
}

/**
 * Resolves rules, and reports what is wrong with them.
 * @param path of the list: `limits.rules`
 * @param keyId of the key that they are for; null for rules of the config
 */
export function resolveLimitRules(
  entries: readonly LimitRuleEntry[],
  path: string,
  keyId: string | null,
  problems: Problem[],
): readonly LimitRule[] {
  const names = new Map<string, number>()
  return entries.map((entry, i) => {
    const place = `${path}[${i}]`
    const report = (field: string, message: string): void =>
      void problems.push({ path: field === '' ? place : `${place}.${field}`, message })
    const before = names.get(entry.name.toLowerCase())
    if (before !== undefined) report('name', `is the name of ${path}[${before}] too; give each rule its own`)
    else names.set(entry.name.toLowerCase(), i)
    const zoneFlaw = findZoneFlaw(entry.timezone)
    if (zoneFlaw !== null) report('timezone', zoneFlaw)
    const rule = resolveRule(entry, keyId === null ? place : `key ${keyId}`, keyId)
    for (const { unit, period, amount } of rule.budgets)
      if (amount === 0) report(`${unit}.${period}`, 'is less than a billionth of a dollar')
    if (!hasAmounts(rule) && (rule.allow ?? rule.deny) === null)
      report('', 'limits nothing; add an amount, such as "requestsPerMinute": 60')
    if (entry.requestBurst !== undefined && entry.requestsPerMinute === undefined)
      report('requestBurst', 'needs requestsPerMinute')
    if (entry.tokenBurst !== undefined && entry.tokensPerMinute === undefined)
      report('tokenBurst', 'needs tokensPerMinute')
    return rule
  })
}

function resolveRule(entry: LimitRuleEntry, place: string, keyId: string | null): LimitRule {
  const { name, match, timezone } = entry
  const given: Partial<Record<keyof LimitMatch, string | string[] | undefined>> = match
  const per = entry.per ?? 'key'
  const resolved: LimitMatch = {
    key: keyId === null ? toList(given.key) : [keyId],
    user: toList(given.user),
    team: toList(given.team),
    env: toList(given.env),
    model: toList(given.model),
    path: toList(given.path),
    tag: toList(given.tag),
  }
  return {
    id: `${keyId === null ? '' : `${keyId}:`}${name}#${fingerprint(resolved, per, timezone)}`,
    name,
    place,
    match: resolved,
    per,
    requests: resolveRate(entry.requestsPerMinute, entry.requestBurst),
    tokens: resolveRate(entry.tokensPerMinute, entry.tokenBurst),
    concurrent: entry.concurrent ?? null,
    budgets: [...listBudgets('usd', entry.usd), ...listBudgets('tokens', entry.tokens)],
    allow: toList(entry.models?.allow),
    deny: toList(entry.models?.deny),
    timezone,
    message: entry.message ?? null,
    observe: entry.observe,
  }
}

function fingerprint(match: LimitMatch, per: LimitScope, timezone: string): string {
  return createHash('sha256')
    .update(JSON.stringify([match, per, timezone]))
    .digest('hex')
    .slice(0, 8)
}

function resolveRate(perMinute: number | undefined, burst: number | undefined): Rate | null {
  return perMinute === undefined ? null : { perMinute, burst: burst ?? perMinute }
}

function listBudgets(
  unit: Budget['unit'],
  amounts: Partial<Record<PeriodKind, number | undefined>> | undefined,
): Budget[] {
  return PERIODS.flatMap((period) => {
    const amount = amounts?.[period]
    if (amount === undefined) return []
    return [{ unit, period, amount: unit === 'usd' ? Number(parseNanoUsd(amount)) : amount }]
  })
}
