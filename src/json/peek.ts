import { EMPTY } from '../lib/bytes.js'
import { BOM, COLON, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE } from './bytes.js'
import { isNull, parseCount, parseNumber, readBoolean } from './literals.js'
import type { Member, Value } from './outline.js'
import { KEYS, type Key } from './peek-keys.js'
import { decodeString, findLiteralEnd, skipSpace, ValueScanner } from './scanner.js'
import { SessionModel } from './session-model.js'
import { isObject, parseJson } from './values.js'

/** A place in a body: from the first byte of a value, quotes included, to the index after its last byte. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** A value and where it stands in the body. */
export interface Located<T> extends Span {
  readonly value: T
}

/**
 * The top-level fields that the relay needs of a JSON prompt, found in its bytes, perhaps behind a byte order mark: the
 * prompt is neither decoded, parsed nor copied. For every valid JSON text the fields are what `JSON.parse` would give:
 * the last of doubled keys wins, and escaped keys count. For anything else they are the fields before the first error:
 * broken JSON is for the upstream to refuse.
 */
export interface Peek {
  /** Index after the brace that opens the object; null if the body is no object. */
  readonly objectStart: number | null
  /** Of the object itself, or else of its member `session` (Realtime). Null if it is missing or no string. */
  readonly model: Located<string> | null
  /** Null if it is missing or neither true nor false. */
  readonly stream: Located<boolean> | null
  /**
   * `max_completion_tokens`, or else `max_tokens`. Null if both are missing or no count; llama.cpp's -1, which stands
   * for no limit, is no count.
   */
  readonly maxTokens: number | null
  /** Null if it is missing or no number. */
  readonly temperature: number | null
  /** `n` is there, and is not one: the client wants several answers. */
  readonly several: boolean
  /** There are `tools` or `functions`, even if the list is empty. */
  readonly tools: boolean
  /** `value` is its JSON text, empty if that is longer than `LONGEST`. Null if it is missing. */
  readonly streamOptions: Located<string> | null
  /** Null if it is no string, or the key stands there twice. */
  readonly prompt: Span | null
  /** Null if it is missing or neither true nor false; so is `background`. */
  readonly store: boolean | null
  readonly background: boolean | null
  /** The value of `prompt_cache_key` or `session_id`, or else of `metadata`, which says what chat it is; or null. */
  readonly session: Span | null
  /** Objects that the provider has stored and the request goes on from. A new list for each one that is found. */
  readonly references: readonly Reference[]
}

/** A stored object that a request names. */
export interface Reference {
  readonly field: ReferenceField
  /** Empty if the value is longer than `LONGEST`. */
  readonly id: string
}

/** Top-level fields that name a stored object: with its id, or as an object that has an `id`. */
export type ReferenceField =
  | 'previous_response_id'
  | 'conversation'
  | 'input_file_id'
  | 'training_file'
  | 'file_id'
  | 'assistant_id'

/** Bytes of the longest key or value that is read; no client writes a `model` that is longer, escapes included. */
const LONGEST = 1024

const NO_REFERENCES: readonly Reference[] = []

/** What the next byte belongs to. */
const BEFORE_OBJECT = 0
const BEFORE_KEY = 1
const IN_KEY = 2
const BEFORE_COLON = 3
const BEFORE_VALUE = 4
const IN_STRING = 5
const IN_LITERAL = 6
const IN_NESTED = 7
const AFTER_VALUE = 8
/** The object has ended, or the body is broken. */
const OVER = 9

/**
 * Reads a body while it arrives, chunk by chunk, however it is cut. O(n) over all chunks. Of a chunk it keeps at most a
 * key or a value that continues in the next one.
 */
export class Peeker {
  private readonly fields: { -readonly [Field in keyof Peek]: Peek[Field] }
  private readonly scanner: ValueScanner
  private state: number
  /** Offset of the chunk in the body. */
  private base: number
  /** Offset in the body of the key or value that is being read, and its bytes from earlier chunks. */
  private start: number
  private carried: Buffer
  /** The key of the value that is being read; null if it is not needed. */
  private key: Key | null
  private maxCompletionTokens: number | null
  private maxTokens: number | null
  /** Null before the first session. */
  private sessionModel: SessionModel | null
  /** The last one of the object itself. */
  private ownModel: Located<string> | null
  private hasTools: boolean
  private hasFunctions: boolean
  private prompts: number
  /** How many bytes of a byte order mark there were. */
  private marked: number

