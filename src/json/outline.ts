/**
 * Where things stand in the bytes of a JSON text: only what a plan asks for is looked into, everything else (which is nearly
 * all of a prompt) is stepped over, in the same one pass, without being decoded. Unlike `Peeker` it needs the body as a whole.
 */
export class Value {
  readonly start: number
  /** Behind its last byte. */
  readonly end: number
  /** Of an object that was to be looked into, in their order, doubled keys too; else null. */
  readonly members: readonly Member[] | null
  /** Of an array that was to be looked into, else null. */
  readonly elements: readonly Value[] | null
  /** Which of the plan's marks were seen somewhere within, a bit for each. */
  readonly seen: number

  constructor(
    start: number,
    end: number,
    members: readonly Member[] | null = null,
    elements: readonly Value[] | null = null,
    seen = 0,
  ) {
    this.start = start
    this.end = end
    this.members = members
    this.elements = elements
    this.seen = seen
  }
}

export interface Member {
  /** Without its escapes. */
  readonly key: string
  /** Where the key stands, quotes included. */
  readonly keyStart: number
  readonly keyEnd: number
  readonly value: Value
}

/** What of a value is wanted. */
export interface Plan {
  /** If it is an object: these of its members, each with a plan of its own. Null: objects are stepped over. */
  readonly members: Keys | null
  /** Its other members too, as wholes. */
  readonly others: boolean
  /** If it is an array: all elements, by this plan. Null: arrays are stepped over. */
  readonly elements: Plan | null
  /** If it is stepped over: what is looked out for on the way. */
  readonly marks: readonly Mark[] | null
}

/**
 * A string that is worth a closer look, however deep it is: whether it is the key or the value that it seems to be, a mark
 * does not know. One that is written with escapes, as nobody does who has no need to, is none.
 */
export interface Mark {
  /** At most `LONGEST_MARK` letters. */
  readonly text: string
  /** Only if the next string has more bytes than this. */
  readonly aheadOf?: number
}

/** No more than where it stands. */
export const WHOLE: Plan = { members: null, others: false, elements: null, marks: null }

/** These members of an object and no others. */
export function findOnly(members: Readonly<Record<string, Plan>>): Plan {
  return { members: new Keys(members), others: false, elements: null, marks: null }
}

/** All members of an object. */
export function findEvery(members: Readonly<Record<string, Plan>> = {}): Plan {
  return { members: new Keys(members), others: true, elements: null, marks: null }
}

/** The elements of an array; of a value that is none, what the plan itself says. */
export function readElements(element: Plan): Plan {
  return { members: null, others: false, elements: element, marks: null }
}

/** Where it stands, and which of these were seen in it. */
export function captureMarks(marks: readonly Mark[]): Plan {
  return { members: null, others: false, elements: null, marks }
}

/**
 * The outline of a whole JSON text, or of the value that begins at `from`; null if it is seen to be none. What is stepped
 * over is not checked beyond its quotes and how deep its brackets go.
 */
export function parseOutline(body: Buffer, plan: Plan, from = -1): Value | null {
  const reader = new Reader(body, Math.max(from, 0))
  const value = reader.value(plan)
  if (value === null || from !== -1) return value
  return skipSpace(body, value.end) === body.length ? value : null
}

/** The value that counts, of doubled keys the last; null if there is none. */
export function findMember(object: Value | null, key: string): Value | null {
  const members = object?.members ?? null
  if (members === null) return null
  for (let n = members.length - 1; n >= 0; n--) {
    const member = members[n] as Member
    if (member.key === key) return member.value
  }
  return null
}

/** The text of a string; null if it is none, or one with more than `longest` bytes. */
export function readText(body: Buffer, value: Value | null, longest = 1024): string | null {
  if (value === null || body[value.start] !== QUOTE || value.end - value.start - 2 > longest) return null
  return decode(body, value.start, value.end)
}

/** It is this very string, whichever way it is written. */
export function equalsText(body: Buffer, value: Value | null, text: string): boolean {
  if (value === null || body[value.start] !== QUOTE) return false
  const length = value.end - value.start - 2
  if (length === text.length) return same(body, value.start + 1, text)
  if (length < text.length || length > text.length * ESCAPE || !escapes(body, value.start, value.end))
    return false
  return decode(body, value.start, value.end) === text
}

/** There is none, or it is `null`. */
export function isEmptyValue(body: Buffer, value: Value | null): boolean {
  return value === null || body[value.start] === LETTER_N
}

/** The value if it is a string, else null. */
export function findString(body: Buffer, value: Value | null): Value | null {
  return value !== null && body[value.start] === QUOTE ? value : null
}

