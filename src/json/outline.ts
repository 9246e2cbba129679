import {
  CLOSE_BRACE,
  CLOSE_BRACKET,
  COLON,
  COMMA,
  OPEN_BRACE,
  OPEN_BRACKET,
  QUOTE,
  skipBom,
} from './bytes.js'
import { equalsString, KeyTable } from './key-table.js'
import { decodeString, findLiteralEnd, findStringEnd, skipSpace, ValueScanner } from './scanner.js'

/**
 * The place of a value in the bytes of a JSON text. An outline is a tree of these: a plan says which members and
 * elements it has. All other values, which are nearly all of a prompt, are stepped over in the same pass without
 * being decoded. Unlike `Peeker`, an outline needs the complete text.
 */
export class Value {
  /** Index of its first byte. */
  readonly start: number
  /** Index after its last byte. */
  readonly end: number
  /** Members of an object in their order, doubled keys included; null if the plan does not ask for them. */
  readonly members: readonly Member[] | null
  /** Elements of an array; null if the plan does not ask for them. */
  readonly elements: readonly Value[] | null
  /** The values of many members by their keys, once one was asked for. */
  private index: ReadonlyMap<string, Value> | null

  constructor(
    start: number,
    end: number,
    members: readonly Member[] | null = null,
    elements: readonly Value[] | null = null,
  ) {
    this.start = start
    this.end = end
    this.members = members
    this.elements = elements
    this.index = null
  }

  /** The value of a member, the last of doubled keys; null if there is none. O(1) beyond the first time. */
  find(key: string): Value | null {
    const { members } = this
    if (members === null) return null
    if (members.length > FEW_MEMBERS) return this.findIndexed(members, key)
    for (let n = members.length - 1; n >= 0; n--) {
      const member = members[n] as Member
      if (member.key === key) return member.value
    }
    return null
  }

  private findIndexed(members: readonly Member[], key: string): Value | null {
    this.index ??= new Map(members.map((member) => [member.key, member.value]))
    return this.index.get(key) ?? null
  }
}

/** A list of so many members is searched; a longer one gets an index, as clients may send a million. */
const FEW_MEMBERS = 64

/** A member of an object. */
export interface Member {
  /** With escapes decoded. */
  readonly key: string
  /** Index of the opening quote of the key. */
  readonly keyStart: number
  /** Index after the closing quote of the key. */
  readonly keyEnd: number
  readonly value: Value
}

/** Says which parts of a value its outline has. */
export interface Plan {
  /** For an object: the members to outline, each by a plan of its own. Null: an object is stepped over. */
  readonly members: KeyTable<Plan> | null
  /** Whether all other members are outlined as well, by the plan `WHOLE`. */
  readonly others: boolean
  /** For an array: the plan of all its elements. Null: an array is stepped over. */
  readonly elements: Plan | null
}

/** Plans the place of a value and nothing in it. */
export const WHOLE: Plan = { members: null, others: false, elements: null }

/** Plans these members of an object and no others. */
export function findOnly(members: Readonly<Record<string, Plan>>): Plan {
  return { members: new KeyTable(members), others: false, elements: null }
}

/** Plans all members of an object. Members without a plan here are outlined as wholes. */
export function findEvery(members: Readonly<Record<string, Plan>> = {}): Plan {
  return { members: new KeyTable(members), others: true, elements: null }
}

/** Plans the elements of an array. A value that is no array is stepped over. */
export function readElements(element: Plan): Plan {
  return { members: null, others: false, elements: element }
}

/**
 * Parses the outline of a complete JSON text, or of the one value that begins at `from`. Of a value that is stepped
 * over, only quotes and the depth of brackets are checked.
 * @param from index of a value; without it, the text must end with the value, and may begin with a byte order mark
 * @returns null if the text is seen to be no JSON
 */
export function parseOutline(body: Buffer, plan: Plan, from = -1): Value | null {
  const reader = new OutlineReader(body, from === -1 ? skipBom(body) : from)
  const value = reader.readValue(plan)
  if (value === null || from !== -1) return value
  return skipSpace(body, value.end) === body.length ? value : null
}

