import { parseJson } from '../../json/values.js'
import { createView } from '../../lib/same-bytes.js'
import { EventForm } from '../../sse/event-form.js'

/** What an event does with its text, and with its counts: the same for each event of one form. */
export type TextReceiver = (text: string, form: EventForm) => void

/** After so many forms that no event had again, only some of the events that follow are looked at for one. */
const MOST_FAILURES = 4
const SOME = 16

/**
 * Reads events that have the form of the last one, without parsing them: nearly all of a stream. It knows one form, and
 * only until an event of another form: that may change what the next one of this form does.
 */
export class RepeatedEvents {
  private form: EventForm | null
  /** Null until the last event had the form. */
  private receiver: TextReceiver | null
  /** Forms since the last one that an event had again, and events since the last of these. */
  private failures: number
  private passed: number

  constructor() {
    this.form = null
    this.receiver = null
    this.failures = 0
    this.passed = 0
  }

  /**
   * Hands on the texts of events of the known form.
   * @param chunk begins with an event
   * @returns where the first event begins that has another form, or is not complete
   */
  read(chunk: Buffer): number {
    const { form, receiver } = this
    if (form === null || receiver === null) return 0
    const view = createView(chunk)
    let at = 0
    while (at < chunk.length) {
      const end = form.match(chunk, view, at)
      const text = end === -1 ? null : readText(form, chunk)
      if (text === null) break
      receiver(text, form)
      at = end
    }
    if (at > 0) this.failures = 0
    if (at < chunk.length) this.receiver = null
    return at
  }

  /** Whether a chunk has nothing but events of the known form, whose texts do not matter. */
  covers(chunk: Buffer): boolean {
    const { form } = this
    if (form === null) return false
    const view = createView(chunk)
    let at = 0
    while (at < chunk.length) {
      at = form.match(chunk, view, at)
      if (at === -1) return false
    }
    this.failures = 0
    return true
  }

  /**
   * Learns the form of the last event of a chunk, which was parsed.
   * @param chunk begins and ends with an event
   * @param said the event's text; without it, only `covers` may be asked
   * @param isCounted whether the counts of the form are those that were read of the event
   */
  learn(
    chunk: Buffer,
    said: string | null = null,
    receiver: TextReceiver | null = null,
    isCounted: (form: EventForm) => boolean = () => true,
  ): void {
    const event = lastEvent(chunk)
    if (this.form !== null && isOf(this.form, event, said)) {
      this.receiver = receiver
      return
    }
    if (this.failures >= MOST_FAILURES && ++this.passed % SOME !== 0) return
    this.failures++
    const form = EventForm.of(event)
    this.form = form !== null && isOf(form, event, said) && isCounted(form) ? form : null
    this.receiver = receiver
  }
}

function isOf(form: EventForm, event: Buffer, said: string | null): boolean {
  if (form.match(event, createView(event), 0) !== event.length) return false
  return said === null || readText(form, event) === said
}

/** The text of the event that matched last; null if it is no text. */
function readText(form: EventForm, chunk: Buffer): string | null {
  const { textStart, textEnd } = form
  if (!form.hasEscapes) return chunk.toString('utf8', textStart, textEnd)
  const text = parseJson(chunk.toString('utf8', textStart - 1, textEnd + 1))
  return typeof text === 'string' ? text : null
}

/** An event whose lines end with CR alone is not found, and has no form. */
function lastEvent(chunk: Buffer): Buffer {
  const lineFeeds = chunk.lastIndexOf('\n\n', chunk.length - 3)
  const both = chunk.lastIndexOf('\r\n\r\n', chunk.length - 5)
  const start = Math.max(lineFeeds === -1 ? 0 : lineFeeds + 2, both === -1 ? 0 : both + 4)
  return start === 0 ? chunk : chunk.subarray(start)
}
