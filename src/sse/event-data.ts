import { LF } from '../lib/bytes.js'
import { DATA, findValue, isField, skipByteOrderMark } from './fields.js'
import { LineFinder } from './line-finder.js'

/** Positions of bytes in an event. */
export interface Span {
  readonly start: number
  readonly end: number
}

/**
 * Finds the data of an event that has it in one line, as all LLM APIs write it.
 * @param event one whole event as bytes, or what came of it before the stream broke off
 * @returns the value of the `data` field; null if the event has no such line, or several
 */
export function findOnlyData(event: Buffer): Span | null {
  const spans = findData(event)
  return spans.length === 1 ? (spans[0] as Span) : null
}

/** @param event one whole event as bytes @returns its data, the lines joined with LF; null if it has no `data` line */
export function readData(event: Buffer): string | null {
  const spans = findData(event)
  return spans.length === 0
    ? null
    : spans.map(({ start, end }) => event.toString('utf8', start, end)).join('\n')
}

/** The values of all `data` lines. */
function findData(event: Buffer): Span[] {
  const lines = new LineFinder()
  const spans: Span[] = []
  // A byte order mark stands at the beginning of a stream only, and whether this event stands there is not known here.
  let start = skipByteOrderMark(event, 0, event.length)
  while (start < event.length) {
    const lineEnd = lines.findLineEnd(event, start)
    const end = lineEnd === -1 ? event.length : lineEnd
    if (isField(event, start, end, DATA)) spans.push({ start: findValue(event, start, end, DATA), end })
    if (lineEnd === -1) break
    start = lines.nextLine
  }
  return spans
}

/** Whether a chunk ends with a blank line, and so with an event: nearly every chunk of an LLM does. */
export function endsWithEvent(chunk: Buffer): boolean {
  const { length } = chunk
  return length >= 2 && chunk[length - 1] === LF && chunk[length - 2] === LF
}
