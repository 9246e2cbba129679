import { filterObjects, isObject, type JsonObject, readCount } from '../json/values.js'
import { type Field, type Fields, PARTS, type Part, type UsageForm } from './usage-forms.js'

/** Not told. */
export const UNKNOWN = -1

/** The place of a part's number in a list of numbers. */
export const slotOf = (part: Part): number => PARTS.indexOf(part)

/** What one usage object says. */
export interface Found {
  /** In the order of `PARTS`. */
  readonly numbers: readonly number[]
  /** The places of those that were reported: the first `count` of the list. */
  readonly parts: readonly number[]
  readonly count: number
  readonly tier: string | null
  readonly passes: readonly JsonObject[] | null
  readonly surplus: UsageForm['surplus']
}

/**
 * Reads usage objects by some rows of the table. Many upstreams send one with every event: it looks only at the members
 * that an object has, and makes nothing new for it (bench `scan_usage`).
 */
export class FormReader {
  /** By the names of their marks, the place of the first row that has it. */
  private readonly marks: ReadonlyMap<string, number>
  private readonly forms: readonly UsageForm[]
  private readonly readers: readonly Readers[]
  /** The row without marks; -1 if there is none. */
  private readonly last: number

  constructor(forms: readonly UsageForm[]) {
    const marks = new Map<string, number>()
    for (const [index, form] of forms.entries())
      for (const mark of form.marks) if (!marks.has(mark)) marks.set(mark, index)
    this.marks = marks
    this.forms = forms
    this.readers = forms.map(({ fields }) => makeReaders(fields))
    this.last = forms.findIndex(({ marks }) => marks.length === 0)
  }

  /** @returns null if the object has none of the forms; else what is good until the next call of any reader */
  read(usage: JsonObject): Found | null {
    const index = this.findForm(usage)
    if (index === -1) return null
    const { needsCached, surplus } = this.forms[index] as UsageForm
    FOUND.clear()
    FOUND.surplus = surplus
    collect(usage, this.readers[index] as Readers, FOUND)
    if (needsCached && FOUND.numbers[CACHED] === UNKNOWN) FOUND.drop(FRESH_PROMPT)
    return FOUND
  }

  private findForm(usage: JsonObject): number {
    const { marks, last } = this
    let first = this.forms.length
    if (marks.size === 0) return last
    for (const name in usage) {
      const index = marks.get(name)
      if (index !== undefined && index < first && usage[name] !== null) {
        if (index === 0) return 0
        first = index
      }
    }
    return first < this.forms.length ? first : last
  }
}

const READERS = new WeakMap<readonly UsageForm[], FormReader>()

/** The reader of these rows; the same at each call. */
export function readerOf(forms: readonly UsageForm[]): FormReader {
  let reader = READERS.get(forms)
  if (reader === undefined) {
    reader = new FormReader(forms)
    READERS.set(forms, reader)
  }
  return reader
}

class Finding implements Found {
  readonly numbers: number[]
  readonly parts: number[]
  count: number
  tier: string | null
  passes: readonly JsonObject[] | null
  surplus: UsageForm['surplus']

  constructor() {
    this.numbers = PARTS.map(() => UNKNOWN)
    this.parts = PARTS.map(() => 0)
    this.count = 0
    this.tier = null
    this.passes = null
    this.surplus = undefined
  }

  clear(): void {
    for (let i = 0; i < this.count; i++) this.numbers[this.parts[i] as number] = UNKNOWN
    this.count = 0
    this.tier = null
    this.passes = null
  }

  /** Takes a number if it is the largest for its part, and can be one. */
  take(part: number, number: number): void {
    const { numbers } = this
    const before = numbers[part] as number
    if (number <= before || (number > MOST_COUNTED && part !== COST_NANO)) return
    if (before === UNKNOWN) this.parts[this.count++] = part
    numbers[part] = number
  }

