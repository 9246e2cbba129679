import { hasAmounts, type LimitMatch, type LimitRule } from '../../config/limit-rules.js'
import { LimitClaim } from '../../exchange/limit-ticket.js'
import type { RequestSummary } from '../../exchange/summary.js'
import { compileGlob, compileGlobs, compileModelGlobs, isAllowed, matchesAny } from '../../routing/glob.js'
import {
  describeRequest,
  describeSummary,
  type LimitedRequest,
  type LimitSubject,
  nameUser,
} from './subject.js'

/** Owner of counters that are one for each key, user, team or env, of a request without a key. */
const NOBODY = '-'

/** Most keys whose rules are remembered; all are forgotten when there are more. A ledger may have any number. */
const MOST_KEYS = 20_000

const NO_CLAIMS: readonly LimitClaim[] = []
const NO_RULES: readonly CompiledRule[] = []
const NO_OWNER = { env: null, team: null, user: null }

/** What a key decides of a match. */
const KEY_PARTS = ['key', 'team', 'env', 'user'] as const

/** A rule with its patterns compiled. */
export class CompiledRule {
  readonly rule: LimitRule
  readonly allow: readonly RegExp[] | null
  readonly deny: readonly RegExp[] | null
  readonly model: readonly RegExp[] | null
  readonly path: readonly RegExp[] | null
  readonly tag: readonly RegExp[] | null
  /** It counts something, or limits how much of it is in flight. */
  readonly counts: boolean
  private readonly key: readonly RegExp[] | null
  private readonly users: readonly { readonly pattern: RegExp; readonly hasTeam: boolean }[] | null
  private readonly team: readonly RegExp[] | null
  private readonly env: readonly RegExp[] | null
  /** By their owners, so that each counter has one claim. */
  private readonly claims: Map<string, LimitClaim>

  constructor(rule: LimitRule) {
    const { match } = rule
    this.rule = rule
    this.allow = compileGlobs(rule.allow)
    this.deny = compileModelGlobs(rule.deny)
    this.model = compileModelGlobs(match.model)
    this.path = compileGlobs(match.path)
    this.tag = compileGlobs(match.tag)
    this.counts = hasAmounts(rule)
    this.key = compileGlobs(match.key)
    this.users =
      match.user?.map((text) => ({ pattern: compileGlob(text), hasTeam: text.includes('/') })) ?? null
    this.team = compileGlobs(match.team)
    this.env = compileGlobs(match.env)
    this.claims = new Map()
  }

  /** Whether its match by model, path or tag differs from one request of a key to the next. */
  get isByRequest(): boolean {
    return this.model !== null || this.path !== null || this.tag !== null
  }

  /** Whether one part of its match fits. */
  fits(part: keyof LimitMatch, subject: LimitSubject): boolean {
    if (part === 'path') return isAllowed(this.path, subject.route)
    if (part === 'tag') return this.tag === null || matchesTag(this.tag, subject.tags)
    if (part === 'user') return this.users === null || this.matchesUser(subject)
    return isAllowed(this[part], subject[part])
  }

  matchesKey(subject: LimitSubject): boolean {
    return KEY_PARTS.every((part) => this.fits(part, subject))
  }

  /** Whether it matches where a request goes and how it is tagged, whichever model it names. */
  matchesPlace(subject: LimitSubject): boolean {
    return this.fits('path', subject) && this.fits('tag', subject)
  }

  /** Whether it does not allow a model, or denies it. @param base of a variant, or the same */
  bars(model: string, base: string = model): boolean {
    const { allow, deny } = this
    if (!isAllowed(this.model, model)) return false
    if (deny !== null && (matchesAny(deny, model) || matchesAny(deny, base))) return true
    return allow !== null && !matchesAny(allow, model) && !matchesAny(allow, base)
  }

  claimOf(subject: LimitSubject): LimitClaim {
    const owner = ownerOf(this.rule, subject)
    let claim = this.claims.get(owner)
    if (claim === undefined) {
      claim = new LimitClaim(this.rule, owner)
      this.claims.set(owner, claim)
    }
    return claim
  }

  forgetClaims(): void {
    this.claims.clear()
  }

  private matchesUser(subject: LimitSubject): boolean {
    const { user } = subject
    const full = nameUser(subject)
    if (user === null || full === null) return false
    return this.users?.some(({ pattern, hasTeam }) => pattern.test(hasTeam ? full : user)) === true
  }
}

