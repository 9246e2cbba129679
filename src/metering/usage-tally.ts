import type { JsonObject } from '../json/values.js'
import { addKnown, type FormReader, slotOf, UNKNOWN } from './form-reader.js'
import type { Usage, UsageDetails, UsagePass } from './usage.js'
import { PARTS, USUAL_TIERS, type UsageForm } from './usage-forms.js'

/**
 * Adds up what a response says of its usage, in any of the forms of `usage-forms.ts`, in any order and any number of
 * times. Never a sum over events: some upstreams send the same numbers with every event, some send them twice.
 *
 * A later number replaces an earlier one, but zero and null never replace a positive number: the last event of
 * Anthropic's stream may repeat the input as 0.
 */
export class UsageTally {
  /** In the order of `PARTS`; UNKNOWN for what was not told. */
  private readonly numbers: number[]
  private tier: string | null
  private passes: readonly UsagePass[] | null
  private surplus: UsageForm['surplus']

  constructor() {
    this.numbers = NOTHING_TOLD.slice()
    this.tier = null
    this.passes = null
    this.surplus = undefined
  }

  /**
   * Takes the numbers of a usage object.
   * @param isPass the object is a pass itself, and has none
   * @returns whether the object has a number of tokens of the answer; null if it says nothing
   */
  take(usage: JsonObject, forms: FormReader, isPass = false): boolean | null {
    const found = forms.read(usage)
    if (found === null) return null
    const { numbers, parts, count, tier, passes } = found
    const tellsAnswer = numbers[COMPLETION] !== UNKNOWN
    for (let i = 0; i < count; i++) {
      const part = parts[i] as number
      const number = numbers[part] as number
      if (number > 0 || (number === 0 && this.numbers[part] === UNKNOWN)) this.numbers[part] = number
    }
    if (found.surplus !== undefined) this.surplus = found.surplus
    if (tier !== null) this.tier = tier
    const saysNothing = count === 0 && tier === null && passes === null
    if (passes !== null && !isPass) this.keepPasses(passes, forms)
    return saysNothing ? null : tellsAnswer
  }

  /** @param tier that a response names beside its usage */
  setTier(tier: string): void {
    this.tier = tier
  }

  /** Takes a number of searches that is reported in another place than a usage object. */
  takeSearches(count: number): void {
    if (count > (this.numbers[SEARCHES] as number)) this.numbers[SEARCHES] = count
  }

  /** The usage as far as it was reported; null if nothing of it was. */
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
        Math.max(
          own?.details?.cacheWrittenHour ?? UNKNOWN,
          sumOf(passes, ({ details }) => details?.cacheWrittenHour ?? null),
        ),
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
    if (prompt <= 0 && fresh !== UNKNOWN) prompt = addKnown(addKnown(fresh, cached), written)
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
    const { numbers } = this
    const audioCompletion = numbers[AUDIO_COMPLETION] as number
    const imagePrompt = numbers[IMAGE_PROMPT] as number
    const imageCompletion = numbers[IMAGE_COMPLETION] as number
    const searches = numbers[SEARCHES] as number
    const costNano = numbers[COST_NANO] as number
    const tier = this.tier === null || USUAL_TIERS.has(this.tier) ? null : this.tier
    const most = Math.max(hour, audio, audioCompletion, imagePrompt, imageCompletion, searches)
    if (most <= 0 && costNano === UNKNOWN && tier === null && passes === null) return null
    return {
      cacheWrittenHour: positive(hour),
      audioPrompt: positive(audio),
      audioCompletion: positive(audioCompletion),
      imagePrompt: positive(imagePrompt),
      imageCompletion: positive(imageCompletion),
      searches: positive(searches),
      tier,
      // Free of charge is a cost, too.
      costNano: orNull(costNano),
      passes,
    }
  }

  private keepPasses(list: readonly JsonObject[], forms: FormReader): void {
    const passes: UsagePass[] = []
    for (const pass of list) {
      const tally = new UsageTally()
      tally.take(pass, forms, true)
      const usage = tally.read()
      if (usage === null) continue
      passes.push({ model: typeof pass.model === 'string' && pass.model !== '' ? pass.model : null, usage })
    }
    if (passes.length > 1 || passes.some(({ model }) => model !== null)) this.passes = passes
  }
}

const PROMPT = slotOf('prompt')
const FRESH_PROMPT = slotOf('freshPrompt')
const TOOL_PROMPT = slotOf('toolPrompt')
const CACHED = slotOf('cached')
const WRITTEN = slotOf('written')
const WRITTEN_SHORT = slotOf('writtenShort')
const WRITTEN_HOUR = slotOf('writtenHour')
const COMPLETION = slotOf('completion')
const THOUGHTS = slotOf('thoughts')
const REASONING = slotOf('reasoning')
const TOTAL = slotOf('total')
const AUDIO_PROMPT = slotOf('audioPrompt')
const AUDIO_COMPLETION = slotOf('audioCompletion')
const IMAGE_PROMPT = slotOf('imagePrompt')
const IMAGE_COMPLETION = slotOf('imageCompletion')
const SEARCHES = slotOf('searches')
const COST_NANO = slotOf('costNano')

/** What a tally has at the start. */
const NOTHING_TOLD = PARTS.map(() => UNKNOWN)

function sumOf(passes: readonly UsagePass[], pick: (usage: Usage) => number | null): number {
  let sum = UNKNOWN
  for (const { usage } of passes) sum = addKnown(sum, pick(usage) ?? UNKNOWN)
  return sum
}

function largest(one: number | null | undefined, other: number): number | null {
  return orNull(Math.max(one ?? UNKNOWN, other))
}

function orNull(number: number): number | null {
  return number === UNKNOWN ? null : number
}

function positive(number: number): number | null {
  return number > 0 ? number : null
}
