import { filterObjects, isObject, type JsonObject, readCount } from '../json/values.js'
import type { Usage, UsageDetails, UsagePass } from './usage.js'
import { type Field, type Fields, PARTS, type Part, USUAL_TIERS, type UsageForm } from './usage-forms.js'

/**
 * Adds up what a response says of its usage, in any of the forms of `usage-forms.ts`, in any order and any number of
 * times. Never a sum over events: some upstreams send the same numbers with every event, some send them twice.
 *
 * A later number replaces an earlier one, but zero and null never replace a positive number: the last event of
 * Anthropic's stream may repeat the input as 0.
 */
export class UsageTally {
  /** By `SLOTS`; UNKNOWN for what was not told. */
  private readonly numbers: number[]
  private tier: string | null
  private passes: readonly UsagePass[] | null
  private surplus: UsageForm['surplus']

  constructor() {
    this.numbers = PARTS.map(() => UNKNOWN)
    this.tier = null
    this.passes = null
    this.surplus = undefined
  }

  /**
   * Takes the numbers of a usage object.
   * @param forms the first that fits is taken
   * @returns whether the object has a number of tokens of the answer; null if it has no number at all
   */
  take(usage: JsonObject, forms: readonly UsageForm[]): boolean | null {
    const form = findForm(usage, forms)
    if (form === null) return null
    const found = FOUND
    found.numbers.fill(UNKNOWN)
    found.tier = null
    found.passes = null
    collect(usage, readersOf(form), found)
    const { numbers, tier } = found
    if (form.needsCached && numbers[CACHED] === UNKNOWN) numbers[FRESH_PROMPT] = UNKNOWN
    if (form.surplus !== undefined) this.surplus = form.surplus
    if (tier !== null) this.tier = tier
    const { passes } = found
    const tellsAnswer = (numbers[COMPLETION] as number) >= 0
    const isEmpty = !this.keep(numbers) && tier === null
    if (passes !== null) this.keepPasses(passes, forms)
    return isEmpty && passes === null ? null : tellsAnswer
  }

  /** @param tier that a response names beside its usage */
  setTier(tier: string): void {
    this.tier = tier
  }

  /** Takes a number of searches that is told in another place than a usage object. */
  takeSearches(count: number): void {
    if (count > (this.numbers[SEARCHES] as number)) this.numbers[SEARCHES] = count
  }

  /** The usage as far as it was told; null if nothing of it was. */
  read(): Usage | null {
    const passes = this.passes
    const own = this.readOwn()
    if (passes === null) return own
    const prompt = sumOf(passes, ({ prompt }) => prompt)
    const completion = sumOf(passes, ({ completion }) => completion)
    // Passes that are less than the whole do not say all.
    if (prompt < (own?.prompt ?? 0) || completion < (own?.completion ?? 0)) return own
    return {
      prompt,
      cached: largest(
        own?.cached,
        sumOf(passes, ({ cached }) => cached),
      ),
      cacheWritten: largest(
        own?.cacheWritten,
        sumOf(passes, ({ cacheWritten }) => cacheWritten),
      ),
      completion,
      reasoning: largest(
        own?.reasoning,
        sumOf(passes, ({ reasoning }) => reasoning),
      ),
      details: this.readDetails(
        passes,
        sumOf(passes, ({ details }) => details?.cacheWrittenHour ?? null),
      ),
    }
  }

