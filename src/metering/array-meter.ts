import { OPEN_BRACE, OPEN_BRACKET } from '../json/bytes.js'
import { ValueScanner } from '../json/scanner.js'
import { DirectMeter, type Meter } from './meter.js'
import type { ResponseStats } from './response-stats.js'
import { StreamMeter } from './stream-meter.js'
import type { UsageForm } from './usage-forms.js'

const LINE_END = Buffer.from('\n')
const LF = 0x0a
const CR = 0x0d
const SPACE = 0x20

/**
 * Reads a stream that is one JSON array, whose elements are its events: Gemini sends it where the client does not ask
 * for server-sent events. Each element is read as soon as it is complete, so that the time of the first token is known.
 * O(n).
 */
export class ArrayMeter extends DirectMeter implements Meter {
  private readonly events: StreamMeter
  private readonly scanner: ValueScanner
  /** The bracket that opens the array has come. */
  private isOpen: boolean
  private isInElement: boolean

  constructor(forms?: readonly UsageForm[]) {
    super()
    this.events = new StreamMeter(forms, true)
    this.scanner = new ValueScanner()
    this.isOpen = false
    this.isInElement = false
  }

  readStats(): ResponseStats {
    return this.events.readStats()
  }

  get ended(): boolean {
    return this.events.ended
  }

  push(chunk: Buffer): void {
    const bytes = withoutLineEnds(chunk)
    const { length } = bytes
    let at = 0
    while (at < length) {
      if (!this.isInElement) {
        this.isInElement = this.isOpen && isBracket(bytes[at])
        this.isOpen ||= bytes[at] === OPEN_BRACKET
        if (!this.isInElement) {
          at++
          continue
        }
        this.events.push(bytes.subarray(at, at + 1))
        at++
      }
      const end = this.scanner.skipNested(bytes, at)
      this.events.push(bytes.subarray(at, end === -1 ? length : end))
      if (end === -1) return
      this.events.push(LINE_END)
      this.isInElement = false
      at = end
    }
  }

  end(): void {
    this.events.end()
  }
}

function isBracket(byte: number | undefined): boolean {
  return byte === OPEN_BRACE || byte === OPEN_BRACKET
}

/** A copy whose line ends are spaces. In JSON they stand between values alone, where both mean the same. */
function withoutLineEnds(chunk: Buffer): Buffer {
  const bytes = Buffer.from(chunk)
  for (const byte of [LF, CR])
    for (let at = bytes.indexOf(byte); at !== -1; at = bytes.indexOf(byte, at + 1)) bytes[at] = SPACE
  return bytes
}
