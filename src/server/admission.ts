import { authenticate } from '../access/credentials.js'
import type { KeyRecord, Keyring } from '../access/keyring.js'
import { isLocalCaller } from '../access/local.js'
import type { ErrorCode } from '../api/errors.js'
import type { Config } from '../config/config.js'
import type { Exchange } from '../exchange/exchange.js'
import type { BoundCounters } from '../lib/limit-counters.js'

/** Who may come in, and how many at a time. Everything it does is done on the head of a request. */
export class Admission {
  private readonly mode: Config['keys']['mode']
  private readonly limits: Config['limits']
  /** Null in the modes that ask for no key. */
  private readonly keyring: Pick<Keyring, 'find'> | null
  private readonly bounds: BoundCounters
  /** Requests in flight by key. Keyed by the record, which a re-read of the key file does not replace. */
  private readonly inFlight: Map<KeyRecord, number>

  constructor(config: Config, keyring: Pick<Keyring, 'find'> | null, bounds: BoundCounters) {
    this.mode = config.keys.mode
    this.limits = config.limits
    this.keyring = keyring
    this.bounds = bounds
    this.inFlight = new Map()
  }

  /**
   * Lets an exchange in, and notes its key on it; or says why not.
   * @param all exchanges in flight, this one included
   */
  admit(exchange: Exchange, credentials: readonly string[], all: number): ErrorCode | null {
    if (this.keyring !== null) {
      const verdict = authenticate(credentials, this.keyring)
      if ('refusal' in verdict) return verdict.refusal
      const inFlight = this.inFlight.get(verdict.record) ?? 0
      if (inFlight >= this.limits.maxConcurrentRequestsPerKey) {
        this.bounds.hit('maxConcurrentRequestsPerKey')
        return 'key_busy'
      }
      this.inFlight.set(verdict.record, inFlight + 1)
      exchange.admit(verdict.record)
    } else if (this.mode === 'off' && !isLocalCaller(exchange.req.rawHeaders)) {
      return 'forbidden_origin'
    }
    if (all > this.limits.maxConcurrentRequests) {
      this.bounds.hit('maxConcurrentRequests')
      return 'relay_busy'
    }
    return null
  }

  /** The exchange is over. */
  release(exchange: Exchange): void {
    if (exchange.request.key === null) return
    // A key that has none stays: there are as many as keys, and a Map that shrinks and grows makes garbage that lasts.
    this.inFlight.set(exchange.request.key, (this.inFlight.get(exchange.request.key) ?? 1) - 1)
  }
}
