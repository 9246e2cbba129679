import { readResponse } from './event-fields.js'
import type { Meter } from './meter.js'
import { ResponseStats } from './response-stats.js'
import { findLast, LONGEST, readTrailingUsage } from './trailing-usage.js'

/**
 * Looks at a JSON answer that has passed. Keeps up to a megabyte of it, and of a longer one the end, until somebody asks
 * what was seen.
 */
export class JsonMeter implements Meter {
  /** The end of the connection is the only end that it has. */
  readonly ended: boolean
  private readonly stats: ResponseStats
  private parts: Buffer[]
  private bytes: number
  private cut: boolean
  /** `performance.now()` of its end; 0 before. */
  private endedAt: number

  constructor() {
    this.ended = false
    this.stats = new ResponseStats()
    this.parts = []
    this.bytes = 0
    this.cut = false
    this.endedAt = 0
  }

  readStats(): ResponseStats {
    if (this.endedAt > 0 && this.parts.length > 0) this.read()
    return this.stats
  }

  push(piece: Buffer): void {
    this.parts.push(piece)
    this.bytes += piece.length
    if (this.bytes <= LONGEST) return
    this.cut = true
    const end = findLast(Buffer.concat(this.parts))
    this.parts = [end]
    this.bytes = end.length
  }

  end(): void {
    if (this.endedAt === 0) this.endedAt = performance.now()
  }

  get isRead(): boolean {
    return true
  }

  whenRead(call: () => void): void {
    call()
  }

  private read(): void {
    const { stats, parts } = this
    const body = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
    this.parts = []
    stats.events = 1
    if (this.cut) {
      stats.unparsed++
      readTrailingUsage(findLast(body), stats)
      return
    }
    try {
      // DeepSeek sends blank lines ahead of it, to keep the connection busy.
      readResponse(JSON.parse(body.toString('utf8')), stats)
    } catch {
      stats.unparsed++
    }
    // It came as a whole, and not when it was read.
    if (stats.firstTokenAt > 0) stats.firstTokenAt = this.endedAt
  }
}
