import { COLON, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE } from '../json/bytes.js'
import { findLiteralEnd, skipSpace, ValueScanner } from '../json/scanner.js'
import { parseJson } from '../json/values.js'
import { PartialBuffer } from '../lib/partial-buffer.js'
import { USAGE_CONTAINERS, USAGE_KEYS } from './usage-places.js'

/** Bytes of an event or a JSON response that are kept to be parsed. Of a longer one, only the facts are read. */
export const LONGEST = 1024 * 1024

/** Bytes of the longest fact: a usage with a hundred passes has some thousand. */
const LONGEST_FACT = 64 * 1024
/** Bytes of the longest name of a fact, with its quotes. */
const LONGEST_KEY = 64
/** Objects and arrays that are read within each other: the output of a response has items, and these have actions. */
const DEEPEST = 6
/** Members and elements that are kept in all. */
const MOST_FACTS = 10_000

/** Members that say something of the answer, and are no text of it. */
const FACTS: ReadonlySet<string> = new Set([
  ...['model', 'modelVersion', 'type', 'object', 'id', 'name', 'status', 'incomplete_details', 'error'],
  ...[
    'service_tier',
    'stop_reason',
    'finish_reason',
    'finishReason',
    'stop_type',
    'done_reason',
    'stop',
    'done',
  ],
  ...['promptFeedback', 'groundingMetadata', 'index', 'thread_id'],
  ...USAGE_KEYS,
])

/** Members in which there are facts. */
const CONTAINERS: ReadonlySet<string> = new Set([...USAGE_CONTAINERS, ...['candidates', 'output', 'action']])

/** What the next byte belongs to. */
const BEFORE_VALUE = 0
const BEFORE_KEY = 1
const IN_KEY = 2
const BEFORE_COLON = 3
const IN_STRING = 4
const IN_LITERAL = 5
const IN_NESTED = 6
const AFTER_VALUE = 7
/** The text has ended, or is no JSON. */
const OVER = 8

type Container = Record<string, unknown> | unknown[]

/**
 * Reads the facts of a JSON text that is too long to be kept, while it comes: what stands in the places of
 * `usage-places.ts`, and little else. Text and images are stepped over, neither decoded nor copied. The result has
 * the form of the text itself without all other members.
 */
export class LongJson {
  /** The object or array of the text itself, as far as it was read; undefined if it is neither. */
  root: unknown
  private readonly scanner: ValueScanner
  private readonly token: PartialBuffer
  /** Those that are open. */
  private readonly stack: Container[]
  private state: number
  /** The name of the member whose value is read, or comes next. */
  private key: string
  private isKept: boolean
  private facts: number

  constructor() {
    this.root = undefined
    this.scanner = new ValueScanner()
    this.token = new PartialBuffer()
    this.stack = []
    this.state = BEFORE_VALUE
    this.key = ''
    this.isKept = false
    this.facts = 0
  }

  /** @param chunk the next bytes of the text; not kept */
  push(chunk: Buffer): void {
    const { length } = chunk
    let at = 0
    while (at < length && this.state !== OVER) {
      const { state } = this
      if (state === IN_KEY || (state >= IN_STRING && state <= IN_NESTED)) {
        const end = this.findEnd(chunk, at)
        this.keep(chunk.subarray(at, end === -1 ? length : end))
        if (end === -1) return
        this.endToken()
        at = end
        continue
      }
      at = skipSpace(chunk, at)
      if (at < length) at = this.step(chunk, at)
    }
  }

  /** @returns the index after the key or value that continues at `from`; -1 if it continues in the next chunk */
  private findEnd(chunk: Buffer, from: number): number {
    if (this.state === IN_NESTED) return this.scanner.skipNested(chunk, from)
    if (this.state === IN_LITERAL) return findLiteralEnd(chunk, from)
    return this.scanner.skipString(chunk, from)
  }

  /** Takes the byte at `at`, which stands between two tokens or begins one. @returns the index to go on at */
  private step(chunk: Buffer, at: number): number {
    const byte = chunk[at] as number
    switch (this.state) {
      case BEFORE_COLON:
        this.state = byte === COLON ? BEFORE_VALUE : OVER
        return at + 1
      case AFTER_VALUE:
        if (byte === COMMA) this.state = this.isInArray ? BEFORE_VALUE : BEFORE_KEY
        else this.close(byte)
        return at + 1
      case BEFORE_KEY:
        if (byte !== QUOTE) {
          this.close(byte)
          return at + 1
        }
        this.state = IN_KEY
        this.isKept = true
        this.keep(chunk.subarray(at, at + 1))
        return at + 1
      default:
        return this.beginValue(chunk, at)
    }
  }

  private beginValue(chunk: Buffer, at: number): number {
    const byte = chunk[at] as number
    const isContainer = byte === OPEN_BRACE || byte === OPEN_BRACKET
    if (isContainer && this.isWanted()) {
      this.open(byte === OPEN_BRACE ? {} : [])
      this.state = byte === OPEN_BRACE ? BEFORE_KEY : BEFORE_VALUE
      return at + 1
    }
    if (this.stack.length === 0 || !isValueStart(byte)) {
      this.close(byte)
      return at + 1
    }
    this.isKept = !this.isInArray && FACTS.has(this.key) && this.facts < MOST_FACTS
    this.state = isContainer ? IN_NESTED : byte === QUOTE ? IN_STRING : IN_LITERAL
    if (this.state === IN_LITERAL) return at
    this.keep(chunk.subarray(at, at + 1))
    return at + 1
  }

  private get isInArray(): boolean {
    return Array.isArray(this.stack[this.stack.length - 1])
  }

  /** Whether there are facts in the object or array that begins. */
  private isWanted(): boolean {
    const { stack } = this
    if (stack.length === 0) return true
    return stack.length < DEEPEST && this.facts < MOST_FACTS && (this.isInArray || CONTAINERS.has(this.key))
  }

  private open(container: Container): void {
    if (this.stack.length === 0) this.root = container
    else this.add(container)
    this.stack.push(container)
  }

  /** Takes the closing bracket of an open object or array; anything else is no JSON. */
  private close(byte: number): void {
    const isClosing = byte === (this.isInArray ? OPEN_BRACKET : OPEN_BRACE) + 2
    if (!isClosing) this.stack.length = 0
    this.stack.pop()
    this.state = this.stack.length === 0 ? OVER : AFTER_VALUE
  }

  private add(value: unknown): void {
    const parent = this.stack[this.stack.length - 1] as Container
    this.facts++
    if (Array.isArray(parent)) parent.push(value)
    else parent[this.key] = value
  }

  private keep(bytes: Buffer): void {
    if (!this.isKept) return
    const longest = this.state === IN_KEY ? LONGEST_KEY : LONGEST_FACT
    if (this.token.bytes + bytes.length <= longest) this.token.add(bytes)
    else this.isKept = false
  }

  private endToken(): void {
    const isKey = this.state === IN_KEY
    const value = this.isKept ? parseJson(this.token.take().toString()) : undefined
    this.token.clear()
    this.state = isKey ? BEFORE_COLON : AFTER_VALUE
    if (isKey) this.key = typeof value === 'string' ? value : ''
    else if (value !== undefined) this.add(value)
  }
}

/** Brackets in this place open nothing that is wanted, and are values too. */
function isValueStart(byte: number): boolean {
  return byte !== OPEN_BRACE + 2 && byte !== OPEN_BRACKET + 2 && byte !== COMMA && byte !== COLON
}
