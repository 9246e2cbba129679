import type { Keyring } from '../access/keyring.js'
import type { Config } from '../config/config.js'
import type { LimitClaim } from '../exchange/limit-ticket.js'
import type { LimitState } from '../limits/counters/store.js'
import type { Limiter } from '../limits/limiter.js'
import { Pace } from '../rollups/pace.js'
import type { TargetSnapshot } from '../routing/router.js'
import type { PageKeys, PageLimits, PageRequests, PageSource, PageSums, TargetHealth } from './source.js'

// Parts of a relay as the page sees them, in one process and in the primary of several.

/** Counters that are read at one time. */
const COUNTERS_AT_ONCE = 200

/** What a relay has for its page. */
export interface PagedRelay {
  readonly config: Pick<Config, 'workers' | 'keys'>
  readonly isDemo: boolean
  readonly rollups: { readonly rollups: PageSums; readonly recent: PageRequests }
  /** Null if there is no key file. */
  readonly keyring: Pick<Keyring, 'find' | 'list'> | null
  /** Has all processes of the relay read the key file again. */
  readonly reloadKeys: () => void
  readonly limiter: Limiter
  readonly look: PageSource['look']
}

export function createPageSource(relay: PagedRelay): PageSource {
  const { config, isDemo, rollups, keyring, reloadKeys, limiter, look } = relay
  return {
    facts: { workers: config.workers, startedAt: Date.now(), isDemo },
    sums: rollups.rollups,
    requests: rollups.recent,
    keys: createPageKeys(keyring, config.keys.file, reloadKeys),
    limits: createPageLimits(limiter),
    look,
  }
}

function createPageLimits(limiter: Limiter): PageLimits {
  return {
    async *listStates() {
      const pace = await Pace.begin()
      let claims: LimitClaim[] = []
      for (const claim of limiter.listClaims()) {
        claims.push(claim)
        if (claims.length < COUNTERS_AT_ONCE) continue
        yield await limiter.readClaims(claims)
        claims = []
        if (pace.isTimeUp) await pace.rest()
      }
      yield await limiter.readClaims(claims)
    },
    async readKey(key): Promise<readonly LimitState[]> {
      return await limiter.readKey(key)
    },
    get refusals() {
      return limiter.refusals
    },
  }
}

function createPageKeys(
  keyring: Pick<Keyring, 'find' | 'list'> | null,
  file: string,
  reload: () => void,
): PageKeys | null {
  if (keyring === null) return null
  return { file, find: (hash) => keyring.find(hash), list: () => keyring.list(), reload }
}

/** As plain data, which can go to another process. */
export function toTargets(
  snapshots: ReadonlyMap<string, TargetSnapshot>,
): Readonly<Record<string, TargetHealth>> {
  const targets: Record<string, TargetHealth> = {}
  for (const [name, { state, opened, cooling_ms, refused, in_flight }] of snapshots)
    targets[name] = { state, opened, cooling_ms, refused, in_flight }
  return targets
}