/** Its bytes, to be put elsewhere as they are. */
export function sliceText(body: Buffer, value: Value): string {
  return body.toString('utf8', value.start, value.end)
}

const QUOTE = 0x22
const BACKSLASH = 0x5c
const COMMA = 0x2c
const COLON = 0x3a
const OPEN_BRACE = 0x7b
const CLOSE_BRACE = 0x7d
const OPEN_BRACKET = 0x5b
const CLOSE_BRACKET = 0x5d
const SPACE = 0x20
const LETTER_N = 0x6e

/** Bytes of the longest way to write an ASCII character: \u00XX. */
const ESCAPE = 6

/** Keys that are looked for, found without a string for each of the others. */
class Keys {
  private readonly byLength: (Found[] | undefined)[]
  private readonly byKey: ReadonlyMap<string, Found>
  private readonly longest: number

  constructor(members: Readonly<Record<string, Plan>>) {
    const all = Object.entries(members).map(([key, plan]) => ({ key, plan }))
    this.byKey = new Map(all.map((found) => [found.key, found]))
    this.longest = Math.max(0, ...all.map(({ key }) => key.length))
    this.byLength = Array.from({ length: this.longest + 1 }, (_, length) => {
      const found = all.filter(({ key }) => key.length === length)
      return found.length === 0 ? undefined : found
    })
  }

  /** The key that stands between two quotes. */
  find(body: Buffer, start: number, end: number): Found | null {
    const length = end - start
    const near = length <= this.longest ? this.byLength[length] : undefined
    if (near !== undefined) for (const found of near) if (same(body, start, found.key)) return found
    if (length < ESCAPE || length > this.longest * ESCAPE || !escapes(body, start, end)) return null
    return this.byKey.get(decode(body, start - 1, end + 1) ?? '') ?? null
  }
}

interface Found {
  readonly key: string
  readonly plan: Plan
}

const LONGEST_MARK = 29

/** Sees every string that is stepped over: a few nanoseconds for each, as there may be a hundred thousand. */
class Lookout {
  seen: number
  /** The mark that the next string decides on; -1 if none. */
  pending: number
  private readonly marks: readonly Mark[]
  /** By length and last letter, which few of the strings that are common have as well: a bit for each mark. */
  private readonly alike: Int32Array

  constructor(marks: readonly Mark[]) {
    this.seen = 0
    this.pending = -1
    this.marks = marks
    this.alike = new Int32Array((LONGEST_MARK + 1) << 5)
    for (let n = 0; n < marks.length; n++) {
      const { text } = marks[n] as Mark
      const at = (text.length << 5) | (text.charCodeAt(text.length - 1) & 31)
      this.alike[at] = (this.alike[at] as number) | (1 << n)
    }
  }

  /** @param start behind the opening quote @param end at the closing one */
  pass(body: Buffer, start: number, end: number): void {
    const length = end - start
    if (this.pending !== -1) {
      if (length > ((this.marks[this.pending] as Mark).aheadOf as number)) this.seen |= 1 << this.pending
      this.pending = -1
    }
    if (length > LONGEST_MARK) return
    const bits = this.alike[(length << 5) | ((body[end - 1] as number) & 31)] as number
    if (bits !== 0) this.compare(body, start, bits)
  }

  private compare(body: Buffer, start: number, bits: number): void {
    const { marks } = this
    for (let n = 0; n < marks.length; n++) {
      if ((bits & (1 << n)) === 0) continue
      const mark = marks[n] as Mark
      if (!same(body, start, mark.text)) continue
      if (mark.aheadOf === undefined) this.seen |= 1 << n
      else this.pending = n
    }
  }
}

/** Goes over the bytes once. Whatever it gives is null once it has met what cannot be JSON. */
class Reader {
  private readonly body: Buffer
  private at: number

  constructor(body: Buffer, from: number) {
    this.body = body
    this.at = from
  }

  /** As deep as the plan, so that no prompt can make it run out of stack. */
  value(plan: Plan): Value | null {
    const start = skipSpace(this.body, this.at)
    this.at = start
    const byte = this.body[start]
    if (byte === OPEN_BRACE && plan.members !== null) return this.object(plan, plan.members)
    if (byte === OPEN_BRACKET && plan.elements !== null) return this.array(plan.elements)
    const marks = plan.marks === null || (byte !== OPEN_BRACE && byte !== OPEN_BRACKET) ? null : plan.marks
    const lookout = marks === null ? null : new Lookout(marks)
    const end = lookout === null ? valueEnd(this.body, start) : nestedEnd(this.body, start + 1, lookout)
    if (end === -1) return null
    this.at = end
    return new Value(start, end, null, null, lookout?.seen ?? 0)
  }

