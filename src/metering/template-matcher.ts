import { EventTemplate } from './event-template.js'
import type { ResponseStats } from './response-stats.js'

/**
 * Counts events that differ from an earlier one only in their text, without decoding or parsing them. It knows the two
 * templates that matched last: some streams alternate between two kinds of text events.
 */
export class TemplateMatcher {
  private readonly stats: ResponseStats
  /** The template that matched last. */
  private recent: EventTemplate | null
  private older: EventTemplate | null
  /** The template of the event that the last chunk ended in, which matches as far as the event came. */
  private open: EventTemplate | null

  /** @param stats counts the events that match */
  constructor(stats: ResponseStats) {
    this.stats = stats
    this.recent = null
    this.older = null
    this.open = null
  }

  /** The last chunk ended within an event that matches so far. The next chunk goes to `resume`. */
  get isMidEvent(): boolean {
    return this.open !== null
  }

  /**
   * Learns the form of an event that was parsed and said nothing but text.
   * @param event the whole event; its lines end with LF
   * @param textBytes UTF-8 bytes of its text
   */
  learn(event: Buffer, textBytes: number): void {
    const template = EventTemplate.of(event, textBytes, this.stats.origin, this.stats.estimator)
    if (template === null) return
    this.older = this.recent
    this.recent = template
  }

  /**
   * Counts the events that match from here on.
   * @param view of the whole chunk
   * @param from where an event begins
   * @returns where the first event begins that does not match, or (`isMidEvent`) that continues in the next chunk
   */
  match(chunk: Buffer, view: DataView, from: number): number {
    let at = from
    while (at < chunk.length && this.recent !== null) {
      const { recent, older } = this
      let template = recent
      let next = this.walk(recent, chunk, view, at)
      if (next === at && recent.begunBytes === 0) {
        if (older === null) break
        template = older
        next = this.walk(older, chunk, view, at)
        if (next === at && older.begunBytes === 0) break
        this.recent = older
        this.older = recent
      }
      at = next
      if (template.begunBytes > 0) {
        this.open = template
        break
      }
    }
    return at
  }

  /**
   * Continues the event that the last chunk ended in, and then as `match` does.
   * @returns as `match` does; less than `from` if that event is not complete yet (`isMidEvent`), or does not match
   * after all
   */
  resume(chunk: Buffer, view: DataView, from: number): number {
    const { open } = this
    if (open === null) return this.match(chunk, view, from)
    const next = this.walk(open, chunk, view, from)
    if (open.begunBytes > 0) return next
    this.open = null
    return next < from ? next : this.match(chunk, view, next)
  }

  /** The stream is over within an event that matched so far, which then was not counted. */
  abandon(): void {
    this.open?.forget()
    this.open = null
  }

  private walk(template: EventTemplate, chunk: Buffer, view: DataView, at: number): number {
    const { stats } = this
    // The last model and tier that were named count. An event of this template would name those of the event that it
    // was made from.
    if (template.origin !== stats.origin) return at
    const next = template.walk(chunk, view, at)
    const { events } = template
    if (events > 0) {
      stats.events += events
      stats.ended = false
      stats.addDeltas(events, template.textBytes)
    }
    return next
  }
}
