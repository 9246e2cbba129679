import { findKey } from '../access/key-changes.js'
import { findKeyFault } from '../access/key-limits.js'
import type { KeyRecord } from '../access/key-lines.js'
import { listVariants } from '../api/model-variants.js'
import { parseRequestTarget } from '../api/request-target.js'
import type { Config } from '../config/config.js'
import { type LimitRule, rateOf } from '../config/limit-rules.js'
import type { AliasConfig } from '../config/routes.js'
import type { LimitExcess } from '../limits/counters/store.js'
import { formatMoment } from '../limits/responses/amount-text.js'
import { describeBarredModel, describeRefusal } from '../limits/responses/refusal.js'
import { isExempt } from '../limits/rules/exempt.js'
import { CompiledRule } from '../limits/rules/matcher.js'
import { findMismatch, type Mismatch } from '../limits/rules/mismatch.js'
import { describeRequest, type LimitSubject } from '../limits/rules/subject.js'
import { type CounterNow, type Overview, unused } from '../limits/snapshot/overview.js'
import { compileGlobs, isAllowed, matchesAny } from '../routing/glob.js'
import type { LimitSources } from './limit-sources.js'
import { describeMatch } from './limit-words.js'
import type { Explained } from './limits.js'
import { describeWhat, formatLeft, toJson } from './limits-table.js'
import { wrapLine } from './wrap-line.js'

const OK = 0
const REFUSED = 1

/** How one rule looks at a request. */
interface Judged {
  readonly rule: LimitRule
  /** Null: the rule holds. */
  readonly mismatch: Mismatch | null
  /** What is left, if it holds. */
  readonly counters: readonly CounterNow[]
  readonly bars: boolean
  readonly excesses: readonly LimitExcess[]
}

/** What a client would get. */
interface Answer {
  readonly status: number
  readonly code: string
  readonly rule: string
  readonly message: string
}

interface ExplainIo {
  readonly out: NodeJS.WritableStream
  readonly json: boolean
}

/**
 * Names each rule that holds for a request or does not, and says why, and what the request would get.
 * @param now epoch milliseconds
 * @returns the exit code: 0 it would pass, 1 it would be refused
 * @throws KeyringError
 */
export function explainLimits(
  asked: Explained,
  { config }: LimitSources,
  overview: Overview,
  now: number,
  { out, json }: ExplainIo,
): number {
  const key = config.keys.mode === 'keys' ? findKey(config.keys.file, asked.key) : null
  const request = toRequest(asked, key)
  const subject = describeRequest(request)
  const rules = [...config.limitRules.rules, ...(key?.limits ?? [])]
  const alias = findAlias(config, subject, request.isCursor)
  const judged = rules.map((rule) => judge(rule, subject, alias, overview, now))
  const isFree = isExempt('POST', request.path)
  const answer = isFree ? null : findAnswer(judged, now)
  if (json) out.write(formatJson(subject, judged, answer, isFree))
  else {
    out.write(describeSubject(subject, key, now))
    for (const each of judged) out.write(describeJudged(each))
    if (rules.length === 0) out.write('There are no rules.\n')
    out.write(`\n${describeAnswer(answer, isFree, overview)}`)
  }
  return answer === null ? OK : REFUSED
}

function toRequest({ model, path, tags }: Explained, key: KeyRecord | null) {
  const target = parseRequestTarget(path)
  // A path that is no path was refused before.
  const known = 'problem' in target ? { path, cursor: false } : target
  return {
    key,
    model,
    path: known.path,
    isCursor: known.cursor,
    tags: tags.length === 0 ? null : tags.join(','),
  }
}

/** The name of the config that a model is, or is a variant of, as Cursor asks for them; null for none. */
function findAlias(
  { aliases }: Config,
  { model, team }: LimitSubject,
  isCursor: boolean,
): AliasConfig | null {
  const bases = isCursor ? listVariants(model ?? '').map(({ base }) => base) : []
  for (const name of [model, ...bases]) {
    const alias = aliases.find((each) => each.name === name)
    if (alias !== undefined && isAllowed(compileGlobs(alias.teams), team)) return alias
  }
  return null
}

/** Whether a rule lets no model through that the request may lead to, as the relay decides it. */
function isBarred(compiled: CompiledRule, model: string | null, alias: AliasConfig | null): boolean {
  if (model === null) return false
  if (compiled.bars(model, alias?.name)) return true
  const { deny } = compiled
  if (deny === null || alias === null) return false
  return alias.targets.every((target) => target.model !== null && matchesAny(deny, target.model))
}

function judge(
  rule: LimitRule,
  subject: LimitSubject,
  alias: AliasConfig | null,
  { counters }: Overview,
  now: number,
): Judged {
  const compiled = new CompiledRule(rule)
  const mismatch = findMismatch(compiled, subject)
  if (mismatch !== null) return { rule, mismatch, counters: [], bars: false, excesses: [] }
  const { owner } = compiled.claimOf(subject)
  const found = counters.filter((counter) => counter.rule.id === rule.id && counter.owner === owner)
  const states = found.length > 0 ? found : unused(rule, owner, now)
  const excesses = states.flatMap((state) => findExcess(state, now))
  return { rule, mismatch: null, counters: states, bars: isBarred(compiled, subject.model, alias), excesses }
}

