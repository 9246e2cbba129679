import type { PresetName } from '../../../src/api/presets.js'
import type { Usage, UsageDetails } from '../../../src/metering/usage.js'

export type Json = Readonly<Record<string, unknown>>

/** A response in the form of one provider, as a whole or as a stream, with made-up numbers. */
export interface Shape {
  readonly name: string
  readonly preset: PresetName | null
  /** The whole response; null if there is only the stream. */
  readonly whole: Json | readonly Json[] | null
  /** The events of the stream; null if there is none. */
  readonly events: readonly Json[] | null
  /** The stream is lines of JSON. */
  readonly isLines?: boolean
  readonly usage: Usage
}

/** What is left out is null. */
export function used(
  told: Omit<Partial<Usage>, 'details'>,
  details: Partial<UsageDetails> | null = null,
): Usage {
  return {
    prompt: told.prompt ?? null,
    cached: told.cached ?? null,
    cacheWritten: told.cacheWritten ?? null,
    completion: told.completion ?? null,
    reasoning: told.reasoning ?? null,
    details: details === null ? null : detailed(details),
  }
}

function detailed(details: Partial<UsageDetails>): UsageDetails {
  return {
    cacheWrittenHour: details.cacheWrittenHour ?? null,
    audioPrompt: details.audioPrompt ?? null,
    audioCompletion: details.audioCompletion ?? null,
    imagePrompt: details.imagePrompt ?? null,
    imageCompletion: details.imageCompletion ?? null,
    searches: details.searches ?? null,
    tier: details.tier ?? null,
    costNano: details.costNano ?? null,
    passes: details.passes ?? null,
  }
}

export const counts = (prompt: number, completion: number, more: Json = {}): Json => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: prompt + completion,
  ...more,
})

/** A chat completion with a usage, whole and as a stream whose last chunk but one has it. */
export function chat(
  preset: PresetName | null,
  name: string,
  usage: Json,
  expected: Usage,
  more: { readonly whole?: Json; readonly last?: Json } = {},
): Shape {
  const chunk = (delta: Json, rest: Json = {}, finish: string | null = null): Json => ({
    id: 'c1',
    object: 'chat.completion.chunk',
    created: 1_750_000_000,
    model: 'm',
    choices: [{ index: 0, delta, finish_reason: finish }],
    ...rest,
  })
  const message = { role: 'assistant', content: 'Hello there' }
  return {
    name,
    preset,
    whole: {
      id: 'c1',
      object: 'chat.completion',
      created: 1_750_000_000,
      model: 'm',
      choices: [{ index: 0, message, finish_reason: 'stop' }],
      usage,
      ...more.whole,
    },
    events: [
      chunk({ role: 'assistant', content: '' }, more.whole),
      chunk({ content: 'Hello' }, more.whole),
      chunk({ content: ' there' }, more.whole),
      chunk({}, more.whole, 'stop'),
      more.last ?? { id: 'c1', model: 'm', choices: [], usage, ...more.whole },
      chunk({}, more.whole),
    ],
    usage: expected,
  }
}
