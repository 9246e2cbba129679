import { isDeepStrictEqual } from 'node:util'
import { findKeyFault } from '../access/key-limits.js'
import type { StoredKey } from '../access/key-lines.js'
import type { Config } from '../config/config.js'
import type { LimitRule } from '../config/limit-rules.js'
import type { UpstreamConfig } from '../config/upstreams.js'
import { LimitMatcher } from '../limits/rules/matcher.js'
import { type DirectScope, findDirectScope } from './direct-models.js'

/** A key that a front may take while no relay runs. */
export interface DirectKey {
  /** SHA-256 of the whole key, in hex. */
  readonly hash: string
  readonly id: string
  readonly env: string
  readonly team: string
  readonly user: string
  /** Unix seconds: the key is valid before it; null if it does not expire. */
  readonly until: number | null
}

/** Why a key may not go direct. */
export type LeftOutReason =
  | 'revoked'
  | 'expired'
  | 'models'
  | 'addresses'
  | 'budget'
  | 'unreadable'
  | 'routes'

export interface LeftOutKey {
  readonly id: string
  readonly team: string
  readonly user: string
  readonly reason: LeftOutReason
  /** The end of a sentence; empty where the reason says all. */
  readonly detail: string
}

/** Which keys may go direct, and what they may ask for there. */
export interface DirectList {
  /** Name of the upstream in the config. */
  readonly upstream: string
  readonly keys: readonly DirectKey[]
  readonly scope: DirectScope
  readonly leftOut: readonly LeftOutKey[]
  /** Epoch milliseconds: when the first of these keys expires; null if none does. */
  readonly expiresAt: number | null
}

/** The parts of the config that decide who may go direct. */
export type DirectSource = Pick<
  Config,
  'direct' | 'keys' | 'limitRules' | 'aliases' | 'routes' | 'upstreams' | 'listModels'
>

/** No list can be made of this config. The message is one line and says what to change. */
export class DirectListError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'DirectListError'
  }
}

/**
 * Finds the keys that may go direct: those that the relay would let in at this moment, and of which the front can check
 * all that limits them. Rates and limits of requests at one time keep no key out: they do not hold there.
 * @param entries all keys by their hashes, revoked ones included
 * @param now epoch milliseconds
 * @throws DirectListError
 */
export function buildDirectList(
  entries: Iterable<readonly [hash: string, key: StoredKey]>,
  config: DirectSource,
  now: number,
): DirectList {
  const upstream = findUpstream(config)
  const all = [...entries]
  const scope = findScope(all, config, upstream)
  const judge = new KeyJudge(config, upstream, scope)
  const keys: DirectKey[] = []
  const leftOut: LeftOutKey[] = []
  let expiresAt: number | null = null
  for (const [hash, key] of all) {
    const { id, env, team, user } = key
    const fault = judge.findFault(key, now)
    if (fault !== null) {
      leftOut.push({ id, team, user, ...fault })
      continue
    }
    const at = key.expiresAt === null ? null : Date.parse(key.expiresAt)
    if (at !== null) expiresAt = Math.min(at, expiresAt ?? at)
    keys.push({ hash, id, env, team, user, until: at === null ? null : Math.floor(at / 1000) })
  }
  return { upstream, keys, scope, leftOut, expiresAt }
}

/**
 * The paths and models of the list, which are one for all its keys: those that do not depend on the team. Where all
 * routes do, those of the first team that has any, in the order in which keys were issued: later keys change nothing.
 */
function findScope(
  entries: readonly (readonly [hash: string, key: StoredKey])[],
  config: DirectSource,
  upstream: string,
): DirectScope {
  const general = findDirectScope(config, upstream, null)
  if (general.paths.length > 0) return general
  for (const team of new Set(entries.map(([, key]) => key.team))) {
    const scope = findDirectScope(config, upstream, team)
    if (scope.paths.length > 0) return scope
  }
  return general
}