function matchesTag(patterns: readonly RegExp[], tags: string | null): boolean {
  return tags?.split(',').some((tag) => matchesAny(patterns, tag)) === true
}

/** What of a request its key decides. */
type KeyOwner = Pick<LimitSubject, 'env' | 'team' | 'user'>

/** The rules that may hold for the requests of one key. */
interface KeyClaims {
  /** The rules of the key itself: another list after each change. */
  readonly own: readonly LimitRule[] | null
  /** Whose the key was: a key may get another owner, and the records of both are in the ledger. */
  readonly of: KeyOwner
  /** Those that count, in the order of the config, the key's own last. */
  readonly counting: readonly { readonly compiled: CompiledRule; readonly claim: LimitClaim }[]
  /** The claims of all of them, if none depends on the request; else null. */
  readonly fixed: readonly LimitClaim[] | null
  /** Those that depend on the model, and refuse. */
  readonly byModel: readonly CompiledRule[]
  /** Those that only observe which models are used. */
  readonly observers: readonly CompiledRule[]
  /** What was found for the last request. The next one of the same key is usually like it, and so is its record. */
  lastModel: string | null
  lastRoute: string
  lastTags: string | null
  /** Null before the first. */
  lastClaims: readonly LimitClaim[] | null
  /** What was found for requests that are open, without a look at how the ledger writes what they ask for. */
  readonly recent: RequestClaims[]
}

/** What was found for a request: its record asks once more, and the next requests of its key are usually like it. */
interface RequestClaims {
  readonly model: string | null
  readonly path: string
  readonly isCursor: boolean
  readonly tags: string | null
  readonly claims: readonly LimitClaim[]
}

/** Most that is remembered of one key. All is forgotten when there is more. */
const MOST_RECENT = 8

/**
 * Finds the rules that hold for a request. What a key decides is found once for each key; what the model, the path and
 * the tags decide, for each request.
 */
export class LimitMatcher {
  private readonly rules: readonly CompiledRule[]
  /** Rules of keys by their lists. */
  private readonly ownRules: WeakMap<readonly LimitRule[], readonly CompiledRule[]>
  /** By the ids of keys; empty for none. */
  private readonly byKey: Map<string, KeyClaims>

  constructor(rules: readonly LimitRule[]) {
    this.rules = rules.map((rule) => new CompiledRule(rule))
    this.ownRules = new WeakMap()
    this.byKey = new Map()
  }

  /** Whether there may be a rule for a request. @param keyRules of its key */
  mayMatch(keyRules: readonly LimitRule[] | null): boolean {
    return this.rules.length > 0 || keyRules !== null
  }

  /**
   * The counters that a request counts on, in the order of the config. The same objects for the same counters.
   * @param keyRules of its key
   */
  claimsOf(subject: LimitSubject, keyRules: readonly LimitRule[] | null): readonly LimitClaim[] {
    if (!this.mayMatch(keyRules)) return NO_CLAIMS
    const found = this.find(subject, keyRules)
    const { fixed, counting } = found
    if (fixed !== null) return fixed
    const { model, route, tags } = subject
    if (
      found.lastClaims !== null &&
      found.lastModel === model &&
      found.lastRoute === route &&
      found.lastTags === tags
    )
      return found.lastClaims
    const claims: LimitClaim[] = []
    for (const { compiled, claim } of counting)
      if (isAllowed(compiled.model, model) && compiled.matchesPlace(subject)) claims.push(claim)
    found.lastModel = model
    found.lastRoute = route
    found.lastTags = tags
    found.lastClaims = claims
    return claims
  }

  /** The rules that hold for some requests of a key, each for its counter, also those that count nothing. */
  claimsOfKey(subject: LimitSubject, keyRules: readonly LimitRule[] | null): readonly LimitClaim[] {
    const all = [...this.rules, ...this.compileOwn(keyRules)]
    return all.filter((compiled) => compiled.matchesKey(subject)).map((compiled) => compiled.claimOf(subject))
  }

  /** The same of a request. @param own the rules of its key */
  claimsOfRequest(
    request: LimitedRequest,
    own: readonly LimitRule[] | null = request.key?.limits ?? null,
  ): readonly LimitClaim[] {
    if (!this.mayMatch(own)) return NO_CLAIMS
    const known = this.recall(request.key?.id ?? '', request.key ?? NO_OWNER, own)
    if (known === null) return this.claimsOf(describeRequest(request), own)
    if (known.fixed !== null) return known.fixed
    const { model, path, isCursor, tags } = request
    for (const found of known.recent)
      if (found.model === model && found.path === path && found.tags === tags && found.isCursor === isCursor)
        return found.claims
    const claims = this.claimsOf(describeRequest(request), own)
    if (known.recent.length >= MOST_RECENT) known.recent.length = 0
    known.recent.push({ model, path, isCursor, tags, claims })
    return claims
  }

