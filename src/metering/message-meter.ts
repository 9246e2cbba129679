import { isObject, type JsonObject, readCount } from '../json/values.js'
import { readEvent } from './event-fields.js'
import type { Meter } from './meter.js'
import { ResponseStats } from './response-stats.js'
import { readTrailingUsage } from './trailing-usage.js'

/** Deltas whose text is audio in base64: `response.output_audio.delta`, `response.audio.delta`. */
const AUDIO_DELTA = /audio\.delta$/

/** Reads the events of one response that comes over a WebSocket, each a message of its own. It never throws. */
export class MessageMeter implements Meter {
  private readonly stats: ResponseStats

  constructor() {
    this.stats = new ResponseStats()
  }

  readStats(): ResponseStats {
    return this.stats
  }

  get ended(): boolean {
    return this.stats.ended
  }

  get isRead(): boolean {
    return true
  }

  whenRead(callback: () => void): void {
    callback()
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
    readRealtimeUsage(isObject(event.response) ? event.response.usage : event.usage, stats)
  }

  /**
   * Counts a message that was too long to be kept.
   * @param end its last bytes
   * @param isLast it ends the response, so that the usage stands there
   */
  skip(end: Buffer, isLast: boolean): void {
    this.stats.events++
    this.stats.unparsed++
    if (isLast) readTrailingUsage(end, this.stats)
  }

  /** Realtime names its model when a session begins, and not in its responses. */
  nameModel(model: string | null): void {
    this.stats.model ??= model
  }
}

/**
 * Reads the details that the Realtime API names in its own way (API reference, Realtime, `response.done`):
 * `input_token_details` with the cached tokens and the parts that are audio, text and images.
 */
function readRealtimeUsage(usage: unknown, stats: ResponseStats): void {
  if (!isObject(usage)) return
  const { input_token_details: input, output_token_details: output } = usage
  if (!isObject(input) && !isObject(output)) return
  const audioPrompt = countOf(input, 'audio_tokens')
  const audioCompletion = countOf(output, 'audio_tokens')
  const imagePrompt = countOf(input, 'image_tokens')
  const details = stats.usage?.details ?? null
  const hasDetails = audioPrompt !== null || audioCompletion !== null || imagePrompt !== null
  stats.mergeUsage({
    prompt: readCount(usage.input_tokens),
    cached: countOf(input, 'cached_tokens'),
    cacheWritten: null,
    completion: readCount(usage.output_tokens),
    reasoning: countOf(output, 'reasoning_tokens'),
    details: hasDetails
      ? {
          cacheWrittenHour: details?.cacheWrittenHour ?? null,
          audioPrompt,
          audioCompletion,
          imagePrompt,
          imageCompletion: details?.imageCompletion ?? null,
          searches: details?.searches ?? null,
          tier: details?.tier ?? null,
          costNano: details?.costNano ?? null,
          passes: details?.passes ?? null,
        }
      : null,
  })
}

function countOf(details: unknown, name: string): number | null {
  return isObject(details) ? readCount((details as JsonObject)[name]) : null
}
