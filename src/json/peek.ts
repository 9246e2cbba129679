import { EMPTY } from '../lib/bytes.js'
import { BOM, CLOSE_BRACE, COLON, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE } from './bytes.js'
import { isLiteralStart, isNull, isSpace, parseCount, parseNumber, readBoolean } from './literals.js'
import { isLikeModel, ModelCopies } from './model-copies.js'
import { readNestedLimit } from './nested-limit.js'
import type { Member, Value } from './outline.js'
import { KEYS, type Key, OTHER_MODEL, SETTINGS } from './peek-keys.js'
import type { Peek } from './peeked.js'
import { addReference, type Reference } from './references.js'
import { decodeString, findLiteralEnd, skipSpace, ValueScanner } from './scanner.js'
import { SessionModel } from './session-model.js'

export type { Located, Peek, Span } from './peeked.js'

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
const BEFORE_FIRST_KEY = 9
const AFTER_OBJECT = 10
const BROKEN = 11

const NO_COPIES: Peek['modelCopies'] = []

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
  private hasTools: boolean
  private hasFunctions: boolean
  private prompts: number
  private readonly models: ModelCopies
  /** How many bytes of a byte order mark there were. */
  private marked: number

  constructor(objectStart: number | null = null) {
    this.fields = {
      objectStart,
      isWhole: objectStart !== null,
      model: null,
      sessionModel: null,
      modelCopies: NO_COPIES,
      namesOthers: false,
      formBoundary: null,
      stream: null,
      maxTokens: null,
      maxOutputTokens: null,
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
    this.hasTools = false
    this.hasFunctions = false
    this.prompts = 0
    this.models = new ModelCopies()
    this.marked = 0
  }

  /** The body is no JSON object: nothing that follows can mend that. */
  get isBroken(): boolean {
    return this.state === BROKEN
  }

  /** What was found up to now; the same object at each call. */
  get found(): Peek {
    return this.fields
  }

  push(chunk: Buffer): void {
    const { length } = chunk
    let i = 0
    while (i < length) {
      const next = this.isInToken() ? this.continueToken(chunk, i) : this.skipBetween(chunk, i)
      i = next === -1 ? length : next
    }
    if (this.isKept()) this.carry(chunk)
    this.base += length
  }

  /** Takes a member of a body that is complete, without another walk over it. */
  takeMember(body: Buffer, { keyStart, keyEnd, value }: Member): void {
    const key = findKey(body.subarray(keyStart, keyEnd))
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
      this.key = findKey(this.readToken(chunk, end))
      this.state = BEFORE_COLON
    }
    return end
  }

  /** What stands between two tokens is white space; anything else, as in UTF-16, is no JSON. */
  private skipBetween(chunk: Buffer, from: number): number {
    const at = skipSpace(chunk, from)
    for (let i = from; i < at; i++) {
      if (isSpace(chunk[i] as number)) continue
      this.state = BROKEN
      this.fields.isWhole = false
      return chunk.length
    }
    return this.stepBetween(chunk, at)
  }

  /** Takes the byte at `at`, which stands between two tokens or begins one. @returns the index to go on at */
  private stepBetween(chunk: Buffer, at: number): number {
    if (at === chunk.length) return at
    const byte = chunk[at]
    switch (this.state) {
      case BEFORE_OBJECT:
        if (byte === BOM[this.marked] && this.base + at === this.marked) this.marked++
        else if (byte === OPEN_BRACE && this.marked % BOM.length === 0) {
          this.state = BEFORE_FIRST_KEY
          this.fields.objectStart = this.base + at + 1
        } else this.state = BROKEN
        return at + 1
      case BEFORE_FIRST_KEY:
      case BEFORE_KEY:
        if (byte === CLOSE_BRACE && this.state === BEFORE_FIRST_KEY) return this.endObject(at)
        this.state = byte === QUOTE ? IN_KEY : BROKEN
        this.start = this.base + at
        return at + 1
      case BEFORE_COLON:
        this.state = byte === COLON ? BEFORE_VALUE : BROKEN
        return at + 1
      case BEFORE_VALUE:
        this.start = this.base + at
        if (byte === QUOTE) this.state = IN_STRING
        else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) this.state = IN_NESTED
        else if (isLiteralStart(byte as number)) {
          this.state = IN_LITERAL
          return at
        } else this.state = BROKEN
        return at + 1
      case AFTER_VALUE:
        if (byte === CLOSE_BRACE) return this.endObject(at)
        this.state = byte === COMMA ? BEFORE_KEY : BROKEN
        return at + 1
      default:
        this.state = BROKEN
        this.fields.isWhole = false
        return chunk.length
    }
  }

  private endObject(at: number): number {
    this.state = AFTER_OBJECT
    this.fields.isWhole = true
    return at + 1
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
      case 'models':
        fields.namesOthers = true
        break
      case 'prompt':
        this.prompts++
        fields.prompt = isString && this.prompts === 1 ? { start, end: bodyEnd } : null
        break
      case 'model':
      case OTHER_MODEL: {
        const token = isNested ? EMPTY : this.readToken(chunk, end)
        const value = isString ? decodeString(token, 0, token.length) : null
        this.models.take(fields, { value, start, end: bodyEnd }, isNull(token), key === 'model')
        break
      }
      case 'session':
        if (isNested)
          fields.sessionModel = this.openSession().find(
            chunk.subarray(Math.max(0, start - this.base), end),
            start,
          )
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
      case 'max_output_tokens':
        fields.maxOutputTokens = isNested ? null : parseCount(this.readToken(chunk, end))
        break
      case SETTINGS:
        fields.maxOutputTokens =
          (isNested ? readNestedLimit(this.readToken(chunk, end)) : null) ?? fields.maxOutputTokens
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
        if (isString || isNested)
          fields.references = addReference(fields.references, key, this.readToken(chunk, end))
    }
  }

  private openSession(): SessionModel {
    this.sessionModel ??= new SessionModel()
    return this.sessionModel
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
    if (state === IN_NESTED)
      return key === 'stream_options' || key === 'conversation' || key === 'session' || key === SETTINGS
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

function findKey(token: Buffer): Key | null {
  const known = KEYS.find(token, 1, token.length - 1)
  return known !== null ? known.value : isLikeModel(token) ? OTHER_MODEL : null
}
