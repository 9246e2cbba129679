import { isObject, parseJson } from '../json/values.js'
import { AwsEventReader, type AwsMessage, type AwsMessageHandler } from '../sse/aws-event-stream.js'
import { findConverseEvent, readConverseEvent } from './converse-fields.js'
import { readEvent } from './event-fields.js'
import { LONGEST } from './long-json.js'
import { DirectMeter, type Meter } from './meter.js'
import { ResponseStats } from './response-stats.js'
import type { UsageForm } from './usage-forms.js'

/**
 * Reads a stream of Bedrock beside its way to the client: events of Converse, or those of the model's own API in
 * base64. What cannot be read counts as `unparsed`.
 */
export class AwsStreamMeter extends DirectMeter implements Meter, AwsMessageHandler {
  private readonly stats: ResponseStats
  private readonly reader: AwsEventReader
  private hasEnded: boolean

  constructor(forms?: readonly UsageForm[]) {
    super()
    this.stats = new ResponseStats(forms)
    this.reader = new AwsEventReader(this, LONGEST)
    this.hasEnded = false
  }

  readStats(): ResponseStats {
    return this.stats
  }

  get ended(): boolean {
    return this.stats.ended
  }

  push(chunk: Buffer): void {
    if (!this.hasEnded) this.reader.push(chunk)
  }

  end(): void {
    if (this.hasEnded) return
    this.hasEnded = true
    if (this.reader.isMidMessage) this.onUnreadable()
  }

  onMessage({ headers, payload }: AwsMessage): void {
    const { stats } = this
    stats.events++
    const kind = headers.get(':message-type')
    if (kind === 'exception' || kind === 'error') {
      stats.setError((headers.get(':exception-type') ?? headers.get(':error-code') ?? kind).slice(0, 100))
      stats.ended = true
      return
    }
    const event = parseJson(payload.toString('utf8'))
    const name = headers.get(':event-type')
    if (!isObject(event) || name === undefined) this.countUnparsed()
    else if (name !== 'chunk') readConverseEvent(name, event, stats)
    else if (typeof event.bytes === 'string') this.readModelEvent(Buffer.from(event.bytes, 'base64'))
  }

  onUnreadable(): void {
    this.stats.events++
    this.countUnparsed()
  }

  /** Reads an event of the model's own API. */
  private readModelEvent(bytes: Buffer): void {
    const event = parseJson(bytes.toString('utf8'))
    const converse = findConverseEvent(event)
    if (converse !== null) readConverseEvent(converse[0], converse[1], this.stats)
    else readEvent(event, this.stats)
  }

  private countUnparsed(): void {
    this.stats.unparsed++
    this.stats.ended = false
  }
}