/** Finds the value of a member, the last of doubled keys; null if there is none. */
export function findMember(object: Value | null, key: string): Value | null {
  return object === null ? null : object.find(key)
}

/** The text of a string; null if the value is no string, or has more than `longest` bytes. */
export function readText(body: Buffer, value: Value | null, longest = 1024): string | null {
  if (value === null || body[value.start] !== QUOTE || value.end - value.start - 2 > longest) return null
  return decodeString(body, value.start, value.end)
}

/** Whether the value is the string `text`, which must be ASCII, with or without escapes. */
export function equalsText(body: Buffer, value: Value | null, text: string): boolean {
  if (value === null || body[value.start] !== QUOTE) return false
  return equalsString(body, value.start + 1, value.end - 1, text)
}

/** Whether the value is missing or `null`. */
export function isEmptyValue(body: Buffer, value: Value | null): boolean {
  return value === null || body[value.start] === LETTER_N
}

/** The value if it is a string; else null. */
export function findString(body: Buffer, value: Value | null): Value | null {
  return value !== null && body[value.start] === QUOTE ? value : null
}

/** The JSON text of a value, to be copied elsewhere unchanged. */
export function sliceText(body: Buffer, value: Value): string {
  return body.toString('utf8', value.start, value.end)
}

const LETTER_N = 0x6e

/** Walks over the bytes once. Its methods return null when they meet bytes that cannot be JSON. */
class OutlineReader {
  private readonly body: Buffer
  private readonly scanner: ValueScanner
  private at: number

  constructor(body: Buffer, from: number) {
    this.body = body
    this.scanner = new ValueScanner()
    this.at = from
  }

  /** Recursion is as deep as the plan, and not as the text, so that no prompt can exhaust the stack. */
  readValue(plan: Plan): Value | null {
    const start = skipSpace(this.body, this.at)
    this.at = start
    const byte = this.body[start]
    if (byte === OPEN_BRACE && plan.members !== null) return this.readObject(plan, plan.members)
    if (byte === OPEN_BRACKET && plan.elements !== null) return this.readArray(plan.elements)
    const end = this.findEnd(start)
    if (end === -1) return null
    this.at = end
    return new Value(start, end)
  }

  private readObject(plan: Plan, keys: KeyTable<Plan>): Value | null {
    const { body } = this
    const start = this.at
    const members: Member[] = []
    let at = skipSpace(body, start + 1)
    if (body[at] === CLOSE_BRACE) return this.finish(start, at, members, null)
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
        const value = this.readValue(found?.value ?? WHOLE)
        if (key === null || value === null) return null
        members.push({ key, keyStart, keyEnd, value })
      } else {
        this.at = this.findEnd(skipSpace(body, this.at))
        if (this.at === -1) return null
      }
      at = skipSpace(body, this.at)
      if (body[at] === CLOSE_BRACE) return this.finish(start, at, members, null)
      if (body[at] !== COMMA) return null
      at = skipSpace(body, at + 1)
    }
  }

  private readArray(plan: Plan): Value | null {
    const { body } = this
    const start = this.at
    const elements: Value[] = []
    let at = skipSpace(body, start + 1)
    if (body[at] === CLOSE_BRACKET) return this.finish(start, at, null, elements)
    for (;;) {
      this.at = at
      const element = this.readValue(plan)
      if (element === null) return null
      elements.push(element)
      at = skipSpace(body, this.at)
      if (body[at] === CLOSE_BRACKET) return this.finish(start, at, null, elements)
      if (body[at] !== COMMA) return null
      at++
    }
  }

  /** Index after the value that begins at `start`; -1 if none does, or it does not end. */
  private findEnd(start: number): number {
    const { body } = this
    const byte = body[start]
    if (byte === QUOTE) return findStringEnd(body, start + 1)
    if (byte === OPEN_BRACE || byte === OPEN_BRACKET) return this.scanner.skipNested(body, start + 1)
    const literalEnd = findLiteralEnd(body, start)
    const end = literalEnd === -1 ? body.length : literalEnd
    return end > start ? end : -1
  }

  private finish(start: number, last: number, members: Member[] | null, elements: Value[] | null): Value {
    this.at = last + 1
    return new Value(start, last + 1, members, elements)
  }
}
