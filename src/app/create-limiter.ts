import type { Keyring } from '../access/keyring.js'
import type { Bookkeeper } from '../ledger/write/bookkeeper.js'
import type { BoundCounters } from '../lib/limit-counters.js'
import { LimitAlerts } from '../limits/alerts.js'
import { Limiter } from '../limits/limiter.js'
import type { WatchedStore } from '../limits/watched-store.js'
import type { AppOptions } from './app.js'

/**
 * Puts the limits together.
 * @param keyring null where there is no key file
 * @param ledger that the budgets are a cache of; null: nothing is recorded
 * @param bounds counts alerts that find the queue full
 */
export function createLimiter(
  { config, log, prices, keyring: given }: AppOptions,
  store: WatchedStore,
  keyring: Keyring | null,
  ledger: Bookkeeper | null,
  bounds: Pick<BoundCounters, 'hit'>,
): Limiter {
  const alerts = new LimitAlerts(config.limitRules.alerts, log, bounds)
  const listKeyRules = (): Iterable<NonNullable<KeyRules>> | null =>
    given === undefined
      ? (keyring?.list().flatMap(({ limits }) => (limits === null ? [] : [limits])) ?? [])
      : null
  const limiter = new Limiter(config.limitRules, { store, prices, log, alerts, ledger, listKeyRules })
  ledger?.reportTo(limiter)
  return limiter
}

type KeyRules = ReturnType<Keyring['list']>[number]['limits']
