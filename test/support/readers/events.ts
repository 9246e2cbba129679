import * as assert from 'uvu/assert'

/** A parsed JSON object whose members a reader checks one by one. */
// biome-ignore lint/suspicious/noExplicitAny: a reader checks what it reads
export type Fields = Record<string, any>

/** An event of a stream, as it stands on the wire. */
export interface WireEvent {
  /** Null if the event has no name. */
  readonly name: string | null
  readonly data: string
}

/** What a client has read of a stream. */
export interface ReadAnswer {
  /** Null if the stream is not over. */
  end: 'finish' | 'error' | null
  text: string
  reasoning: string
  refusal: string
  readonly calls: ReadCall[]
  /** Finish reason, status or stop reason, in the API's own words. */
  reason: string | null
  usage: Fields | null
  error: Fields | null
  /** The whole object that the last event has, or null. */
  whole: Fields | null
}

export interface ReadCall {
  readonly id: string
  readonly name: string
  readonly isCustom: boolean
  input: string
}

export function createAnswer(): ReadAnswer {
  return {
    end: null,
    text: '',
    reasoning: '',
    refusal: '',
    calls: [],
    reason: null,
    usage: null,
    error: null,
    whole: null,
  }
}

/**
 * Splits a stream strictly: an event is at most one `event` line, one `data` line and a blank line; a comment stands
 * alone. Comments are left out.
 */
export function splitEvents(text: string): WireEvent[] {
  const blocks = text.split('\n\n')
  assert.is(blocks.pop(), '', 'the stream ends with a blank line')
  const events: WireEvent[] = []
  for (const block of blocks) {
    const lines = block.split('\n')
    if (lines.length === 1 && block.startsWith(':')) continue
    const name = lines.length === 2 ? /^event: ([a-z_.]+)$/.exec(lines.shift() as string)?.[1] : null
    const data = lines.length === 1 ? /^data: ([^\r\n]+)$/.exec(lines[0] as string)?.[1] : undefined
    if (name === undefined || data === undefined) throw new Error(`an odd event: ${block}`)
    events.push({ name, data })
  }
  return events
}

/** Fails unless the object has these members and no others. */
export function requireMembers(object: unknown, names: string): asserts object is Fields {
  assert.ok(typeof object === 'object' && object !== null && !Array.isArray(object), 'it is an object')
  assert.equal(Object.keys(object as Fields).sort(), names.split(' ').sort())
}

/** Fails unless the value is a whole number that is not negative. */
export function requireCount(value: unknown): void {
  assert.ok(Number.isSafeInteger(value) && (value as number) >= 0, `${value} is a count`)
}

export function requireText(value: unknown): void {
  assert.ok(typeof value === 'string' && value !== '', 'it is a text that is not empty')
}

/** Fails unless the error has OpenAI's four members. */
export function requireOpenAIError(error: unknown): void {
  requireMembers(error, 'message type param code')
  requireText(error.message)
  assert.type(error.type, 'string')
}
