import { KEY_PATTERN } from '../access/key.js'
import type { KeyRecord } from '../access/keyring.js'
import type { Exchange } from '../exchange.js'

/** Longest text of the client's making that goes into a line. */
const LONGEST = 200

/**
 * The line of a request that is over, as JSON in pino's format with a line end behind it. Every field is there in every
 * line, null where it is not known. Fields are chosen one by one, so that no header, body or credential can come along.
 *
 * Written out field by field: `JSON.stringify` of an object with the same fields takes twice the time, which is felt in every
 * request (bench `requests`).
 * @param level pino's number for it
 * @param now `performance.now()` when it was settled
 */
export function requestLine(x: Exchange, level: number, now: number): string {
  const seen = x.tap?.seen ?? null
  const usage = seen?.usage ?? null
  return (
    `{"level":${level},"time":"${timeText(Date.now())}","id":"${x.id}","end":"${x.end}","status":${x.status},` +
    `"method":"${x.method}","path":"${pathText(x)}",${keyText(x.key)},` +
    `"model":${quoted(x.model)},"stream":${x.stream},"upstream":${quoted(x.upstream)},` +
    `"upstream_request_id":${json(x.upstreamRequestId)},"error_code":${json(x.errorCode)},"cause":${json(x.cause)},` +
    `"phase":"${x.phase}","bytes_in":${x.bytesIn},"bytes_out":${x.bytesOut},"pieces":${x.pieces},` +
    `"upstream_model":${quoted(seen?.model ?? null)},"prompt_tokens":${usage?.prompt ?? null},` +
    `"cached_tokens":${usage?.cached ?? null},"completion_tokens":${usage?.completion ?? null},` +
    `"reasoning_tokens":${usage?.reasoning ?? null},"deltas":${seen?.deltas ?? null},` +
    `"finish_reason":${quoted(seen?.finishReason ?? null)},"stream_error":${quoted(seen?.error ?? null)},` +
    `"ttft_ms":${seen === null || seen.firstTokenAt === 0 ? null : decimal(seen.firstTokenAt - x.startedAt)},` +
    `"upstream_ttfb_ms":${x.answeredAt === 0 ? null : decimal(x.answeredAt - x.attemptAt)},` +
    `"overhead_ms":${x.attemptAt === 0 ? null : decimal(x.attemptAt - x.startedAt)},` +
    `"total_ms":${decimal(now - x.startedAt)},"msg":"${summary(x, now)}"}\n`
  )
}

/** What a person wants to see of a request, in one line; as it stands in JSON, but for the quotes. */
function summary(x: Exchange, now: number): string {
  let text = `${x.method} ${pathText(x)} ${x.status === 0 ? '-' : x.status}`
  if (x.end !== 'done' && x.end !== null) text += ` ${x.end}`
  if (x.errorCode !== null && x.errorCode !== x.end) text += ` ${x.errorCode}`
  text += ` ${duration(now - x.startedAt)}`
  if (x.key !== null) text += ` ${x.key.team}/${x.key.user}`
  if (x.model !== null) text += ` ${told(x.model)}`
  if (x.upstream !== null) text += ` via ${told(x.upstream)}`
  return text
}

/** The path as documentation writes it, whatever way the client came by; without the query, which may hold a key. */
function pathText(x: Exchange): string {
  return x.upstream === null && x.end === 'local' ? told(x.path) : `/v1${told(x.path)}`
}

/** Whose request it was. There is nothing to escape in the parts of a key. */
function keyText(key: KeyRecord | null): string {
  if (key === null) return '"key":null,"env":null,"team":null,"user":null'
  return `"key":"${key.id}","env":"${key.env}","team":"${key.team}","user":"${key.user}"`
}

/** Milliseconds with three digits behind the point, less what zeros they end with. */
function decimal(ms: number): string {
  const us = Math.round(ms * 1_000)
  const whole = Math.trunc(us / 1_000)
  return us < 0 ? String(us / 1_000) : `${whole}${FRACTIONS[us - whole * 1_000]}`
}

/** Making the shortest digits of a fraction anew each time is what most of a line's time would go into. */
const FRACTIONS = Array.from({ length: 1_000 }, (_, us) => (us === 0 ? '' : String(us / 1_000).slice(1)))

function duration(ms: number): string {
  if (ms >= 1_000) return `${(ms / 1_000).toFixed(1)}s`
  if (ms >= 10) return `${Math.round(ms)}ms`
  const tenths = Math.round(ms * 10)
  return `${Math.trunc(tenths / 10)}.${tenths % 10}ms`
}

let timeMs = 0
let timeShown = ''

/** ISO 8601. Under load many lines have the same. */
function timeText(ms: number): string {
  if (ms !== timeMs) {
    timeMs = ms
    timeShown = new Date(ms).toISOString()
  }
  return timeShown
}

/** A text in JSON as it is: printable ASCII without a quote or a backslash. */
const PLAIN = /^[ !#-[\]-~]*$/

function json(text: string | null): string {
  if (text === null) return 'null'
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text)
}

/** As `json`, for what people call something. */
function quoted(name: string | null): string {
  return name === null ? 'null' : `"${told(name)}"`
}

/** What looks like a credential: ours, and the providers' (sk-..., sk-ant-...). */
const SECRET = new RegExp(`${KEY_PATTERN}|lc_[\\w-]{8,}|sk-[\\w-]{8,}`, 'g')

/** Paths and names are few, and looking at each of their characters is not free. Emptied when it is full. */
const tellings = new Map<string, string>()
const MOST_TELLINGS = 1_000

/**
 * A text of somebody's making, fit for a line, as it stands between the quotes of JSON: what was pasted in a wrong place is
 * taken out by its pattern, control characters too, so that no name can write a line of its own, and it is not longer
 * than is of use.
 */
function told(text: string): string {
  const known = tellings.get(text)
  if (known !== undefined) return known
  const printable = text
    .slice(0, 4 * LONGEST)
    .replace(SECRET, '***')
    .replace(/[^\x20-\x7e\u00a1-\u{10ffff}]/gu, '?')
  const short = printable.length > LONGEST ? `${printable.slice(0, LONGEST)}...` : printable
  const telling = JSON.stringify(short).slice(1, -1)
  if (text.length > LONGEST) return telling
  if (tellings.size === MOST_TELLINGS) tellings.clear()
  tellings.set(text, telling)
  return telling
}