  constructor(objectStart: number | null = null) {
    this.fields = {
      objectStart,
      model: null,
      stream: null,
      maxTokens: null,
      temperature: null,
      several: false,
      tools: false,
      streamOptions: null,
      prompt: null,
      store: null,
      background: null,
      session: null,
      references: NO_REFERENCES,
    }
    this.scanner = new ValueScanner()
    this.state = BEFORE_OBJECT
    this.base = 0
    this.start = 0
    this.carried = EMPTY
    this.key = null
    this.maxCompletionTokens = null
    this.maxTokens = null
    this.sessionModel = null
    this.ownModel = null
    this.hasTools = false
    this.hasFunctions = false
    this.prompts = 0
    this.marked = 0
  }

  /** What was found up to now; the same object at each call. */
  get found(): Peek {
    return this.fields
  }

  push(chunk: Buffer): void {
    const { length } = chunk
    let i = 0
    while (i < length) {
      const next = this.isInToken()
        ? this.continueToken(chunk, i)
        : this.stepBetween(chunk, skipSpace(chunk, i))
      i = next === -1 ? length : next
    }
    if (this.isKept()) this.carry(chunk)
    this.base += length
  }

  /** Takes a member of a body that is complete, without another walk over it. */
  takeMember(body: Buffer, { keyStart, keyEnd, value }: Member): void {
    const key = KEYS.find(body, keyStart + 1, keyEnd - 1)?.value ?? null
    if (key === null) return
    const byte = body[value.start]
    this.start = value.start
    this.takeValue(key, body, value.end, byte === QUOTE, byte === OPEN_BRACE || byte === OPEN_BRACKET)
  }

  /** Whether a key or a value has begun and not ended. */
  private isInToken(): boolean {
    const { state } = this
    return state === IN_KEY || (state >= IN_STRING && state <= IN_NESTED)
  }

  /** @returns the index after the key or value; -1 if it continues in the next chunk */
  private continueToken(chunk: Buffer, from: number): number {
    const { state, scanner } = this
    if (state === IN_LITERAL) return this.endValue(chunk, findLiteralEnd(chunk, from))
    if (state === IN_NESTED) return this.endValue(chunk, scanner.skipNested(chunk, from))
    const end = scanner.skipString(chunk, from)
    if (state === IN_STRING) return this.endValue(chunk, end)
    if (end !== -1) {
      this.key = this.findKey(chunk, end)
      this.state = BEFORE_COLON
    }
    return end
  }