  /** The usage without its passes. */
  private readOwn(): Usage | null {
    const { numbers, surplus } = this
    const cached = numbers[CACHED] as number
    const hour = numbers[WRITTEN_HOUR] as number
    const written = Math.max(numbers[WRITTEN] as number, addKnown(numbers[WRITTEN_SHORT] as number, hour))
    const thoughts = numbers[THOUGHTS] as number
    const reasoning = Math.max(numbers[REASONING] as number, thoughts)
    const total = numbers[TOTAL] as number
    const fresh = numbers[FRESH_PROMPT] as number
    let prompt = numbers[PROMPT] as number
    if (prompt === UNKNOWN && fresh !== UNKNOWN) prompt = addKnown(addKnown(fresh, cached), written)
    if (prompt !== UNKNOWN) prompt = addKnown(prompt, numbers[TOOL_PROMPT] as number)
    let completion = addKnown(numbers[COMPLETION] as number, thoughts)
    // xAI counts reasoning beside the completion, and the total says so.
    if (thoughts === UNKNOWN && completion !== UNKNOWN && reasoning > 0)
      if (total === prompt + completion + reasoning) completion = total - prompt
    let audio = numbers[AUDIO_PROMPT] as number
    const hidden = total - prompt - Math.max(0, completion)
    if (surplus !== undefined && hidden > 0 && prompt !== UNKNOWN) {
      if (surplus === 'completion') completion = total - prompt
      else {
        prompt += hidden
        audio = Math.max(audio, hidden)
      }
    }
    const details = this.readDetails(null, hour, audio)
    if (Math.max(prompt, cached, written, completion, reasoning) === UNKNOWN && details === null) return null
    return {
      prompt: orNull(prompt),
      cached: orNull(cached),
      cacheWritten: orNull(written),
      completion: orNull(completion),
      reasoning: orNull(reasoning),
      details,
    }
  }

  /** Details stand only where there are any: the record of most requests has none. */
  private readDetails(
    passes: readonly UsagePass[] | null,
    hour: number,
    audio = this.numbers[AUDIO_PROMPT] as number,
  ): UsageDetails | null {
    const { numbers, tier } = this
    const details: UsageDetails = {
      cacheWrittenHour: positive(hour),
      audioPrompt: positive(audio),
      audioCompletion: positive(numbers[AUDIO_COMPLETION]),
      imagePrompt: positive(numbers[IMAGE_PROMPT]),
      imageCompletion: positive(numbers[IMAGE_COMPLETION]),
      searches: positive(numbers[SEARCHES]),
      tier: tier === null || USUAL_TIERS.has(tier) ? null : tier,
      // Free of charge is a cost, too.
      costNano: orNull(numbers[COST_NANO] as number),
      passes,
    }
    for (const name of DETAIL_NAMES) if (details[name] !== null) return details
    return null
  }

  /** @returns whether there was a number */
  private keep(latest: readonly number[]): boolean {
    const { numbers } = this
    let hasNumber = false
    for (let part = 0; part < latest.length; part++) {
      const number = latest[part] as number
      if (number === UNKNOWN) continue
      hasNumber = true
      if (number > 0 || numbers[part] === UNKNOWN) numbers[part] = number
    }
    return hasNumber
  }

  private keepPasses(list: readonly JsonObject[], forms: readonly UsageForm[]): void {
    const passes: UsagePass[] = []
    for (const pass of list) {
      const tally = new UsageTally()
      tally.take(pass, forms)
      const usage = tally.read()
      if (usage === null) continue
      passes.push({ model: typeof pass.model === 'string' && pass.model !== '' ? pass.model : null, usage })
    }
    if (passes.length > 1 || passes.some(({ model }) => model !== null)) this.passes = passes
  }
}

/** Not told. */
const UNKNOWN = -1

/** Most passes of one answer that are read. */
const MAX_PASSES = 100

const slot = (part: Part): number => PARTS.indexOf(part)
const PROMPT = slot('prompt')
const FRESH_PROMPT = slot('freshPrompt')
const TOOL_PROMPT = slot('toolPrompt')
const CACHED = slot('cached')
const WRITTEN = slot('written')
const WRITTEN_SHORT = slot('writtenShort')
const WRITTEN_HOUR = slot('writtenHour')
const COMPLETION = slot('completion')
const THOUGHTS = slot('thoughts')
const REASONING = slot('reasoning')
const TOTAL = slot('total')
const AUDIO_PROMPT = slot('audioPrompt')
const AUDIO_COMPLETION = slot('audioCompletion')
const IMAGE_PROMPT = slot('imagePrompt')
const IMAGE_COMPLETION = slot('imageCompletion')
const SEARCHES = slot('searches')
const COST_NANO = slot('costNano')

