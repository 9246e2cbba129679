import { readAnswer } from './event-fields.js'
import type { Tap } from './meter.js'
import { Sighting } from './response-stats.js'
import { LONGEST, lastOf, readLateUsage } from './trailing-usage.js'

/**
 * Looks at a JSON answer that has passed. Keeps up to a megabyte of it, and of a longer one the end, until somebody asks
 * what was seen.
 */
export class AnswerScanner implements Tap {
  /** The end of the connection is the only end that it has. */
  readonly ended: boolean
  private readonly sighting: Sighting
  private parts: Buffer[]
  private bytes: number
  private cut: boolean
  /** `performance.now()` of its end; 0 before. */
  private endedAt: number

  constructor() {
    this.ended = false
    this.sighting = new Sighting()
    this.parts = []
    this.bytes = 0
    this.cut = false
    this.endedAt = 0
  }

  get seen(): Sighting {
    if (this.endedAt > 0 && this.parts.length > 0) this.read()
    return this.sighting
  }

  push(piece: Buffer): void {
    this.parts.push(piece)
    this.bytes += piece.length
    if (this.bytes <= LONGEST) return
    this.cut = true
    const end = lastOf(Buffer.concat(this.parts))
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
    const { sighting, parts } = this
    const body = parts.length === 1 ? (parts[0] as Buffer) : Buffer.concat(parts)
    this.parts = []
    sighting.events = 1
    if (this.cut) {
      sighting.odd++
      readLateUsage(lastOf(body), sighting)
      return
    }
    try {
      // DeepSeek sends blank lines ahead of it, to keep the connection busy.
      readAnswer(JSON.parse(body.toString('utf8')), sighting)
    } catch {
      sighting.odd++
    }
    // It came as a whole, and not when it was read.
    if (sighting.firstTokenAt > 0) sighting.firstTokenAt = this.endedAt
  }
}
