import { parseJson } from '../../json/values.js'
import type { StreamCall } from './stream-calls.js'

/**
 * An event that has nothing but a part of one call's arguments. Most of the following events differ from it in this
 * part only, and need not be parsed (bench `unwrap_calls`).
 */
export class ArgumentsTemplate {
  readonly call: StreamCall
  private readonly before: Buffer
  private readonly after: Buffer

  /**
   * @param start of the arguments in the event, quotes included
   * @param end behind the arguments
   */
  constructor(event: Buffer, call: StreamCall, start: number, end: number) {
    this.call = call
    this.before = Buffer.from(event.subarray(0, start))
    this.after = Buffer.from(event.subarray(end))
  }

  /** The arguments in another event; null if that event differs in more. */
  match(event: Buffer): string | null {
    const { before, after } = this
    const end = event.length - after.length
    if (end < before.length || event.compare(before, 0, before.length, 0, before.length) !== 0) return null
    if (event.compare(after, 0, after.length, end) !== 0) return null
    const args = parseJson(event.toString('utf8', before.length, end))
    return typeof args === 'string' ? args : null
  }

  /** The event with other arguments. */
  fill(args: string): Buffer {
    return Buffer.concat([this.before, Buffer.from(JSON.stringify(args)), this.after])
  }
}
