import { LONGEST, lastOf, readLateUsage } from './late.js'
import { readAnswer } from './meaning.js'
import type { Tap } from './scanner.js'
import { Sighting } from './sighting.js'

/** Looks at a JSON answer while it passes. Keeps up to a megabyte of it, and of a longer one the end. */
export class AnswerScanner implements Tap {
  readonly seen: Sighting
  private parts: Buffer[]
  private bytes: number
  private cut: boolean

  constructor() {
    this.seen = new Sighting()
    this.parts = []
    this.bytes = 0
    this.cut = false
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
    if (this.parts.length === 0) return
    const body = Buffer.concat(this.parts)
    this.parts = []
    const { seen } = this
    seen.events = 1
    if (this.cut) {
      seen.odd++
      readLateUsage(lastOf(body), seen)
      return
    }
    try {
      // DeepSeek sends blank lines ahead of it, to keep the connection busy.
      readAnswer(JSON.parse(body.toString('utf8')), seen)
    } catch {
      seen.odd++
    }
  }
}
