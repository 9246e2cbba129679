import { filterObjects, isObject, type JsonObject } from '../json/values.js'
import type { ResponseStats } from './response-stats.js'
import { OWN_FORMS, type UsageForm } from './usage-forms.js'

/** Where a usage object stands in an event or a response. */
export interface Place {
  readonly key: string
  /** The forms that it may have there. `usage`: those of the upstream. Null: it stands in a member of this one. */
  readonly forms: readonly UsageForm[] | 'usage' | null
  readonly within: readonly Place[]
  /** It is told when the answer begins: the number of its tokens is not final. */
  readonly isPartial: boolean
}

const USAGE = place('usage', 'usage')
const GEMINI = place('usageMetadata', OWN_FORMS.gemini)

/** All places, in the order in which they are read: of two numbers for one thing, the later counts. */
export const PLACES: readonly Place[] = [
  // llama.cpp, with or without `usage`.
  place('timings', OWN_FORMS.timings),
  USAGE,
  GEMINI,
  place('amazon-bedrock-invocationMetrics', OWN_FORMS.bedrock),
  place('meta', OWN_FORMS.meta),
  // Groq, Moonshot, Cohere, the Responses API.
  within('x_groq', USAGE),
  within('choices', USAGE),
  within('delta', USAGE),
  within('response', USAGE, GEMINI),
  // Anthropic's first event counts about one token of the answer; the last one has the final number.
  within('message', { ...USAGE, isPartial: true }),
]

/** Reads the usage of an event or a response wherever it stands. */
export function readUsage(event: JsonObject, stats: ResponseStats): void {
  // Ollama's own API and llama.cpp's have no object for it.
  if (event.choices === undefined && event.type === undefined) stats.takeUsage(event, OWN_FORMS.top)
  readPlaces(event, PLACES, stats)
}

function readPlaces(object: JsonObject, places: readonly Place[], stats: ResponseStats): void {
  for (const { key, forms, within, isPartial } of places) {
    const value = object[key]
    if (typeof value !== 'object' || value === null) continue
    if (forms !== null) {
      if (!isObject(value)) continue
      stats.takeUsage(value, forms === 'usage' ? stats.forms : forms)
      if (isPartial) stats.usageIsPartial = true
    } else if (isObject(value)) readPlaces(value, within, stats)
    else for (const element of filterObjects(value)) readPlaces(element, within, stats)
  }
}

function place(key: string, forms: readonly UsageForm[] | 'usage'): Place {
  return { key, forms, within: [], isPartial: false }
}

function within(key: string, ...places: readonly Place[]): Place {
  return { key, forms: null, within: places, isPartial: false }
}
