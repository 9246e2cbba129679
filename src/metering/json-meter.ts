import { joinChunks } from '../lib/bytes.js'
import { completeJson } from './cut-json.js'
import { LONGEST, LongJson } from './long-json.js'
import { DirectMeter, type Meter } from './meter.js'
import { readResponse } from './response-fields.js'
import { ResponseStats } from './response-stats.js'
import type { UsageForm } from './usage-forms.js'

/**
 * Of a body that turns out to be too long, what was kept is read at this rate: so many times what comes with each
 * chunk. All of the megabyte at once takes 1 to 3 milliseconds, in which no other stream moves.
 */
const CATCH_UP = 2

/**
 * Reads a JSON response. It keeps up to a megabyte of the body, and parses it when `readStats` is first called after
 * the end: by then the client has its response. Of a longer body it reads the facts as they come.
 */
export class JsonMeter extends DirectMeter implements Meter {
  /** Always false: JSON has no end mark of its own. */
  readonly ended: boolean
  private readonly stats: ResponseStats
  /** The chunks that are not read yet. */
  private chunks: Buffer[]
  private bytes: number
  /** Reads a body that is too long. */
  private long: LongJson | null
  /** `performance.now()` of the end; null before it. */
  private endedAt: number | null
  private isParsed: boolean

  constructor(forms?: readonly UsageForm[]) {
    super()
    this.ended = false
    this.stats = new ResponseStats(forms)
    this.chunks = []
    this.bytes = 0
    this.long = null
    this.endedAt = null
    this.isParsed = false
  }

  readStats(): ResponseStats {
    if (this.endedAt !== null && this.bytes > 0 && !this.isParsed) this.parse(this.endedAt)
    return this.stats
  }

  push(chunk: Buffer): void {
    if (this.endedAt !== null) return
    this.bytes += chunk.length
    this.chunks.push(chunk)
    if (this.bytes <= LONGEST) return
    this.long ??= new LongJson()
    this.readLong(this.long, chunk.length * CATCH_UP)
  }

  end(): void {
    this.endedAt ??= performance.now()
  }

  /** Reads the facts of the chunks that came first. @param bytes that are to be read, as far as they are there */
  private readLong(long: LongJson, bytes: number): void {
    let left = bytes
    while (left > 0) {
      const chunk = this.chunks.shift()
      if (chunk === undefined) return
      long.push(chunk)
      left -= chunk.length
    }
  }

  private parse(endedAt: number): void {
    const { stats, long } = this
    if (long !== null) this.readLong(long, Number.POSITIVE_INFINITY)
    const body = joinChunks(this.chunks)
    this.chunks = []
    this.isParsed = true
    stats.events = 1
    if (long !== null) {
      stats.unparsed++
      readFacts(long.root, stats)
    } else readBody(body.toString('utf8'), stats)
    // All tokens came at the end of the response, not when it was parsed.
    if (stats.firstTokenAt !== null) stats.firstTokenAt = endedAt
  }
}

/** Reads what was kept of a body that is too long. */
function readFacts(root: unknown, stats: ResponseStats): void {
  if (root === undefined) return
  try {
    readResponse(root, stats)
  } catch {
    // The body counts as unparsed already.
  }
}

/** DeepSeek sends blank lines before the JSON, to keep the connection alive. */
function readBody(text: string, stats: ResponseStats): void {
  try {
    readResponse(JSON.parse(text), stats)
  } catch {
    stats.unparsed++
    readCutBody(text, stats)
  }
}

/** Reads what came of a body that was cut. */
function readCutBody(text: string, stats: ResponseStats): void {
  const completed = completeJson(text)
  if (completed === null) return
  try {
    readResponse(JSON.parse(completed), stats)
    stats.isCut = true
  } catch {
    // It is no JSON, which `unparsed` says.
  }
}