  private object(plan: Plan, keys: Keys): Value | null {
    const { body } = this
    const start = this.at
    const members: Member[] = []
    let at = skipSpace(body, start + 1)
    if (body[at] === CLOSE_BRACE) return this.done(start, at, members, null)
    for (;;) {
      if (body[at] !== QUOTE) return null
      const keyStart = at
      const keyEnd = stringEnd(body, at + 1)
      if (keyEnd === -1) return null
      at = skipSpace(body, keyEnd)
      if (body[at] !== COLON) return null
      this.at = at + 1
      const found = keys.find(body, keyStart + 1, keyEnd - 1)
      if (found !== null || plan.others) {
        const key = found?.key ?? decode(body, keyStart, keyEnd)
        const value = this.value(found?.plan ?? WHOLE)
        if (key === null || value === null) return null
        members.push({ key, keyStart, keyEnd, value })
      } else {
        this.at = valueEnd(body, skipSpace(body, this.at))
        if (this.at === -1) return null
      }
      at = skipSpace(body, this.at)
      if (body[at] === CLOSE_BRACE) return this.done(start, at, members, null)
      if (body[at] !== COMMA) return null
      at = skipSpace(body, at + 1)
    }
  }

  private array(plan: Plan): Value | null {
    const { body } = this
    const start = this.at
    const elements: Value[] = []
    let at = skipSpace(body, start + 1)
    if (body[at] === CLOSE_BRACKET) return this.done(start, at, null, elements)
    for (;;) {
      this.at = at
      const element = this.value(plan)
      if (element === null) return null
      elements.push(element)
      at = skipSpace(body, this.at)
      if (body[at] === CLOSE_BRACKET) return this.done(start, at, null, elements)
      if (body[at] !== COMMA) return null
      at++
    }
  }

  private done(start: number, last: number, members: Member[] | null, elements: Value[] | null): Value {
    this.at = last + 1
    return new Value(start, last + 1, members, elements)
  }
}

function skipSpace(body: Buffer, from: number): number {
  let i = from
  // All four of JSON's whitespace bytes are at or below a space, and nothing else that may stand here is.
  while (i < body.length && (body[i] as number) <= SPACE) i++
  return i
}

/** Index behind the value that begins at `start`; -1 if none does, or it has no end. */
function valueEnd(body: Buffer, start: number): number {
  const byte = body[start]
  if (byte === QUOTE) return stringEnd(body, start + 1)
  if (byte === OPEN_BRACE || byte === OPEN_BRACKET) return nestedEnd(body, start + 1, null)
  let i = start
  for (; i < body.length; i++) {
    const next = body[i] as number
    if (next === COMMA || next === CLOSE_BRACE || next === CLOSE_BRACKET || next <= SPACE) break
  }
  return i > start ? i : -1
}

function nestedEnd(body: Buffer, from: number, lookout: Lookout | null): number {
  let depth = 1
  for (let i = from; i < body.length; i++) {
    const byte = body[i]
    if (byte === QUOTE) {
      const end = stringEnd(body, i + 1)
      if (end === -1) return -1
      if (lookout !== null) lookout.pass(body, i + 1, end - 1)
      i = end - 1
    } else if (byte === OPEN_BRACE || byte === OPEN_BRACKET) {
      depth++
    } else if (byte === CLOSE_BRACE || byte === CLOSE_BRACKET) {
      depth--
      if (depth === 0) return i + 1
    }
  }
  return -1
}

/** Index behind the closing quote of the string whose first character is at `from`; -1 if it does not close. */
function stringEnd(body: Buffer, from: number): number {
  let i = from
  // Keys and short values end within a few bytes, less than what a call into memchr costs.
  const near = Math.min(i + 24, body.length)
  for (; i < near; i++) {
    const byte = body[i]
    if (byte === QUOTE) return i + 1
    if (byte === BACKSLASH) i++
  }
  for (;;) {
    const quote = body.indexOf(QUOTE, i)
    if (quote === -1) return -1
    let slash = quote - 1
    while (slash >= i && body[slash] === BACKSLASH) slash--
    if (((quote - 1 - slash) & 1) === 0) return quote + 1
    i = quote + 1
  }
}

function same(body: Buffer, start: number, text: string): boolean {
  for (let i = 0; i < text.length; i++) if (body[start + i] !== text.charCodeAt(i)) return false
  return true
}

function escapes(body: Buffer, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (body[i] === BACKSLASH) return true
  return false
}

/** The text of a JSON string, quotes included; null if it is not one. */
function decode(body: Buffer, start: number, end: number): string | null {
  try {
    const text: unknown = JSON.parse(body.toString('utf8', start, end))
    return typeof text === 'string' ? text : null
  } catch {
    // A raw control character, a bad escape: the upstream will say so.
    return null
  }
}
