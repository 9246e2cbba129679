import type { ClientAddresses } from '../access/client-address.js'
import { authenticate, presentedKeys, readSubprotocolKeys } from '../access/credentials.js'
import { mayBeUsedFrom } from '../access/key-limits.js'
import type { KeyRecord, Keyring } from '../access/keyring.js'
import { isLocalCaller } from '../access/local.js'
import { RecentKeys } from '../access/recent-keys.js'
import type { ErrorCode } from '../api/errors.js'
import type { Config } from '../config/config.js'
import type { Exchange } from '../exchange/exchange.js'
import { parseTags } from '../exchange/tags.js'
import { findHeader } from '../http/flat-headers.js'
import type { BoundCounters } from '../lib/limit-counters.js'

const NO_KEYS: readonly string[] = []

/** Authentication and concurrency limits, decided on the request head, before the body is read. */
export class Admission {
  private readonly mode: Config['keys']['mode']
  private readonly limits: Config['limits']
  /** Null in the modes without keys. */
  private readonly keyring: Pick<Keyring, 'find'> | null
  private readonly recent: RecentKeys
  private readonly bounds: BoundCounters
  private readonly addresses: ClientAddresses
  /** Admitted requests in flight. */
  private admitted: number
  /** Requests in flight by key. The record stays the same when the key file is read again. */
  private readonly inFlight: Map<KeyRecord, number>

  constructor(
    config: Config,
    keyring: Pick<Keyring, 'find'> | null,
    bounds: BoundCounters,
    addresses: ClientAddresses,
  ) {
    this.mode = config.keys.mode
    this.limits = config.limits
    this.keyring = keyring
    this.recent = new RecentKeys()
    this.bounds = bounds
    this.addresses = addresses
    this.admitted = 0
    this.inFlight = new Map()
  }

  /**
   * Admits an exchange and sets its key. A refused request counts against no limit: whoever has no key takes no place
   * from those who have one.
   * @param credentials see `keysOf`
   * @returns the reason of a refusal; null if the exchange is admitted
   */
  admit(exchange: Exchange, credentials: readonly string[]): ErrorCode | null {
    const { req } = exchange
    exchange.setClientAddress(this.addresses.find(req.socket.remoteAddress, req.rawHeaders))
    if (this.keyring !== null) {
      const verdict = authenticate(credentials, this.keyring, this.recent)
      if ('refusal' in verdict) return verdict.refusal
      if (this.isBusy(verdict.record)) return 'key_busy'
      exchange.admit(verdict.record)
      // After `admit`: the record names a key that is used where it should not be.
      if (!mayBeUsedFrom(verdict.record, exchange.request.clientAddress)) return 'forbidden_address'
    } else if (this.mode === 'off' && !isLocalCaller(req.rawHeaders)) {
      return 'forbidden_origin'
    }
    if (this.admitted >= this.limits.maxConcurrentRequests) {
      this.bounds.hit('maxConcurrentRequests')
      return 'relay_busy'
    }
    const refusal = readTags(exchange)
    if (refusal !== null) return refusal
    this.admitted++
    exchange.holdsSlot = true
    this.countKey(exchange, 1)
    return null
  }

  /**
   * Finds the keys of a request, wherever they stand; none in the modes without keys.
   * @param isHandshake of a WebSocket, which may have them in its subprotocols
   */
  keysOf({ req: { rawHeaders }, queryKeys }: Exchange, isHandshake = false): readonly string[] {
    if (this.keyring === null) return NO_KEYS
    const found = presentedKeys(rawHeaders)
    if (isHandshake) found.push(...readSubprotocolKeys(rawHeaders))
    if (queryKeys.length > 0) found.push(...queryKeys)
    return found
  }

  /** Whether a request that is refused before it comes to `admit` has a valid key. */
  hasKey(exchange: Exchange): boolean {
    // Without keys, and behind `admit`, there is nothing to find.
    if (this.keyring === null || exchange.request.clientAddress !== null) return false
    return 'record' in authenticate(this.keysOf(exchange), this.keyring)
  }

  /**
   * Admits another response on a WebSocket, beside one that is open: the connection itself counts as one request. Each
   * one that is admitted has to be released.
   * @returns the reason of a refusal; null if it is admitted
   */
  admitFurther(exchange: Exchange): ErrorCode | null {
    const { key } = exchange.request
    if (key !== null && this.isBusy(key)) return 'key_busy'
    this.countKey(exchange, 1)
    return null
  }

  releaseFurther(exchange: Exchange): void {
    this.countKey(exchange, -1)
  }

  /** @param now `performance.now()` */
  tick(now: number): void {
    this.recent.tick(now)
  }

  /** Counts an exchange out that has ended, or is refused. The second call for an exchange does nothing. */
  release(exchange: Exchange): void {
    if (!exchange.holdsSlot) return
    exchange.holdsSlot = false
    this.admitted--
    this.countKey(exchange, -1)
  }

  private isBusy(key: KeyRecord): boolean {
    if ((this.inFlight.get(key) ?? 0) < this.limits.maxConcurrentRequestsPerKey) return false
    this.bounds.hit('maxConcurrentRequestsPerKey')
    return true
  }

  private countKey({ request: { key } }: Exchange, by: 1 | -1): void {
    // A key with none in flight stays: there are few keys, and a Map that shrinks and grows makes long-lived garbage.
    if (key !== null) this.inFlight.set(key, (this.inFlight.get(key) ?? 0) + by)
  }
}

/** Takes over the tags of a request, for its record. */
function readTags(exchange: Exchange): 'invalid_tags' | null {
  const header = findHeader(exchange.req.rawHeaders, 'x-thinwire-tags')
  if (header === undefined) return null
  const tags = parseTags(header)
  if (tags === null) return 'invalid_tags'
  if (tags !== '') exchange.setTags(tags)
  return null
}