  /** The same of a request that is over, as its record says it. @param own the rules of its key */
  claimsOfSummary(summary: RequestSummary, own: readonly LimitRule[] | null): readonly LimitClaim[] {
    // The paths of what the relay has answered by itself are recorded in another way.
    return summary.outcome.end === 'local'
      ? this.claimsOf(describeSummary(summary), own)
      : this.claimsOfRequest(summary.request, own)
  }

  /** The rules that depend on the model, and hold for a request if it names some model; not those that only observe. */
  modelRulesOf(request: LimitedRequest): readonly CompiledRule[] {
    const found = this.findFor(request)
    return found === null ? NO_RULES : filterByPlace(found.byModel, request)
  }

  /** Those of them that only observe. */
  observersOf(request: LimitedRequest): readonly CompiledRule[] {
    const found = this.findFor(request)
    return found === null ? NO_RULES : filterByPlace(found.observers, request)
  }

  /** The key file was read again, or counters were forgotten: nothing that is not in use stays in memory. */
  forgetKeys(): void {
    this.byKey.clear()
    for (const compiled of this.rules) compiled.forgetClaims()
  }

  private findFor(request: LimitedRequest): KeyClaims | null {
    const { key } = request
    const own = key?.limits ?? null
    if (!this.mayMatch(own)) return null
    return this.recall(key?.id ?? '', key ?? NO_OWNER, own) ?? this.find(describeRequest(request), own)
  }

  private find(subject: LimitSubject, own: readonly LimitRule[] | null): KeyClaims {
    const id = subject.key ?? ''
    const known = this.recall(id, subject, own)
    if (known !== null) return known
    const found = this.match(subject, own)
    if (this.byKey.size >= MOST_KEYS) this.forgetKeys()
    this.byKey.set(id, found)
    return found
  }

  private recall(id: string, owner: KeyOwner, own: readonly LimitRule[] | null): KeyClaims | null {
    const known = this.byKey.get(id)
    if (known === undefined || known.own !== own) return null
    const { env, team, user } = known.of
    return owner.team === team && owner.user === user && owner.env === env ? known : null
  }

  private match(subject: LimitSubject, own: readonly LimitRule[] | null): KeyClaims {
    const all = [...this.rules, ...this.compileOwn(own)].filter((compiled) => compiled.matchesKey(subject))
    const counting = all
      .filter(({ counts }) => counts)
      .map((compiled) => ({ compiled, claim: compiled.claimOf(subject) }))
    const isFixed = !counting.some(({ compiled }) => compiled.isByRequest)
    const { env, team, user } = subject
    return {
      own,
      of: { env, team, user },
      counting,
      fixed: isFixed ? counting.map(({ claim }) => claim) : null,
      byModel: all.filter(
        ({ rule, model, allow, deny }) => !rule.observe && (model ?? allow ?? deny) !== null,
      ),
      observers: all.filter(({ rule, allow, deny }) => rule.observe && (allow ?? deny) !== null),
      lastModel: null,
      lastRoute: '',
      lastTags: null,
      lastClaims: null,
      recent: [],
    }
  }

  private compileOwn(own: readonly LimitRule[] | null): readonly CompiledRule[] {
    if (own === null) return NO_RULES
    let compiled = this.ownRules.get(own)
    if (compiled === undefined) {
      compiled = own.map((rule) => new CompiledRule(rule))
      this.ownRules.set(own, compiled)
    }
    return compiled
  }
}

/** @returns the same list where none of them depends on the place */
function filterByPlace(rules: readonly CompiledRule[], request: LimitedRequest): readonly CompiledRule[] {
  if (!rules.some(({ path, tag }) => path !== null || tag !== null)) return rules
  const subject = describeRequest(request)
  return rules.filter((compiled) => compiled.matchesPlace(subject))
}

function ownerOf({ per }: LimitRule, subject: LimitSubject): string {
  if (per === 'pool') return ''
  if (subject.key === null) return NOBODY
  return (per === 'user' ? nameUser(subject) : subject[per]) ?? NOBODY
}
