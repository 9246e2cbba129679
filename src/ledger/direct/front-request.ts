import { isIP } from 'node:net'
import type { End, Phase } from '../../exchange/outcome.js'

/** What a line of a front's access log says of a request that went past the relay. Unknown is null. */
export interface FrontRequest {
  /** Of the front, or of the provider; empty if there is none. */
  readonly requestId: string
  /** Epoch milliseconds. */
  readonly endedAt: number
  readonly durationMs: number | null
  /** From the start to the head of the provider's response. */
  readonly firstByteMs: number | null
  readonly key: string | null
  readonly env: string | null
  readonly team: string | null
  readonly user: string | null
  readonly model: string | null
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly status: number | null
  readonly bytesIn: number | null
  readonly bytesOut: number | null
  readonly clientAddress: string | null
  readonly upstreamRequestId: string | null
  /** Whether the front has asked the provider. */
  readonly wasSent: boolean
  readonly end: End
  readonly phase: Phase
  /**
   * All that the line says, in one fixed form: the same for the same line with another prefix, and another one for
   * another request. It decides what is imported already, so a change of it imports everything again.
   */
  readonly identity: string
  /** No other request has the same identity. If false, two equal lines of one log are two requests. */
  readonly isUnique: boolean
}

/** Why a line gives no record. `other`: it is of another request or log, and no fault. */
export interface SkippedLine {
  readonly skipped: 'other' | 'bad'
  readonly why: string
}

/** A request id of at least this length is taken for a unique one: no counter that starts again is as long. */
const UNIQUE_LENGTH = 16

/** Whether an id is unique by itself. */
export function isUniqueId(id: string): boolean {
  return id.length >= UNIQUE_LENGTH
}

/** A line that is at fault. */
export function badLine(why: string): SkippedLine {
  return { skipped: 'bad', why }
}

/** A line that is not of direct traffic. */
export function otherLine(why: string): SkippedLine {
  return { skipped: 'other', why }
}

/** Reads a text or a number. What fronts write for an unknown value is empty. */
export function readText(value: unknown): string {
  const text = typeof value === 'string' ? value.trim() : typeof value === 'number' ? String(value) : ''
  return text === '-' ? '' : text
}

/** Null in place of an empty text. */
export function textOrNull(text: string): string | null {
  return text === '' ? null : text
}

/**
 * Reads a number from 0 up. nginx lists the values of several attempts (`0.1, 0.2 : 0.3`): the last one counts.
 * @returns null if it is unknown: HAProxy writes -1 for what never happened
 */
export function readNumber(text: string): number | null {
  const last = text.split(/[,:]/).at(-1)?.trim() ?? ''
  const value = /^\+?\d+(?:\.\d+)?(?:e[+-]?\d+)?$/i.test(last) ? Number(last) : Number.NaN
  return Number.isFinite(value) ? value : null
}

/** Reads a count, such as bytes. @returns null if it is unknown */
export function readCount(text: string): number | null {
  const value = readNumber(text)
  return value !== null && Number.isSafeInteger(value) ? value : null
}

/** No request takes a week; milliseconds. */
const MOST_SPAN_MS = 7 * 24 * 60 * 60 * 1_000

/** Reads a time span in seconds, or with its unit: `0.25`, `250ms`, `1.5s`. @returns milliseconds; null if unknown */
export function readSpan(text: string): number | null {
  const [, number = text, unit = 's'] = /^(.*?)(ms|s)$/.exec(text) ?? []
  const value = readNumber(number)
  if (value === null) return null
  const ms = unit === 'ms' ? value : value * 1_000
  return ms < MOST_SPAN_MS ? ms : null
}

/** Reads a status. nginx writes 000 for none, Caddy 0. @returns null if there was none */
export function readStatus(text: string): number | null {
  const status = readCount(text)
  return status !== null && status >= 100 && status <= 999 ? status : null
}

/** The first moment that is taken for a time of a log: 2020, in epoch milliseconds. */
const FIRST_TIME = 1_577_836_800_000

/** From here on, a number is milliseconds and not seconds (the year 5138), or microseconds. */
const MILLISECONDS_FROM = 100_000_000_000
const MICROSECONDS_FROM = 100_000_000_000_000

/** A log may be ahead of this machine's clock by this time, in milliseconds. */
const MOST_AHEAD_MS = 24 * 60 * 60 * 1_000

/**
 * Reads the time of a log: seconds, milliseconds or microseconds since the epoch, or ISO 8601.
 * @param now epoch milliseconds
 * @returns epoch milliseconds, without a fraction; or why it is none
 */
export function readTime(text: string, now: number): number | string {
  const number = readNumber(text)
  const at = number === null ? Date.parse(text) : toMilliseconds(number)
  if (!Number.isFinite(at)) return 'its time cannot be read'
  if (at < FIRST_TIME) return 'its time is before 2020'
  if (at > now + MOST_AHEAD_MS) return 'its time is more than a day ahead of the clock of this machine'
  return Math.floor(at)
}

function toMilliseconds(time: number): number {
  if (time < MILLISECONDS_FROM) return Math.round(time * 1_000)
  return time < MICROSECONDS_FROM ? time : time / 1_000
}

/** Takes the path of a request target: without its query, and without scheme and host. */
export function readPath(target: string): string {
  const path = target.replace(/[?#].*$/s, '').replace(/^https?:\/\/[^/]*/i, '')
  return path === '' ? '/' : path
}

/**
 * Reads the address of a client, without its zone (`fe80::1%eth0`), which may be a text of any length. An IPv4 address
 * within an IPv6 one is shown as it is.
 * @returns null if it is none
 */
export function readAddress(text: string): string | null {
  const address = text
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/%.*$/, '')
    .replace(/^::ffff:(?=\d+\.)/i, '')
  return isIP(address) === 0 ? null : address.toLowerCase()
}
