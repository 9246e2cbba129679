import { isUtf8 } from 'node:buffer'
import { isObject, type JsonObject, parseJson } from '../json/values.js'
import { DATA, findValue, isComment, isField } from '../sse/fields.js'
import { LineFinder } from '../sse/line-finder.js'
import type { CachedResponse } from './cached-response.js'

/**
 * Removes the beginning of a cached completion that the user has typed since. The completion is one JSON object, or the
 * events of a stream. Bytes are only removed, never added, so that all that is left came from the upstream.
 *
 * A response with an unknown member is not trimmed: the member may repeat the text, or describe a part that is removed.
 * The request then goes to the upstream.
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

  /** Reads a cached response. @returns null if it is not fully understood, or the model did not stop by itself */
  static of(answer: CachedResponse): CompletionTrimmer | null {
    const { facts } = answer.head
    const body = answer.chunk()
    if (facts.encoding !== null || !(facts.eventStream || facts.json) || !isUtf8(body)) return null
    let text = ''
    let ended = false
    for (const part of partsOf(body, facts.eventStream)) {
      // The finish reason comes once, and no text follows it.
      if (part === null || (ended && (part.finish !== null || part.text !== ''))) return null
      if (part.finish !== null && !ENDED.has(part.finish)) return null
      ended ||= part.finish !== null
      text += part.text
    }
    return ended ? new CompletionTrimmer(text, body, facts.eventStream) : null
  }

  /**
   * Returns the body without the first `typed` characters of its text.
   * @param typed UTF-16 units, fewer than the text has; must not split a surrogate pair
   */
  restAfter(typed: number): Buffer | null {
    const kept: Buffer[] = []
    let from = 0
    let left = typed
    // Stops early: often only the first few events are affected.
    for (const part of partsOf(this.body, this.eventStream)) {
      if (left === 0 || part === null) break
      const { length } = part.text
      if (length === 0) continue
      // An event that has other members too stays, with an empty text.
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

/** A JSON object with a part of the text. */
interface Part {
  /** Range of the event, with its blank line. */
  readonly start: number
  readonly end: number
  /** Range of the JSON object. */
  readonly jsonStart: number
  readonly jsonEnd: number
  readonly text: string
  /** Name of the member with the text. */
  readonly name: 'text' | 'content'
  readonly finish: string | null
  /** The event has no information but the text. */
  readonly bare: boolean
}

/** Known members of a response without text of their own. Members that are null may have any name. */
const RESPONSE_MEMBERS = new Set([
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
const CHOICE_MEMBERS = new Set([
  'delta',
  'finish_reason',
  'index',
  'matched_stop',
  'message',
  'native_finish_reason',
  'stop_reason',
  'text',
])
const MESSAGE_MEMBERS = new Set(['content', 'role'])

/** Reasons of a model that stopped by itself (`eos`: Together). A longer prompt would get more of a cut completion. */
const ENDED = new Set(['stop', 'eos'])

const DONE = '[DONE]'

/** Yields the parts in order; null, as the last, where the body is not understood. */
function partsOf(body: Buffer, eventStream: boolean): Iterable<Part | null> {
  return eventStream ? eventsOf(body) : [partOf(body, 0, body.length)]
}

/** Yields null if the stream has anything but comments and one-line data events, the last of them `[DONE]`. */
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

/** Reads one JSON object. @returns null if it is not fully understood */
function partOf(
  body: Buffer,
  jsonStart: number,
  jsonEnd: number,
  event?: Pick<Part, 'start' | 'end'>,
): Part | null {
  const answer = parseJson(body.toString('utf8', jsonStart, jsonEnd))
  if (!isObject(answer) || !hasOnly(answer, RESPONSE_MEMBERS)) return null
  const { choices, usage } = answer
  if (!Array.isArray(choices) || choices.length > 1) return null
  const [choice] = choices as unknown[]
  const place = { start: event?.start ?? 0, end: event?.end ?? 0, jsonStart, jsonEnd }
  if (choice === undefined) return { ...place, text: '', name: 'text', finish: null, bare: false }
  if (!isObject(choice) || !hasOnly(choice, CHOICE_MEMBERS) || (choice.index ?? 0) !== 0) return null
  const message = choice.delta ?? choice.message ?? null
  if (message !== null && (!isObject(message) || !hasOnly(message, MESSAGE_MEMBERS))) return null
  const name = isObject(message) ? 'content' : 'text'
  // Some upstreams send the text twice, in the forms of both APIs.
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
 * Finds the bytes of the first characters of a part's text.
 * @returns null if the JSON without these bytes does not have exactly the rest of the text
 */
function trimmed(body: Buffer, part: Part, units: number): Span | null {
  const json = body.toString('utf8', part.jsonStart, part.jsonEnd)
  // A quote within a string has a backslash before it, so this finds the member's own name.
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

/** Whether two values are equal, except that the one `text` of the first is `rest` in the second. */
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

/** Whether a value means an absent value: upstreams write it as null, false or something empty. */
function isNothing(value: unknown): boolean {
  return (
    value === null ||
    value === undefined ||
    value === false ||
    value === '' ||
    (Array.isArray(value) && value.length === 0)
  )
}
