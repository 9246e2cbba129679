import type { Fields } from './fields.js'
import { TOOLS_MODEL } from './model.js'
import type { DemoApi } from './problem.js'

/** 2026-01-01. A fixed date in place of the release date of a real model. */
const CREATED = 1_767_225_600

const NAMES: readonly string[] = ['thinwire-demo', TOOLS_MODEL]

/**
 * The body of `GET /v1/models` (OpenAI API reference: List models; Anthropic API reference: List models). Anthropic's
 * clients get OpenAI's fields too, which they ignore.
 */
export function listModels(api: DemoApi): Fields {
  const models = { object: 'list', data: NAMES.map((name) => describeModel(name, api)) }
  if (api === 'openai') return models
  return { ...models, has_more: false, first_id: NAMES[0], last_id: NAMES.at(-1) }
}

/** The body of `GET /v1/models/{id}`. Every name has a model: the demo answers to every name. */
export function describeModel(id: string, api: DemoApi): Fields {
  const model = { id, object: 'model', created: CREATED, owned_by: 'thinwire' }
  if (api === 'openai') return model
  return {
    ...model,
    type: 'model',
    display_name: id,
    created_at: new Date(CREATED * 1000).toISOString(),
  }
}