/** A request of one token, which costs nothing known: it is refused where nothing at all is left. */
function findExcess(
  { rule, kind, budget, limit, used, held, resetsAt }: CounterNow,
  now: number,
): LimitExcess[] {
  const isSpent = used >= limit
  const isHeld = held > 0 && BigInt(used) + BigInt(held) >= BigInt(limit)
  if (!isSpent && !isHeld) return []
  const rate = rateOf(rule, kind)
  const retryMs =
    rate !== null
      ? ((Number(used) + 1 - limit) * 60_000) / rate.perMinute
      : budget !== null && isSpent
        ? resetsAt - now
        : 1_000
  const kindNow = kind === 'budget' && !isSpent ? 'held' : kind
  return [{ rule, kind: kindNow, budget, limit, used, retryMs, resetsAt: budget === null ? null : resetsAt }]
}

function findAnswer(judged: readonly Judged[], now: number): Answer | null {
  const inForce = judged.filter(({ rule }) => !rule.observe)
  const barring = inForce.find(({ bars }) => bars)
  if (barring !== undefined) {
    const { message } = describeBarredModel(barring.rule)
    return { status: 403, code: 'model_not_allowed', rule: barring.rule.name, message }
  }
  const excesses = inForce.flatMap(({ excesses }) => excesses)
  if (excesses.length === 0) return null
  const { code, message, rule } = describeRefusal(excesses, 'openai', now)
  return { status: 429, code, rule: rule.name, message }
}

function describeSubject({ model, route, tags }: LimitSubject, key: KeyRecord | null, now: number): string {
  const who =
    key === null
      ? 'a request (keys.mode is not "keys": no rule knows whose it is)'
      : `${key.id} (${key.env}, ${key.team}, ${key.user})`
  const fault = key === null ? null : findKeyFault(key, now)
  const state = fault === null ? '' : ` [${fault === 'revoked_api_key' ? 'revoked' : 'expired'}]`
  return wrapLine('', `${who}${state}, model ${model}, path ${route}${tags === null ? '' : `, tags ${tags}`}`)
}

function describeJudged({ rule, mismatch, counters, bars, excesses }: Judged): string {
  const observed = rule.observe ? ', only observed' : ''
  if (mismatch !== null) {
    const { part, patterns, value } = mismatch
    const has = value === null ? `the request has no ${part}` : `${part} is ${value}`
    return (
      wrapLine('\n', `${rule.name} (${rule.place}${observed}) does not hold`) +
      wrapLine('  ', `${has}, and the rule is for ${patterns.join(' or ')}`)
    )
  }
  const match = describeMatch(rule.match)
  let text = wrapLine('\n', `${rule.name} (${rule.place}${observed}) holds`)
  text += wrapLine('  ', `for ${match === '' ? 'every request' : match}; ${describeSharers(rule, counters)}`)
  if (rule.allow !== null || rule.deny !== null)
    text += wrapLine('  ', bars ? 'it does not allow this model' : 'it allows this model')
  for (const counter of counters) {
    const { kind, budget, resetsAt, limit, used } = counter
    const reset = budget === null || kind === 'concurrent' ? '' : `, resets ${formatMoment(resetsAt, rule)}`
    const held = counter.held > 0 ? ', more is held for requests in flight' : ''
    const isOver = excesses.some(
      (excess) => excess.limit === limit && excess.used === used && excess.budget === budget,
    )
    text += wrapLine(
      `  ${describeWhat(counter)}: `,
      `${formatLeft(counter)}${held}${reset}${isOver ? ' - full' : ''}`,
    )
  }
  return text
}

function describeSharers({ per }: LimitRule, counters: readonly CounterNow[]): string {
  if (per === 'pool') return 'all that match share it'
  return `each ${per} has its own: ${counters[0]?.owner ?? `each ${per}`}`
}

function describeAnswer(answer: Answer | null, isFree: boolean, { source }: Overview): string {
  if (isFree) return 'Such a request is never limited.\n'
  if (answer === null) {
    const rates = source === 'ledger' ? ' No relay runs, so that no rate is used.' : ''
    return wrapLine('', `Such a request would pass, if it needs no more than what is left.${rates}`)
  }
  const { status, code, rule, message } = answer
  return `${wrapLine('', `Such a request would get ${status} ${code}, by ${rule}:`)}${wrapLine('  ', message)}`
}

function formatJson(
  subject: LimitSubject,
  judged: readonly Judged[],
  answer: Answer | null,
  isFree: boolean,
): string {
  const rules = judged.map(({ rule, mismatch, counters, bars }) => ({
    rule: rule.name,
    place: rule.place,
    holds: mismatch === null,
    mismatch,
    allows_model: !bars,
    observe: rule.observe,
    counters: counters.map(toJson),
  }))
  return `${JSON.stringify({ request: subject, is_limited: !isFree, rules, refusal: answer })}\n`
}
