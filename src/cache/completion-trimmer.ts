import { isUtf8 } from 'node:buffer'
import { isObject, type JsonObject, parseJson } from '../json/values.js'
import { DATA, findValue, isComment, isField } from '../sse/fields.js'
import { LineFinder } from '../sse/line-finder.js'
import type { CachedResponse } from './cached-response.js'

/**
 * An answer as it can be typed into: one text, in one JSON object or in the events of a stream. Typed characters are taken
 * out of it and nothing is put in, so that all that is left are the upstream's bytes.
 *
 * It is read only where all of it is understood. A member with an unknown name may be a second copy of the text, or say
 * something of it that is not true of the rest; what has one is not read at all, and the upstream is asked.
 */
export class CompletionTrimmer {
  readonly text: string
  private readonly body: Buffer
  private readonly eventStream: boolean

  private constructor(text: string, body: Buffer, eventStream: boolean) {
    this.text = text
    this.body = body
    this.eventStream = eventStream
  }

  /** @returns null if it cannot be read surely, or the model did not end it of its own accord */
  static of(answer: CachedResponse): CompletionTrimmer | null {
    const { facts } = answer.head
    const body = answer.chunk()
    if (facts.encoding !== null || !(facts.eventStream || facts.json) || !isUtf8(body)) return null
    let text = ''
    let ended = false
    for (const part of partsOf(body, facts.eventStream)) {
      // Its reason comes once, and no text behind it.
      if (part === null || (ended && (part.finish !== null || part.text !== ''))) return null
      if (part.finish !== null && !ENDED.has(part.finish)) return null
      ended ||= part.finish !== null
      text += part.text
    }
    return ended ? new CompletionTrimmer(text, body, facts.eventStream) : null
  }

  /**
   * The body without so many characters of the text, of which some are left.
   * @param typed UTF-16 units; the last one is no half of a character
   */
  restAfter(typed: number): Buffer | null {
    const kept: Buffer[] = []
    let from = 0
    let left = typed
    // Of many events, often only the first few were typed.
    for (const part of partsOf(this.body, this.eventStream)) {
      if (left === 0 || part === null) break
      const { length } = part.text
      if (length === 0) continue
      // What says something else, too, is left with an empty text.
      const cut = left >= length && part.bare ? part : trimmed(this.body, part, Math.min(left, length))
      if (cut === null) return null
      kept.push(this.body.subarray(from, cut.start))
      from = cut.end
      left -= Math.min(left, length)
    }
    kept.push(this.body.subarray(from))
    return Buffer.concat(kept)
  }
}

/** An object that has a piece of the text. */
interface Part {
  /** Of the event that it is, blank line included. */
  readonly start: number
  readonly end: number
  /** Of the object. */
  readonly jsonStart: number
  readonly jsonEnd: number
  readonly text: string
  /** Of the member that has it. */
  readonly name: 'text' | 'content'
  readonly finish: string | null
  /** It says nothing but its text. */
  readonly bare: boolean
}

/** Members of an answer of which none has text in it; of those that are null, any name will do. */
const OF_ANSWER = new Set([
  'choices',
  'created',
  'id',
  'model',
  'object',
  'obfuscation',
  'p',
  'provider',
  'service_tier',
  'system_fingerprint',
  'timings',
  'usage',
])
const OF_CHOICE = new Set([
  'delta',
  'finish_reason',
  'index',
  'matched_stop',
  'message',
  'native_finish_reason',
  'stop_reason',
  'text',
])
const OF_MESSAGE = new Set(['content', 'role'])

/** The model had no more to say: `eos` is Together's word. Of what was cut off, a longer prompt would have got more. */
const ENDED = new Set(['stop', 'eos'])

const DONE = '[DONE]'

/** One by one; the last is null where it cannot be read on. */
function partsOf(body: Buffer, eventStream: boolean): Iterable<Part | null> {
  return eventStream ? eventsOf(body) : [partOf(body, 0, body.length)]
}