const DETAIL_NAMES = [
  ...(['cacheWrittenHour', 'audioPrompt', 'audioCompletion', 'imagePrompt', 'imageCompletion'] as const),
  ...(['searches', 'tier', 'costNano', 'passes'] as const),
]

/** What one usage object says. */
interface Found {
  readonly numbers: number[]
  tier: string | null
  passes: readonly JsonObject[] | null
}

/** One for all: an object with its array for each usage object would be the most of the work. */
const FOUND: Found = { numbers: PARTS.map(() => UNKNOWN), tier: null, passes: null }

type Reader = (value: unknown, found: Found) => void
type Readers = ReadonlyMap<string, Reader>

const READERS = new WeakMap<UsageForm, Readers>()

function readersOf(form: UsageForm): Readers {
  let readers = READERS.get(form)
  if (readers === undefined) {
    readers = makeReaders(form.fields)
    READERS.set(form, readers)
  }
  return readers
}

function makeReaders(fields: Fields): Readers {
  return new Map(Object.entries(fields).map(([name, field]) => [name, makeReader(field)]))
}

function makeReader(field: Field): Reader {
  if (typeof field === 'object') {
    if ('members' in field) return readMembers(makeReaders(field.members))
    if ('sum' in field) return readSum(field.sum, slot(field.part))
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
    case 'usd':
      return (value, found) => takeLarger(found, COST_NANO, readDollars(value, 1e9))
    case 'usdTicks':
      return (value, found) => takeLarger(found, COST_NANO, readDollars(value, 0.1))
    default: {
      const part = slot(field)
      return (value, found) => takeLarger(found, part, readCount(value) ?? UNKNOWN)
    }
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
    takeLarger(found, part, sum)
  }
}

function readModalities(modalities: Readonly<Record<string, Part>>): Reader {
  const slots = new Map(Object.entries(modalities).map(([name, part]) => [name, slot(part)]))
  return (value, found) => {
    for (const [name, part] of slots) {
      let sum = UNKNOWN
      for (const { modality, tokenCount } of filterObjects(value))
        if (modality === name) sum = addKnown(sum, readCount(tokenCount) ?? UNKNOWN)
      takeLarger(found, part, sum)
    }
  }
}

/** Looks at the members that are there: most objects have few of those that could be. */
function collect(object: JsonObject, readers: Readers, found: Found): void {
  for (const name in object) readers.get(name)?.(object[name], found)
}

function takeLarger({ numbers }: Found, part: number, number: number): void {
  if (number > (numbers[part] as number)) numbers[part] = number
}

/** @param value a number of dollars, or an object with the sum (Perplexity) */
function readDollars(value: unknown, factor: number): number {
  if (isObject(value)) {
    const { currency, total_cost: total } = value
    return currency === undefined || currency === 'USD' ? readDollars(total, factor) : UNKNOWN
  }
  if (typeof value !== 'number' || !(value >= 0)) return UNKNOWN
  const nano = Math.round(value * factor)
  return Number.isSafeInteger(nano) ? nano : UNKNOWN
}

function findForm(usage: JsonObject, forms: readonly UsageForm[]): UsageForm | null {
  for (const form of forms) {
    const { marks } = form
    if (marks.length === 0) return form
    for (const mark of marks) if (usage[mark] !== undefined && usage[mark] !== null) return form
  }
  return null
}

function sumOf(passes: readonly UsagePass[], pick: (usage: Usage) => number | null): number {
  let sum = UNKNOWN
  for (const { usage } of passes) sum = addKnown(sum, pick(usage) ?? UNKNOWN)
  return sum
}

/** Adds two numbers, each of which may be unknown. */
function addKnown(one: number, other: number): number {
  return one === UNKNOWN ? other : other === UNKNOWN ? one : one + other
}

function largest(one: number | null | undefined, other: number): number | null {
  return orNull(Math.max(one ?? UNKNOWN, other))
}

function orNull(number: number): number | null {
  return number === UNKNOWN ? null : number
}

function positive(number: number | undefined): number | null {
  return number !== undefined && number > 0 ? number : null
}
