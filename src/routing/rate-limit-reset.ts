import { decodeLatin1, type RawHeaders } from '../http/flat-headers.js'
import { parseDurationMs } from './delay-text.js'

/** `x-ratelimit-reset-requests` (OpenAI, Groq, Azure), `anthropic-ratelimit-tokens-reset`, `x-ratelimit-reset`. */
const RESET = /^(?:x-ratelimit-reset(?:-(.+))?|anthropic-ratelimit-(.+)-reset)$/
const REMAINING = /^(?:x-ratelimit-remaining(?:-(.+))?|anthropic-ratelimit-(.+)-remaining)$/

/** From here on a number is a Unix time in seconds, and no number of seconds; and then one in milliseconds. */
const EPOCH_SECONDS = 1_000_000_000
const EPOCH_MS = 1_000_000_000_000

/**
 * Reads when the limits of a target are full again, from the headers that tell of them with each response: the latest
 * of the limits of which nothing remains. If none says that nothing remains, the first one.
 * @param wallMs Unix time in milliseconds
 * @returns milliseconds; null if no header says it
 */
export function readResetMs(raw: RawHeaders, wallMs: number): number | null {
  const resets: (readonly [string, number])[] = []
  const spent = new Set<string>()
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = decodeLatin1(raw[i] as Buffer | string).toLowerCase()
    if (!name.includes('ratelimit')) continue
    const value = decodeLatin1(raw[i + 1] as Buffer | string).trim()
    const [reset, limit, own] = RESET.exec(name) ?? []
    if (reset !== undefined) {
      const ms = parseReset(value, wallMs)
      if (ms !== null) resets.push([limit ?? own ?? '', ms])
      continue
    }
    const [remaining, left, leftOwn] = REMAINING.exec(name) ?? []
    if (remaining !== undefined && /^0(?:\.0*)?$/.test(value)) spent.add(left ?? leftOwn ?? '')
  }
  if (resets.length === 0) return null
  const decisive = resets.filter(([limit]) => spent.has(limit)).map(([, ms]) => ms)
  return decisive.length > 0 ? Math.max(...decisive) : Math.min(...resets.map(([, ms]) => ms))
}

/** A duration (`6m0s`), a number of seconds, a Unix time, or a date (RFC 3339). */
function parseReset(value: string, wallMs: number): number | null {
  const duration = parseDurationMs(value)
  if (duration !== null) return duration
  if (/^\d{1,15}(?:\.\d{1,9})?$/.test(value)) {
    const number = Number(value)
    if (number >= EPOCH_MS) return Math.max(0, number - wallMs)
    return number >= EPOCH_SECONDS ? Math.max(0, number * 1_000 - wallMs) : number * 1_000
  }
  const at = /^\d{4}-\d\d-\d\dT/.test(value) ? Date.parse(value) : Number.NaN
  return Number.isNaN(at) ? null : Math.max(0, at - wallMs)
}