  /** Forgets a number that was reported. */
  drop(part: number): void {
    this.numbers[part] = UNKNOWN
  }
}

const CACHED = slotOf('cached')
const FRESH_PROMPT = slotOf('freshPrompt')
const COST_NANO = slotOf('costNano')

/**
 * Most tokens or searches of one kind. More than that no batch can use, so it is a mistake of the upstream. The sum of
 * all kinds and passes is an exact number, which limits and reports can add up.
 */
const MOST_COUNTED = 1e12

/** Most passes of one answer that are read. */
const MAX_PASSES = 100

/** One for all objects. */
const FOUND = new Finding()

/** The place of the part that a member counts, or a function that reads another kind of member. */
type Reader = number | ((value: unknown, found: Finding) => void)
type Readers = ReadonlyMap<string, Reader>

function makeReaders(fields: Fields): Readers {
  return new Map(Object.entries(fields).map(([name, field]) => [name, makeReader(field)]))
}

function makeReader(field: Field): Reader {
  if (typeof field === 'object') {
    if ('members' in field) return readMembers(makeReaders(field.members))
    if ('sum' in field) return readSum(field.sum, slotOf(field.part))
    return readModalities(field.modalities)
  }
  switch (field) {
    case 'tier':
      return (value, found) => {
        if (typeof value === 'string' && value !== '') found.tier = value
      }
    case 'passes':
      return (value, found) => {
        found.passes = filterObjects(value).slice(0, MAX_PASSES)
      }
    case 'hidesPrompt':
      return (value, found) => {
        if (typeof value === 'number' && value > 0) found.surplus = 'prompt'
      }
    case 'usd':
      return (value, found) => found.take(COST_NANO, readDollars(value, 1e9))
    case 'usdTicks':
      return (value, found) => found.take(COST_NANO, readDollars(value, 0.1))
    default:
      return slotOf(field)
  }
}

function readMembers(readers: Readers): Reader {
  return (value, found) => {
    if (isObject(value)) collect(value, readers, found)
  }
}

function readSum(names: readonly string[], part: number): Reader {
  return (value, found) => {
    if (!isObject(value)) return
    let sum = UNKNOWN
    for (const name of names) sum = addKnown(sum, readCount(value[name]) ?? UNKNOWN)
    found.take(part, sum)
  }
}

function readModalities(modalities: Readonly<Record<string, Part>>): Reader {
  const slots = new Map(Object.entries(modalities).map(([name, part]) => [name, slotOf(part)]))
  return (value, found) => {
    if (!Array.isArray(value)) return
    for (const entry of value) {
      if (!isObject(entry)) continue
      const part = slots.get(entry.modality as string)
      if (part === undefined) continue
      // One modality may have several entries.
      const count = readCount(entry.tokenCount) ?? 0
      found.take(part, Math.max(0, found.numbers[part] as number) + count)
    }
  }
}

function collect(object: JsonObject, readers: Readers, found: Finding): void {
  for (const name in object) {
    const reader = readers.get(name)
    if (reader === undefined) continue
    const value = object[name]
    if (typeof reader !== 'number') reader(value, found)
    else if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) found.take(reader, value)
  }
}

/** Adds two numbers, each of which may be unknown. */
export function addKnown(one: number, other: number): number {
  return one === UNKNOWN ? other : other === UNKNOWN ? one : one + other
}

/** @param value a number of dollars, or an object with the sum (Perplexity) */
function readDollars(value: unknown, factor: number): number {
  if (isObject(value)) {
    const { currency, total_cost: total } = value
    const isDollars = currency === undefined || currency === 'USD'
    return isDollars && !isObject(total) ? readDollars(total, factor) : UNKNOWN
  }
  if (typeof value !== 'number' || !(value >= 0)) return UNKNOWN
  const nano = Math.round(value * factor)
  return Number.isSafeInteger(nano) ? nano : UNKNOWN
}
