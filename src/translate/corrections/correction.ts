import type { ConversationApi } from '../../api/apis.js'
import type { ModelTraits } from '../../api/model-traits.js'

/**
 * What an upstream's error says about its model, as a change of the model's traits:
 * - `drop`: these fields of the request are refused, named as they were sent, or parts of them (`reasoning.summary`);
 * - `together`: these two fields are refused together;
 * - `limitField`: the limit of output tokens has this name in chat completions;
 * - `api`: the model is asked by this API;
 * - `customTools`: it takes no custom tools;
 * - `chatThinking`: it takes no earlier thinking in chat completions;
 * - `thinking`: a Claude model thinks in this way.
 */
export type Correction =
  | { readonly kind: 'drop'; readonly fields: readonly string[] }
  | { readonly kind: 'together'; readonly fields: readonly [string, string] }
  | { readonly kind: 'limitField'; readonly to: ModelTraits['limitField'] }
  | { readonly kind: 'api'; readonly to: ConversationApi }
  | { readonly kind: 'customTools' }
  | { readonly kind: 'chatThinking' }
  | { readonly kind: 'thinking'; readonly to: 'budget' | 'adaptive' }

/** Fields that tell the model how hard to think: without them, no effort is sent at all. */
const EFFORT_FIELDS = new Set(['reasoning_effort', 'reasoning', 'output_config', 'thinkingConfig'])

/** What a correction changes: the traits that get other values. */
export function correctTraits(traits: ModelTraits, correction: Correction): Partial<ModelTraits> {
  switch (correction.kind) {
    case 'together':
      return { refusesTogether: [...traits.refusesTogether, correction.fields] }
    case 'limitField':
      return { limitField: correction.to }
    case 'api':
      return { api: correction.to }
    case 'customTools':
      return { customTools: false }
    case 'chatThinking':
      return { chatThinking: 'none' }
    case 'thinking':
      return { thinking: correction.to }
    case 'drop': {
      const { fields } = correction
      const refuses = [...new Set([...traits.refuses, ...fields])]
      const takesNoEffort = fields.some((field) => EFFORT_FIELDS.has(field))
      return {
        refuses,
        ...(takesNoEffort || isWithoutReasoning(refuses) ? { efforts: [] } : null),
        ...(fields.includes('thinking') ? { thinking: 'none' as const } : null),
      }
    }
  }
}

/** A model that takes no part of `reasoning` does not reason, and refuses all else that is about it. */
function isWithoutReasoning(refuses: readonly string[]): boolean {
  return refuses.includes('reasoning.effort') && refuses.includes('reasoning.summary')
}

/**
 * The entry of `modelTraits` in the config by which the relay need not learn this again.
 * @param traits of the model, before the corrections
 */
export function formatConfigLine(
  upstream: string,
  model: string,
  traits: ModelTraits,
  corrections: readonly Correction[],
): string {
  let changed: Partial<ModelTraits> = {}
  for (const correction of corrections)
    changed = { ...changed, ...correctTraits({ ...traits, ...changed }, correction) }
  return JSON.stringify({ match: model, upstream, ...changed })
}