/** Null of a stream that has anything but comments and events of one line of data, the last of them `[DONE]`. */
function* eventsOf(body: Buffer): Iterable<Part | null> {
  const lines = new LineFinder()
  let data: { readonly start: number; readonly json: number; readonly end: number } | null = null
  let commented = false
  let done = false
  for (let at = 0; at < body.length; ) {
    const found = lines.findLineEnd(body, at)
    const lineEnd = found === -1 ? body.length : found
    const end = found === -1 ? body.length : lines.nextLine
    if (lineEnd === at) {
      if (data !== null) yield partOf(body, data.json, data.end, { start: data.start, end })
      data = null
      commented = false
    } else if (isComment(body, at, lineEnd) && data === null) commented = true
    else if (!isField(body, at, lineEnd, DATA) || data !== null || commented || done) return yield null
    else {
      const json = findValue(body, at, lineEnd, DATA)
      if (body.toString('latin1', json, lineEnd).trim() === DONE) done = true
      else data = { start: at, json, end: lineEnd }
    }
    at = end
  }
  if (!done || data !== null) yield null
}

/** @returns null if it cannot be read surely */
function partOf(
  body: Buffer,
  jsonStart: number,
  jsonEnd: number,
  event?: Pick<Part, 'start' | 'end'>,
): Part | null {
  const answer = parseJson(body.toString('utf8', jsonStart, jsonEnd))
  if (!isObject(answer) || !hasOnly(answer, OF_ANSWER)) return null
  const { choices, usage } = answer
  if (!Array.isArray(choices) || choices.length > 1) return null
  const [choice] = choices as unknown[]
  const place = { start: event?.start ?? 0, end: event?.end ?? 0, jsonStart, jsonEnd }
  if (choice === undefined) return { ...place, text: '', name: 'text', finish: null, bare: false }
  if (!isObject(choice) || !hasOnly(choice, OF_CHOICE) || (choice.index ?? 0) !== 0) return null
  const message = choice.delta ?? choice.message ?? null
  if (message !== null && (!isObject(message) || !hasOnly(message, OF_MESSAGE))) return null
  const name = isObject(message) ? 'content' : 'text'
  // Some say it twice, in both of their APIs' ways.
  if (isObject(message) && !isNothing(choice.text)) return null
  const text = (isObject(message) ? message.content : choice.text) ?? ''
  const finish = isNothing(choice.finish_reason) ? null : choice.finish_reason
  if (typeof text !== 'string' || (finish !== null && typeof finish !== 'string')) return null
  const bare =
    event !== undefined &&
    finish === null &&
    isNothing(usage) &&
    !(isObject(message) && !isNothing(message.role))
  return { ...place, text, name, finish, bare }
}

/**
 * Where the first characters of a part's text stand.
 * @returns null if they are not where they are looked for, which is proved by what is left
 */
function trimmed(body: Buffer, part: Part, units: number): Span | null {
  const json = body.toString('utf8', part.jsonStart, part.jsonEnd)
  // A quote within a string has a backslash before it.
  const match = new RegExp(`(?<!\\\\)"${part.name}"\\s*:\\s*"`).exec(json)
  if (match === null) return null
  const from = match.index + match[0].length
  let at = from
  for (let n = 0; n < units; n++) at += json[at] !== '\\' ? 1 : json[at + 1] === 'u' ? 6 : 2
  const rest = json.slice(0, from) + json.slice(at)
  if (!isSameBut(parseJson(json), parseJson(rest), part.text, part.text.slice(units))) return null
  const start = part.jsonStart + Buffer.byteLength(json.slice(0, from))
  return { start, end: start + Buffer.byteLength(json.slice(from, at)) }
}

interface Span {
  readonly start: number
  readonly end: number
}

/** Whether two values differ in nothing but that one text of the first, alone in it, is another one in the second. */
function isSameBut(one: unknown, other: unknown, text: string, rest: string): boolean {
  let others = 0
  const changed = JSON.stringify(one, (name, value: unknown) => {
    if (value !== text || (name !== 'text' && name !== 'content')) return value
    others++
    return rest
  })
  return others === 1 && changed === JSON.stringify(other)
}

function hasOnly(object: JsonObject, names: ReadonlySet<string>): boolean {
  return Object.entries(object).every(([name, value]) => isNothing(value) || names.has(name))
}

/** What upstreams write where they have nothing to say. */
function isNothing(value: unknown): boolean {
  return (
    value === null ||
    value === undefined ||
    value === false ||
    value === '' ||
    (Array.isArray(value) && value.length === 0)
  )
}
