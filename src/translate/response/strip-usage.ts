import type { ResponseFacts } from '../../http/response-headers.js'
import { Eventwise } from './event-transform.js'

const NOTHING = Buffer.alloc(0)

/** An event is held until it is whole, up to so many bytes. One that is longer passes as it comes. */
const LONGEST_HELD = 1024 * 1024

const USAGE = Buffer.from('"usage"')
/** Outside of strings, where a quote has a backslash before it, this is a member. The comma before it goes with it, or else that behind. */
const NULL_USAGE = /,\s*"usage"\s*:\s*null|"usage"\s*:\s*null\s*,/g
/** The same where an event breaks off: the member, or what may become its name. */
const BROKEN_USAGE = /[{,]\s*(?:"usage"|(?:"u?s?a?g?e?)?$)/
const NO_CHOICE = /"choices"\s*:\s*\[\s*\]/

/**
 * Takes out of a chat completion's stream what is there only because the relay asked for it, and the client did not: the
 * chunk with the usage and no choice, and `"usage":null` in all others (API reference, Create chat completion,
 * `stream_options.include_usage`). What is left are the bytes that the client would have got; usage that upstreams tell
 * with a choice stays.
 */
export class UsageStripper extends Eventwise {
  constructor() {
    super(LONGEST_HELD)
  }

  protected change(event: Buffer): Buffer {
    return withoutUsage(event)
  }

  protected changeBroken(event: Buffer): Buffer {
    const last = withoutUsage(event)
    if (read(last) !== null) return last
    const text = last.toString('latin1')
    const at = text.search(BROKEN_USAGE)
    if (at === -1) return last
    return NO_CHOICE.test(text) ? NOTHING : last.subarray(0, at)
  }
}

/** Whether an answer with this head is a stream that usage can be taken out of. */
export function hasUsageField(
  status: number,
  facts: Pick<ResponseFacts, 'eventStream' | 'encoding'>,
): boolean {
  return status < 300 && facts.eventStream && facts.encoding === null
}

/** @param event a whole one @returns nothing if all of it was unasked for */
function withoutUsage(event: Buffer): Buffer {
  if (!event.includes(USAGE)) return event
  const chunk = read(event)
  if (chunk === null) return event
  if (chunk.usage === null) {
    const text = event.toString('latin1')
    const found = [...text.matchAll(NULL_USAGE)]
    return found.length === 1 ? Buffer.from(text.replace(NULL_USAGE, ''), 'latin1') : event
  }
  const alone = Array.isArray(chunk.choices) && chunk.choices.length === 0 && typeof chunk.usage === 'object'
  return alone ? NOTHING : event
}

/** The object that an event has, if it has one and in one line. */
function read(event: Buffer): Readonly<Record<string, unknown>> | null {
  const lines = event
    .toString('utf8')
    .split(/\r\n|\r|\n/)
    .filter((line) => line.startsWith('data:'))
  try {
    const chunk: unknown = lines.length === 1 ? JSON.parse((lines[0] as string).slice(5)) : null
    return typeof chunk === 'object' ? (chunk as Record<string, unknown> | null) : null
  } catch {
    return null
  }
}
