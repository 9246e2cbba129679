import type { ResponseFacts } from '../../http/response-headers.js'
import { EMPTY } from '../../lib/bytes.js'
import { findOnlyData } from '../../sse/event-data.js'
import { EventTransform } from './event-transform.js'

/** In bytes. A longer event passes as it comes. */
const LONGEST_HELD = 1024 * 1024

const USAGE = Buffer.from('"usage"')
/**
 * The member with the comma ahead of it, or else the comma behind it. It cannot be inside a string, where quotes have a
 * backslash.
 */
const NULL_USAGE = /,\s*"usage"\s*:\s*null|"usage"\s*:\s*null\s*,/g
/** The same in an event that breaks off: the member, or a beginning of its name. */
const BROKEN_USAGE = /[{,]\s*(?:"usage"|(?:"u?s?a?g?e?)?$)/
const NO_CHOICE = /"choices"\s*:\s*\[\s*\]/

/**
 * Removes the usage that only the relay has asked for from a stream of chat completions: the chunk with usage and no
 * choice, and `"usage":null` in all others (API reference, Create chat completion, `stream_options.include_usage`). The
 * client gets the bytes that it would have got without the relay. Usage beside a choice stays.
 */
export class UsageStripper extends EventTransform {
  constructor() {
    super(LONGEST_HELD)
  }

  protected change(event: Buffer): Buffer {
    return stripUsage(event)
  }

  protected changeBroken(event: Buffer): Buffer {
    const last = stripUsage(event)
    if (readChunk(last) !== null) return last
    const text = last.toString('latin1')
    const at = text.search(BROKEN_USAGE)
    if (at === -1) return last
    return NO_CHOICE.test(text) ? EMPTY : last.subarray(0, at)
  }
}

/** Whether a response with this head is a stream that the stripper can read. */
export function hasUsageField(
  status: number,
  facts: Pick<ResponseFacts, 'eventStream' | 'encoding'>,
): boolean {
  return status < 300 && facts.eventStream && facts.encoding === null
}

/** @param event complete @returns no bytes for a usage chunk */
function stripUsage(event: Buffer): Buffer {
  if (!event.includes(USAGE)) return event
  const chunk = readChunk(event)
  if (chunk === null) return event
  if (chunk.usage === null) {
    const text = event.toString('latin1')
    const found = [...text.matchAll(NULL_USAGE)]
    return found.length === 1 ? Buffer.from(text.replace(NULL_USAGE, ''), 'latin1') : event
  }
  const isUsageChunk =
    Array.isArray(chunk.choices) && chunk.choices.length === 0 && typeof chunk.usage === 'object'
  return isUsageChunk ? EMPTY : event
}

/** The object in the data of an event; null if the data is on several lines, or is no object. */
function readChunk(event: Buffer): Readonly<Record<string, unknown>> | null {
  const data = findOnlyData(event)
  if (data === null) return null
  try {
    const chunk: unknown = JSON.parse(event.toString('utf8', data.start, data.end))
    return typeof chunk === 'object' ? (chunk as Record<string, unknown> | null) : null
  } catch {
    return null
  }
}
