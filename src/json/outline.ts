import { CLOSE_BRACE, CLOSE_BRACKET, COLON, COMMA, OPEN_BRACE, OPEN_BRACKET, QUOTE } from './bytes.js'
import { equalsString, KeyTable } from './key-table.js'
import { type Mark, MarkScanner } from './mark-scanner.js'
import { decodeString, findLiteralEnd, findStringEnd, skipSpace, ValueScanner } from './scanner.js'

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
  readonly members: KeyTable<Plan> | null
  /** Its other members too, as wholes. */
  readonly others: boolean
  /** If it is an array: all elements, by this plan. Null: arrays are stepped over. */
  readonly elements: Plan | null
  /** If it is stepped over: what is looked out for on the way. */
  readonly marks: readonly Mark[] | null
}

/** No more than where it stands. */
export const WHOLE: Plan = { members: null, others: false, elements: null, marks: null }

/** These members of an object and no others. */
export function findOnly(members: Readonly<Record<string, Plan>>): Plan {
  return { members: new KeyTable(members), others: false, elements: null, marks: null }
}

/** All members of an object. */
export function findEvery(members: Readonly<Record<string, Plan>> = {}): Plan {
  return { members: new KeyTable(members), others: true, elements: null, marks: null }
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
  return decodeString(body, value.start, value.end)
}

/** It is this very string, whichever way it is written. */
export function equalsText(body: Buffer, value: Value | null, text: string): boolean {
  if (value === null || body[value.start] !== QUOTE) return false
  return equalsString(body, value.start + 1, value.end - 1, text)
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

const LETTER_N = 0x6e

/** Goes over the bytes once. Whatever it gives is null once it has met what cannot be JSON. */
class Reader {
  private readonly body: Buffer
  private readonly scanner: ValueScanner
  private at: number

  constructor(body: Buffer, from: number) {
    this.body = body
    this.scanner = new ValueScanner()
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
    const scanner = marks === null ? null : new MarkScanner(marks)
    const end = this.findEnd(start, scanner)
    if (end === -1) return null
    this.at = end
    return new Value(start, end, null, null, scanner?.seen ?? 0)
  }

  private object(plan: Plan, keys: KeyTable<Plan>): Value | null {
    const { body } = this
    const start = this.at
    const members: Member[] = []
    let at = skipSpace(body, start + 1)
    if (body[at] === CLOSE_BRACE) return this.done(start, at, members, null)
    for (;;) {
      if (body[at] !== QUOTE) return null
      const keyStart = at
      const keyEnd = findStringEnd(body, at + 1)
      if (keyEnd === -1) return null
      at = skipSpace(body, keyEnd)
      if (body[at] !== COLON) return null
      this.at = at + 1
      const found = keys.find(body, keyStart + 1, keyEnd - 1)
      if (found !== null || plan.others) {
        const key = found?.key ?? decodeString(body, keyStart, keyEnd)
        const value = this.value(found?.value ?? WHOLE)
        if (key === null || value === null) return null
        members.push({ key, keyStart, keyEnd, value })
      } else {
        this.at = this.findEnd(skipSpace(body, this.at), null)
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

  /** Index after the value that begins at `start`; -1 if none does, or it does not end. */
  private findEnd(start: number, marks: MarkScanner | null): number {
    const { body } = this
    const byte = body[start]
    if (byte === QUOTE) return findStringEnd(body, start + 1)
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) return this.scanner.skipNested(body, start + 1, marks)
    const literalEnd = findLiteralEnd(body, start)
    const end = literalEnd === -1 ? body.length : literalEnd
    return end > start ? end : -1
  }

  private done(start: number, last: number, members: Member[] | null, elements: Value[] | null): Value {
    this.at = last + 1
    return new Value(start, last + 1, members, elements)
  }
}
