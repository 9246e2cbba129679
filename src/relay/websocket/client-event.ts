import { COLON, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE } from '../../json/bytes.js'
import { collectModels } from '../../json/deep-models.js'
import { applyEdits, type Edit } from '../../json/edits.js'
import {
  findEvery,
  findMember,
  findOnly,
  findString,
  parseOutline,
  readText,
  type Value,
  WHOLE,
} from '../../json/outline.js'
import { type Peek, peekFields } from '../../json/peek.js'
import { decodeString, findLiteralEnd, findStringEnd, skipSpace, ValueScanner } from '../../json/scanner.js'

/** The event by which a client asks for a response, in the Responses and the Realtime API. */
export const CREATE = 'response.create'

/** The event by which a client of the Realtime API changes its session, models included. */
export const UPDATE = 'session.update'

/** Levels at which the settings of a session name models. */
const SESSION_DEPTH = 8

const PLAN = findOnly({
  type: WHOLE,
  model: WHOLE,
  stream_id: WHOLE,
  event_id: WHOLE,
  response: findOnly({ model: WHOLE }),
  session: findOnly({ model: WHOLE }),
})

/** An event of a client: one message. */
export class ClientEvent {
  readonly payload: Buffer
  /** Null if the message is no JSON object with a type. */
  readonly type: string | null
  /** Null if it names none. */
  readonly model: string | null
  readonly lane: string
  readonly eventId: string | null
  private readonly modelValue: Value | null
  private readonly response: Value | null

  constructor(payload: Buffer) {
    const outline = parseOutline(payload, PLAN)
    this.payload = payload
    this.type = readText(payload, findMember(outline, 'type'))
    this.response = findMember(outline, 'response')
    this.modelValue =
      findString(payload, findMember(outline, 'model')) ??
      findString(payload, findMember(this.response, 'model')) ??
      findString(payload, findMember(findMember(outline, 'session'), 'model'))
    this.model = readText(payload, this.modelValue)
    this.lane = readText(payload, findMember(outline, 'stream_id')) ?? ''
    this.eventId = readText(payload, findMember(outline, 'event_id'))
  }

  /** The JSON text that has the prompt. */
  get prompt(): Buffer {
    const { payload, response } = this
    return response === null ? payload : payload.subarray(response.start, response.end)
  }

  /** What a POST of the same would have at the top of its body. */
  peek(): Pick<Peek, 'references' | 'store' | 'background' | 'maxTokens' | 'maxOutputTokens'> {
    const outer = peekFields(this.payload)
    if (this.response === null) return outer
    const inner = peekFields(this.prompt)
    return { ...inner, references: [...outer.references, ...inner.references] }
  }

  /** Other readers may find another type in it: it has several, or none, or is not one JSON object. */
  get hasUnclearType(): boolean {
    const members = parseOutline(this.payload, findEvery())?.members ?? []
    return this.type === null || members.filter(({ key }) => key.toLowerCase() === 'type').length !== 1
  }

  /** Other readers may find another model in it: it names several, or is not one JSON object. */
  get isAmbiguous(): boolean {
    const { payload, response, model } = this
    const outer = peekFields(payload)
    if (!outer.isWhole || outer.modelCopies.length > 0) return true
    if (outer.sessionModel !== null && outer.sessionModel.value !== model) return true
    if (response === null) return false
    const inner = peekFields(this.prompt)
    return inner.modelCopies.length > 0 || (inner.model !== null && inner.model.value !== model)
  }

  /** All models of the session that it sets: null for one that is no text. */
  get sessionModels(): readonly (string | null)[] {
    return collectModels(this.payload, SESSION_DEPTH)
  }

  /** The same event with another model. */
  rename(model: string): Buffer {
    const { payload, modelValue } = this
    if (modelValue === null) return payload
    const edit: Edit = { start: modelValue.start, end: modelValue.end, text: JSON.stringify(model) }
    return Buffer.concat(applyEdits([payload], [edit]))
  }
}

/**
 * Finds the type of an event whose end may be missing.
 * @returns null if it is not there yet, or is no string
 */
export function findEventType(beginning: Buffer): string | null {
  const scanner = new ValueScanner()
  let at = skipSpace(beginning, 0)
  if (beginning[at] !== OPEN_BRACE) return null
  at = skipSpace(beginning, at + 1)
  while (beginning[at] === QUOTE) {
    const keyEnd = findStringEnd(beginning, at + 1)
    if (keyEnd === -1) return null
    const isType = decodeString(beginning, at, keyEnd) === 'type'
    const colon = skipSpace(beginning, keyEnd)
    if (beginning[colon] !== COLON) return null
    const start = skipSpace(beginning, colon + 1)
    const end = findValueEnd(beginning, start, scanner)
    if (end === -1 || end === beginning.length) return null
    if (isType) return beginning[start] === QUOTE ? decodeString(beginning, start, end) : null
    const comma = skipSpace(beginning, end)
    if (beginning[comma] !== COMMA) return null
    at = skipSpace(beginning, comma + 1)
  }
  return null
}

function findValueEnd(bytes: Buffer, start: number, scanner: ValueScanner): number {
  const byte = bytes[start]
  if (byte === QUOTE) return findStringEnd(bytes, start + 1)
  if (byte === OPEN_BRACE || byte === OPEN_BRACKET) return scanner.skipNested(bytes, start + 1)
  return findLiteralEnd(bytes, start)
}