  /** Takes the byte at `at`, which stands between two tokens or begins one. @returns the index to go on at */
  private stepBetween(chunk: Buffer, at: number): number {
    if (at === chunk.length) return at
    const byte = chunk[at]
    switch (this.state) {
      case BEFORE_OBJECT:
        if (byte === BOM[this.marked] && this.base + at === this.marked) this.marked++
        else if (byte === OPEN_BRACE && this.marked % BOM.length === 0) {
          this.state = BEFORE_KEY
          this.fields.objectStart = this.base + at + 1
        } else this.state = OVER
        return at + 1
      case BEFORE_KEY:
        this.state = byte === QUOTE ? IN_KEY : OVER
        this.start = this.base + at
        return at + 1
      case BEFORE_COLON:
        this.state = byte === COLON ? BEFORE_VALUE : OVER
        return at + 1
      case BEFORE_VALUE:
        this.start = this.base + at
        if (byte === QUOTE) this.state = IN_STRING
        else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) this.state = IN_NESTED
        else {
          this.state = IN_LITERAL
          return at
        }
        return at + 1
      case AFTER_VALUE:
        this.state = byte === COMMA ? BEFORE_KEY : OVER
        return at + 1
      default:
        return chunk.length
    }
  }

  private findKey(chunk: Buffer, end: number): Key | null {
    const token = this.readToken(chunk, end)
    return KEYS.find(token, 1, token.length - 1)?.value ?? null
  }

  /** @param end index after the value; -1 if it has not ended. @returns `end` */
  private endValue(chunk: Buffer, end: number): number {
    if (end === -1) return -1
    const isString = this.state === IN_STRING
    const isNested = this.state === IN_NESTED
    this.state = AFTER_VALUE
    if (this.key !== null) this.takeValue(this.key, chunk, end, isString, isNested)
    return end
  }

  private takeValue(key: Key, chunk: Buffer, end: number, isString: boolean, isNested: boolean): void {
    const { fields, start } = this
    const bodyEnd = this.base + end
    switch (key) {
      case 'prompt':
        this.prompts++
        fields.prompt = isString && this.prompts === 1 ? { start, end: bodyEnd } : null
        break
      case 'model': {
        const token = isString ? this.readToken(chunk, end) : EMPTY
        const value = decodeString(token, 0, token.length)
        this.ownModel = value === null ? null : { value, start, end: bodyEnd }
        fields.model = this.ownModel
        break
      }
      case 'session':
        if (this.ownModel === null && isNested)
          fields.model = this.openSession().find(chunk.subarray(Math.max(0, start - this.base), end), start)
        break
      case 'stream': {
        const value = isNested ? null : readBoolean(this.readToken(chunk, end))
        fields.stream = value === null ? null : { value, start, end: bodyEnd }
        break
      }
      case 'stream_options':
        fields.streamOptions = { value: this.readToken(chunk, end).toString(), start, end: bodyEnd }
        break
      case 'tools':
        this.hasTools = isNested || !isNull(this.readToken(chunk, end))
        fields.tools = this.hasTools || this.hasFunctions
        break
      case 'functions':
        this.hasFunctions = isNested || !isNull(this.readToken(chunk, end))
        fields.tools = this.hasTools || this.hasFunctions
        break
      case 'max_tokens':
        this.maxTokens = isNested ? null : parseCount(this.readToken(chunk, end))
        fields.maxTokens = this.maxCompletionTokens ?? this.maxTokens
        break
      case 'max_completion_tokens':
        this.maxCompletionTokens = isNested ? null : parseCount(this.readToken(chunk, end))
        fields.maxTokens = this.maxCompletionTokens ?? this.maxTokens
        break
      case 'temperature':
        fields.temperature = isNested ? null : parseNumber(this.readToken(chunk, end))
        break
      case 'n': {
        const token = isNested ? EMPTY : this.readToken(chunk, end)
        fields.several = parseNumber(token) !== 1 && !isNull(token)
        break
      }
      case 'prompt_cache_key':
      case 'session_id':
      case 'metadata':
        if (key !== 'metadata' || fields.session === null) fields.session = { start, end: bodyEnd }
        break
      case 'store':
      case 'background':
        fields[key] = isNested ? null : readBoolean(this.readToken(chunk, end))
        break
      default:
        if (isString || isNested) this.takeReference(key, this.readToken(chunk, end))
    }
  }

  private openSession(): SessionModel {
    this.sessionModel ??= new SessionModel()
    return this.sessionModel
  }

  /** Of a doubled key the first and the last value are kept: an upstream may read either. */
  private takeReference(field: ReferenceField, token: Buffer): void {
    const value = token.length === 0 ? '' : parseJson(token.toString())
    const id = isObject(value) ? value.id : value
    if (typeof id !== 'string') return
    const { references } = this.fields
    const last = references.findLastIndex((reference) => reference.field === field)
    const isThird = last !== references.findIndex((reference) => reference.field === field)
    const kept = isThird ? references.filter((_, i) => i !== last) : references
    this.fields.references = [...kept, { field, id }]
  }

  /** The bytes of the key or value that ends at `end`; none if it is longer than `LONGEST`. */
  private readToken(chunk: Buffer, end: number): Buffer {
    const { carried } = this
    this.carried = EMPTY
    if (this.base + end - this.start > LONGEST) return EMPTY
    if (this.start >= this.base) return chunk.subarray(this.start - this.base, end)
    return Buffer.concat([carried, chunk.subarray(0, end)])
  }

  /** Whether the bytes of the key or value that the chunk breaks off will be needed. */
  private isKept(): boolean {
    const { state, key } = this
    if (state === IN_KEY) return true
    if (state === IN_NESTED) return key === 'stream_options' || key === 'conversation' || key === 'session'
    return (state === IN_STRING || state === IN_LITERAL) && key !== null && key !== 'prompt'
  }

  private carry(chunk: Buffer): void {
    if (this.state === IN_NESTED && this.key === 'session')
      this.openSession().keep(chunk.subarray(Math.max(0, this.start - this.base)))
    else if (this.base + chunk.length - this.start > LONGEST) this.carried = EMPTY
    else if (this.start >= this.base) this.carried = Buffer.from(chunk.subarray(this.start - this.base))
    else this.carried = Buffer.concat([this.carried, chunk])
  }
}

/** Reads a body that is complete. */
export function peekFields(body: Buffer): Peek {
  const peeker = new Peeker()
  peeker.push(body)
  return peeker.found
}

/**
 * The same for a body whose members are known: its strings are not walked over again.
 * @param request outlined with all of its members (`findEvery`)
 */
export function peekMembers(body: Buffer, { start, members }: Value): Peek {
  const peeker = new Peeker(start + 1)
  for (const member of members ?? []) peeker.takeMember(body, member)
  return peeker.found
}
