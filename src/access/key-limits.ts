import { isAddressOrNetwork } from '../config/networks.js'
import { AddressList } from './client-address.js'
import type { KeyRecord, StoredKey } from './key-lines.js'

/** What a key is limited to; null: no limit. See `KeyRecord`. */
export type KeyLimits = Pick<StoredKey, 'expiresAt' | 'models' | 'addresses' | 'ruleEntries'>

export const NO_LIMITS: KeyLimits = { expiresAt: null, models: null, addresses: null, ruleEntries: null }

/** Most patterns or networks of one key. Each is compared with each request. */
const MOST_PATTERNS = 100

/** No model has a longer name. */
const LONGEST_PATTERN = 200

const HOUR_MS = 3_600_000
const UNITS: Readonly<Record<string, number>> = { h: HOUR_MS, d: 24 * HOUR_MS, w: 7 * 24 * HOUR_MS }

/** About 270 years: dates beyond it are typing errors. */
const LONGEST_MS = 100_000 * 24 * HOUR_MS

/** Why a key that was issued here is not valid now; error codes of the client API. */
export type KeyFault = 'revoked_api_key' | 'expired_api_key'

/**
 * Finds why a key is not valid.
 * @param now epoch milliseconds; not given: the clock is only read for a key that expires
 * @returns null if it is valid
 */
export function findKeyFault({ revokedAt, expiresAt }: KeyRecord, now?: number): KeyFault | null {
  if (revokedAt !== null) return 'revoked_api_key'
  return expiresAt !== null && (now ?? Date.now()) >= parseInstant(expiresAt) ? 'expired_api_key' : null
}

/** Expiries that were parsed, as each request with such a key needs one. All are forgotten when there are too many. */
const instants = new Map<string, number>()

const MOST_INSTANTS = 1_000

/** @returns epoch milliseconds */
function parseInstant(iso: string): number {
  const known = instants.get(iso)
  if (known !== undefined) return known
  if (instants.size >= MOST_INSTANTS) instants.clear()
  const at = Date.parse(iso)
  instants.set(iso, at)
  return at
}

/** By the array of the record, which is another one after each change. */
const lists = new WeakMap<readonly string[], AddressList>()

/** Whether a key may be used from an address. @param address null if it is not known */
export function mayBeUsedFrom({ addresses }: Pick<KeyRecord, 'addresses'>, address: string | null): boolean {
  if (addresses === null) return true
  if (address === null) return false
  let list = lists.get(addresses)
  if (list === undefined) {
    list = new AddressList(addresses)
    lists.set(addresses, list)
  }
  return list.has(address)
}

/** Why a key may not be used any more by a client that was admitted with it: it became invalid, or was limited. */
export type UseFault = KeyFault | 'forbidden_address'

/** @param address of the client @param now see `findKeyFault` @returns null if it may be used */
export function findUseFault(key: KeyRecord, address: string | null, now?: number): UseFault | null {
  return findKeyFault(key, now) ?? (mayBeUsedFrom(key, address) ? null : 'forbidden_address')
}

/**
 * Reads a length of time: `12h`, `30d`, `4w`.
 * @returns milliseconds; null if it is none, or longer than anybody means
 */
export function parseDuration(text: string): number | null {
  const [, count = '', unit = ''] = /^(\d{1,6})([hdw])$/.exec(text) ?? []
  const ms = Number(count) * (UNITS[unit] ?? Number.NaN)
  return ms <= LONGEST_MS ? ms : null
}

const DATE = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d{1,3})?)?(?:Z|[+-]\d\d:\d\d))?$/

/**
 * Reads when a key is to expire: a length of time from now, or a date (midnight in UTC), or a date with time and zone.
 * @returns epoch milliseconds; null if it is none of these
 */
export function parseExpiry(text: string, now: number): number | null {
  const duration = parseDuration(text)
  if (duration !== null) return now + duration
  if (!DATE.test(text)) return null
  const at = Date.parse(text)
  // Date.parse takes 2026-02-30 for the second of March.
  const isReal =
    !Number.isNaN(at) &&
    new Date(`${text.slice(0, 10)}T00:00:00Z`).toISOString().startsWith(text.slice(0, 10))
  return isReal && at <= now + LONGEST_MS ? at : null
}

/** Whether these can be the models of a key: names with `*` for anything. */
export function areModels(value: unknown): value is string[] {
  return isList(
    value,
    (text) => text.length <= LONGEST_PATTERN && /^[\x21-\x7e]+$/.test(text) && !text.includes(','),
  )
}

/** Whether these can be the addresses of a key. */
export function areAddresses(value: unknown): value is string[] {
  return isList(value, isAddressOrNetwork)
}

function isList(value: unknown, fits: (text: string) => boolean): value is string[] {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= MOST_PATTERNS &&
    value.every((entry) => typeof entry === 'string' && fits(entry))
  )
}
