import { ClientAddresses } from '../access/client-address.js'
import { authenticate } from '../access/credentials.js'
import { mayBeUsedFrom } from '../access/key-limits.js'
import type { KeyRecord, Keyring } from '../access/keyring.js'
import { isLocalCaller } from '../access/local.js'
import type { ErrorCode } from '../api/errors.js'
import type { Config } from '../config/config.js'
import type { Exchange } from '../exchange/exchange.js'
import { parseTags } from '../exchange/tags.js'
import { findHeader } from '../http/flat-headers.js'
import type { BoundCounters } from '../lib/limit-counters.js'

/** Authentication and concurrency limits, decided on the request head, before the body is read. */
export class Admission {
  private readonly mode: Config['keys']['mode']
  private readonly limits: Config['limits']
  /** Null in the modes without keys. */
  private readonly keyring: Pick<Keyring, 'find'> | null
  private readonly bounds: BoundCounters
  private readonly addresses: ClientAddresses
  /** Requests in flight by key. The record stays the same when the key file is read again. */
  private readonly inFlight: Map<KeyRecord, number>

  constructor(config: Config, keyring: Pick<Keyring, 'find'> | null, bounds: BoundCounters) {
    this.mode = config.keys.mode
    this.limits = config.limits
    this.keyring = keyring
    this.bounds = bounds
    this.addresses = new ClientAddresses(config.trustedProxies)
    this.inFlight = new Map()
  }

  /**
   * Admits an exchange and sets its key.
   * @param all number of exchanges in flight, with this one
   * @returns the reason of a refusal; null if the exchange is admitted
   */
  admit(exchange: Exchange, credentials: readonly string[], all: number): ErrorCode | null {
    const { req } = exchange
    exchange.setClientAddress(this.addresses.find(req.socket.remoteAddress, req.rawHeaders))
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
      // After `admit`: the record names a key that is used where it should not be.
      if (!mayBeUsedFrom(verdict.record, exchange.request.clientAddress)) return 'forbidden_address'
    } else if (this.mode === 'off' && !isLocalCaller(req.rawHeaders)) {
      return 'forbidden_origin'
    }
    if (all > this.limits.maxConcurrentRequests) {
      this.bounds.hit('maxConcurrentRequests')
      return 'relay_busy'
    }
    return readTags(exchange)
  }

  /**
   * Admits another response on a WebSocket, beside one that is open: the connection itself counts as one request. Each
   * one that is admitted has to be released.
   * @returns the reason of a refusal; null if it is admitted
   */
  admitFurther({ request: { key } }: Exchange): ErrorCode | null {
    if (key === null) return null
    const inFlight = this.inFlight.get(key) ?? 0
    if (inFlight >= this.limits.maxConcurrentRequestsPerKey) {
      this.bounds.hit('maxConcurrentRequestsPerKey')
      return 'key_busy'
    }
    this.inFlight.set(key, inFlight + 1)
    return null
  }

  /** Counts an exchange out that has ended. */
  release(exchange: Exchange): void {
    if (exchange.request.key === null) return
    // A key with none in flight stays: there are few keys, and a Map that shrinks and grows makes long-lived garbage.
    this.inFlight.set(exchange.request.key, (this.inFlight.get(exchange.request.key) ?? 1) - 1)
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