function findUpstream({ direct, keys, upstreams }: DirectSource): string {
  if (keys.mode !== 'keys') throw new DirectListError(WITHOUT_KEYS[keys.mode])
  const { upstream: name } = direct
  if (name === null)
    throw new DirectListError(
      'direct.upstream: is missing, and no single upstream has the preset openai; name the upstream that the front calls',
    )
  const flaw = findFlaw(upstreams.find((each) => each.name === name))
  if (flaw !== null) throw new DirectListError(`direct.upstream: ${name} ${flaw}`)
  return name
}

/** Why a front cannot call an upstream by itself; null if it can. */
function findFlaw(upstream: UpstreamConfig | undefined): string | null {
  if (upstream === undefined) return 'is no upstream; name one with an API key'
  if (upstream.cloud !== null)
    return 'needs credentials that a front cannot make; name an upstream with an API key'
  return upstream.paths === 'plain'
    ? null
    : 'has models in its paths; name an upstream that takes paths as they are'
}

const WITHOUT_KEYS = {
  passthrough:
    'keys.mode is passthrough: no list is needed. The front passes on the key of the client, which the provider checks',
  off: 'keys.mode is off: there are no keys, so that a front could not tell who may go direct; use "keys"',
}

type Fault = Pick<LeftOutKey, 'reason' | 'detail'>

/** Decides on keys, each by itself. */
class KeyJudge {
  private readonly config: DirectSource
  private readonly upstream: string
  private readonly scope: DirectScope
  private readonly matcher: LimitMatcher
  /** Whether the routes of a team lead where those of all others do. By the team. */
  private readonly isUsual: Map<string, boolean>

  constructor(config: DirectSource, upstream: string, scope: DirectScope) {
    this.config = config
    this.upstream = upstream
    this.scope = scope
    this.matcher = new LimitMatcher(config.limitRules.rules.filter(mayBar))
    this.isUsual = new Map()
  }

  /** @returns null if the key may go direct */
  findFault(key: StoredKey, now: number): Fault | null {
    const invalid = findKeyFault(key, now)
    if (invalid !== null) return because(invalid === 'revoked_api_key' ? 'revoked' : 'expired')
    if (key.limits !== null && key.ruleEntries?.length === 0) return because('unreadable')
    if (key.models !== null) return because('models', 'the key may use some models only')
    if (key.addresses !== null) return because('addresses', 'the key may be used from some addresses only')
    return this.findBarrier(key) ?? (this.hasUsualRoutes(key.team) ? null : because('routes', OWN_ROUTES))
  }

  /** A rule that the front cannot hold. One for some models or paths counts too: the front would let these pass. */
  private findBarrier({ id, env, team, user, limits }: StoredKey): Fault | null {
    const subject = { key: id, env, team, user, model: null, route: '', tags: null }
    const claims = this.matcher.claimsOfKey(subject, null)
    // All rules of a key are for it: they need no comparison.
    for (const rule of [...claims.map((claim) => claim.rule), ...(limits ?? [])]) {
      if (rule.observe) continue
      if ((rule.allow ?? rule.deny) !== null) return because('models', nameRule(rule))
      if (rule.budgets.length > 0 && !this.config.direct.budgetedKeys)
        return because('budget', nameRule(rule))
    }
    return null
  }

  private hasUsualRoutes(team: string): boolean {
    let isUsual = this.isUsual.get(team)
    if (isUsual === undefined) {
      isUsual = isDeepStrictEqual(findDirectScope(this.config, this.upstream, team), this.scope)
      this.isUsual.set(team, isUsual)
    }
    return isUsual
  }
}

/** Whether a rule may leave out keys. Most rules of a config do not, and each would be compared with each key. */
function mayBar({ observe, allow, deny, budgets }: LimitRule): boolean {
  return !observe && ((allow ?? deny) !== null || budgets.length > 0)
}

const OWN_ROUTES = 'its team has routes of its own'

function because(reason: LeftOutReason, detail = ''): Fault {
  return { reason, detail }
}

function nameRule({ name, place }: LimitRule): string {
  return `rule ${name} (${place})`
}
