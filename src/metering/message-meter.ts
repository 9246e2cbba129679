import { isObject } from '../json/values.js'
import { readEvent } from './event-fields.js'
import { DirectMeter, type Meter } from './meter.js'
import { ResponseStats } from './response-stats.js'

/** Deltas whose text is audio in base64: `response.output_audio.delta`, `response.audio.delta`. */
const AUDIO_DELTA = /audio\.delta$/

/** Reads the events of one response that comes over a WebSocket, each a message of its own. It never throws. */
export class MessageMeter extends DirectMeter implements Meter {
  private readonly stats: ResponseStats

  constructor() {
    super()
    this.stats = new ResponseStats()
  }

  readStats(): ResponseStats {
    return this.stats
  }

  get ended(): boolean {
    return this.stats.ended
  }

  /** @param chunk one whole message */
  push(chunk: Buffer): void {
    try {
      this.read(JSON.parse(chunk.toString()))
    } catch {
      this.stats.events++
      this.stats.unparsed++
    }
  }

  end(): void {
    // Nothing waits to be read.
  }

  /** @param event parsed JSON of any type */
  read(event: unknown): void {
    const { stats } = this
    stats.events++
    if (!isObject(event)) {
      stats.unparsed++
      return
    }
    if (typeof event.type === 'string' && AUDIO_DELTA.test(event.type)) {
      stats.firstTokenAt ??= performance.now()
      return
    }
    readEvent(event, stats)
  }

  /** Counts a message that was too long to be kept. @param facts what `LongJson` read of it */
  skip(facts: unknown): void {
    const { stats } = this
    stats.events++
    stats.unparsed++
    if (!isObject(facts)) return
    try {
      readEvent(facts, stats)
    } catch {
      // It counts as unparsed already.
    }
  }

  /** Realtime names its model when a session begins, and not in its responses. */
  nameModel(model: string | null): void {
    this.stats.model ??= model
  }
}
