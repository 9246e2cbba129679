import { KEY_PATTERN } from '../access/key.js'
import type { KeyRecord } from '../access/keyring.js'
import type { Exchange } from '../exchange.js'
import type { Tap } from '../sse/scanner.js'

/** Longest text of the client's making that goes into a line. */
const LONGEST = 200

/** What is kept of a request that is over until its line is written: the rest of it, prompt and all, can go. */
export class Settled {
  private readonly level: number
  private readonly settledAt: number
  private readonly totalMs: number
  private readonly id: string
  private readonly end: Exchange['end']
  private readonly status: number
  private readonly method: string
  private readonly path: string
  private readonly key: KeyRecord | null
  private readonly model: string | null
  private readonly stream: boolean | null
  private readonly upstream: string | null
  private readonly upstreamRequestId: string | null
  private readonly errorCode: string | null
  private readonly cause: string | null
  private readonly phase: Exchange['phase']
  private readonly bytesIn: number
  private readonly bytesOut: number
  private readonly pieces: number
  private readonly tap: Tap | null
  private readonly startedAt: number
  /** Milliseconds; -1 if it did not come so far. */
  private readonly upstreamMs: number
  private readonly overheadMs: number

  /**
   * @param level pino's number for it
   * @param now `performance.now()`
   */
  constructor(x: Exchange, level: number, now: number) {
    this.level = level
    this.settledAt = Date.now()
    this.totalMs = now - x.startedAt
    this.id = x.id
    this.end = x.end
    this.status = x.status
    this.method = x.method
    this.path = x.path
    this.key = x.key
    this.model = x.model
    this.stream = x.stream
    this.upstream = x.upstream
    this.upstreamRequestId = x.upstreamRequestId
    this.errorCode = x.errorCode
    this.cause = x.cause
    this.phase = x.phase
    this.bytesIn = x.bytesIn
    this.bytesOut = x.bytesOut
    this.pieces = x.pieces
    this.tap = x.tap
    this.startedAt = x.startedAt
    this.upstreamMs = x.answeredAt === 0 ? -1 : x.answeredAt - x.attemptAt
    this.overheadMs = x.attemptAt === 0 ? -1 : x.attemptAt - x.startedAt
  }

  /**
   * Its line, as JSON in pino's format with a line end behind it. Every field is there in every line, null where it is not
   * known. Fields are chosen one by one, so that no header, body or credential can come along.
   */
  line(): string {
    const seen = this.tap?.seen ?? null
    const usage = seen?.usage ?? null
    return (
      `{"level":${this.level},"time":"${timeText(this.settledAt)}","id":"${this.id}","end":"${this.end}",` +
      `"status":${this.status},"method":"${this.method}","path":"${this.pathText()}",${keyText(this.key)},` +
      `"model":${quoted(this.model)},"stream":${this.stream},"upstream":${quoted(this.upstream)},` +
      `"upstream_request_id":${json(this.upstreamRequestId)},"error_code":${json(this.errorCode)},` +
      `"cause":${json(this.cause)},"phase":"${this.phase}","bytes_in":${this.bytesIn},"bytes_out":${this.bytesOut},` +
      `"pieces":${this.pieces},"upstream_model":${quoted(seen?.model ?? null)},` +
      `"prompt_tokens":${usage?.prompt ?? null},"cached_tokens":${usage?.cached ?? null},` +
      `"completion_tokens":${usage?.completion ?? null},"reasoning_tokens":${usage?.reasoning ?? null},` +
      `"deltas":${seen?.deltas ?? null},"finish_reason":${quoted(seen?.finishReason ?? null)},` +
      `"stream_error":${quoted(seen?.error ?? null)},` +
      `"ttft_ms":${seen === null || seen.firstTokenAt === 0 ? null : decimal(seen.firstTokenAt - this.startedAt)},` +
      `"upstream_ttfb_ms":${this.upstreamMs === -1 ? null : decimal(this.upstreamMs)},` +
      `"overhead_ms":${this.overheadMs === -1 ? null : decimal(this.overheadMs)},` +
      `"total_ms":${decimal(this.totalMs)},"msg":"${this.summary()}"}\n`
    )
  }

  /** What a person wants to see of a request, in one line; as it stands in JSON, but for the quotes. */
  private summary(): string {
    const { end, errorCode, key } = this
    let text = `${this.method} ${this.pathText()} ${this.status === 0 ? '-' : this.status}`
    if (end !== 'done' && end !== null) text += ` ${end}`
    if (errorCode !== null && errorCode !== end) text += ` ${errorCode}`
    text += ` ${duration(this.totalMs)}`
    if (key !== null) text += ` ${key.team}/${key.user}`
    if (this.model !== null) text += ` ${told(this.model)}`
    if (this.upstream !== null) text += ` via ${told(this.upstream)}`
    return text
  }

  /** The path as documentation writes it, whatever way the client came by; without the query, which may hold a key. */
  private pathText(): string {
    const path = told(this.path)
    return this.upstream === null && this.end === 'local' ? path : `/v1${path}`
  }
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
