import { joinChunks } from '../lib/bytes.js'
import { readResponse } from './event-fields.js'
import type { Meter } from './meter.js'
import { ResponseStats } from './response-stats.js'
import { findLast, LONGEST, readTrailingUsage } from './trailing-usage.js'

/**
 * Reads a JSON response. It keeps up to a megabyte of the body, or the end of a longer one, and parses it when
 * `readStats` is first called after the end: by then the client has its response.
 */
export class JsonMeter implements Meter {
  /** Always false: JSON has no end mark of its own. */
  readonly ended: boolean
  private readonly stats: ResponseStats
  /** The chunks that are not read yet. */
  private chunks: Buffer[]
  private bytes: number
  /** The beginning was dropped. */
  private isTruncated: boolean
  /** `performance.now()` of the end; null before it. */
  private endedAt: number | null

  constructor() {
    this.ended = false
    this.stats = new ResponseStats()
    this.chunks = []
    this.bytes = 0
    this.isTruncated = false
    this.endedAt = null
  }

  readStats(): ResponseStats {
    if (this.endedAt !== null && this.chunks.length > 0) this.parse(this.endedAt)
    return this.stats
  }

  push(chunk: Buffer): void {
    this.chunks.push(chunk)
    this.bytes += chunk.length
    if (this.bytes <= LONGEST) return
    const kept = Buffer.concat(this.chunks)
    if (!this.isTruncated) this.stats.object.readHead(kept)
    this.isTruncated = true
    const end = findLast(kept)
    this.chunks = [end]
    this.bytes = end.length
  }

  end(): void {
    this.endedAt ??= performance.now()
  }

  get isRead(): boolean {
    return true
  }

  whenRead(callback: () => void): void {
    callback()
  }

  private parse(endedAt: number): void {
    const { stats } = this
    const body = joinChunks(this.chunks)
    this.chunks = []
    stats.events = 1
    if (this.isTruncated) {
      stats.unparsed++
      readTrailingUsage(findLast(body), stats)
      return
    }
    try {
      // DeepSeek sends blank lines before the JSON, to keep the connection alive.
      readResponse(JSON.parse(body.toString('utf8')), stats)
    } catch {
      stats.unparsed++
    }
    // All tokens came at the end of the response, not when it was parsed.
    if (stats.firstTokenAt !== null) stats.firstTokenAt = endedAt
  }
}
