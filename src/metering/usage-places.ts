import { isObject, type JsonObject } from '../json/values.js'
import { type FormReader, readerOf } from './form-reader.js'
import type { ResponseStats } from './response-stats.js'
import { OWN_FORMS } from './usage-forms.js'

/**
 * Where usage objects stand in events and responses. `readUsage` finds them in what was parsed, by names that V8 can
 * see: in a loop over a list of names, each event of a stream takes a tenth longer (bench `scan_usage`). `LongJson`
 * finds them by these lists in what is too long to be parsed.
 */
export const USAGE_KEYS = [
  ...['usage', 'usageMetadata', 'timings', 'meta', 'amazon-bedrock-invocationMetrics'],
  ...OWN_FORMS.top.flatMap(({ fields }) => Object.keys(fields)),
]
/** Members that usage objects stand in. */
export const USAGE_CONTAINERS = ['x_groq', 'choices', 'delta', 'response', 'message']

const TOP = readerOf(OWN_FORMS.top)
const TIMINGS = readerOf(OWN_FORMS.timings)
const META = readerOf(OWN_FORMS.meta)
const GEMINI = readerOf(OWN_FORMS.gemini)
const BEDROCK = readerOf(OWN_FORMS.bedrock)

/** Reads the usage of an event or a response wherever it stands. Of two numbers for one thing, the later counts. */
export function readUsage(event: JsonObject, stats: ResponseStats): void {
  const { choices, type, timings, usage, usageMetadata, meta, x_groq: groq, delta, response, message } = event
  const metrics = event['amazon-bedrock-invocationMetrics']
  // Ollama's own API and llama.cpp's have no object for it.
  if (choices === undefined && type === undefined) stats.takeUsage(event, TOP)
  // llama.cpp, with or without `usage`.
  take(timings, TIMINGS, stats)
  take(usage, stats.forms, stats)
  take(usageMetadata, GEMINI, stats)
  take(metrics, BEDROCK, stats)
  take(meta, META, stats)
  // Groq, Moonshot, Cohere.
  if (isObject(groq)) take(groq.usage, stats.forms, stats)
  if (Array.isArray(choices))
    for (const choice of choices) if (isObject(choice)) take(choice.usage, stats.forms, stats)
  if (isObject(delta)) take(delta.usage, stats.forms, stats)
  // The Responses API; Gemini behind some gateways.
  if (isObject(response)) {
    take(response.usage, stats.forms, stats)
    take(response.usageMetadata, GEMINI, stats)
  }
  if (isObject(message) && isObject(message.usage)) {
    stats.takeUsage(message.usage, stats.forms)
    // Anthropic's first event counts about one token of the answer; the last one has the final number.
    stats.usageIsPartial = true
  }
}

/** Reads what a head says of the usage of models whose bodies say nothing of it, such as Bedrock's embeddings. */
export function readHeaderUsage(usage: JsonObject, stats: ResponseStats): void {
  stats.takeUsage(usage, BEDROCK)
}

function take(value: unknown, forms: FormReader, stats: ResponseStats): void {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    stats.takeUsage(value as JsonObject, forms)
}
