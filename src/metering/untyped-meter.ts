import { OPEN_BRACKET } from '../json/bytes.js'
import { skipSpace } from '../json/scanner.js'
import { ArrayMeter } from './array-meter.js'
import { JsonMeter } from './json-meter.js'
import { DirectMeter, type Meter } from './meter.js'
import { ResponseStats } from './response-stats.js'
import { StreamMeter } from './stream-meter.js'
import type { UsageForm } from './usage-forms.js'

function createMeter(first: number, forms: readonly UsageForm[] | undefined): Meter {
  if (STREAM_STARTS.has(first)) return new StreamMeter(forms)
  // Gemini's streams, unless the client asks for events.
  return first === OPEN_BRACKET ? new ArrayMeter(forms) : new JsonMeter(forms)
}

/** First letters of the fields of an event stream, of a comment, and of a byte order mark. */
const STREAM_STARTS: ReadonlySet<number> = new Set([...Buffer.from('deir:'), 0xef])

/**
 * Reads the response to a request for a stream whose head does not say that it is one. The first byte that is no white
 * space tells: some servers call a stream JSON or give it no type, and others answer with JSON.
 */
export class UntypedMeter extends DirectMeter implements Meter {
  private readonly forms: readonly UsageForm[] | undefined
  private readonly emptyStats: ResponseStats
  /** Null before the byte that tells. */
  private meter: Meter | null

  constructor(forms?: readonly UsageForm[]) {
    super()
    this.forms = forms
    this.emptyStats = new ResponseStats(forms)
    this.meter = null
  }

  readStats(): ResponseStats {
    return this.meter?.readStats() ?? this.emptyStats
  }

  get ended(): boolean {
    return this.meter?.ended === true
  }

  push(chunk: Buffer): void {
    if (this.meter === null) {
      const first = chunk[skipSpace(chunk, 0)]
      // White space ahead of an answer keeps the connection alive, and says nothing.
      if (first === undefined) return
      this.meter = createMeter(first, this.forms)
    }
    this.meter.push(chunk)
  }

  end(): void {
    this.meter?.end()
  }
}
