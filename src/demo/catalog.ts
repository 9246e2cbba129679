import type { Fields } from './fields.js'
import { TOOLS_MODEL } from './model.js'
import type { DemoApi } from './problem.js'

/** 2026-01-01. The real APIs say when a model came out; this only has to stay the same. */
const CREATED = 1_767_225_600

const NAMES: readonly string[] = ['thinwire-demo', TOOLS_MODEL]

/**
 * `GET /v1/models` (OpenAI API reference: List models; Anthropic API reference: List models). Anthropic's clients
 * get OpenAI's fields too, which they do not look at.
 */
export function listModels(shape: DemoApi): Fields {
  const models = { object: 'list', data: NAMES.map((name) => describeModel(name, shape)) }
  if (shape === 'openai') return models
  return { ...models, has_more: false, first_id: NAMES[0], last_id: NAMES.at(-1) }
}

/** `GET /v1/models/{id}`. Every name has a model, as every name is answered. */
export function describeModel(id: string, shape: DemoApi): Fields {
  const model = { id, object: 'model', created: CREATED, owned_by: 'thinwire' }
  if (shape === 'openai') return model
  return {
    ...model,
    type: 'model',
    display_name: id,
    created_at: new Date(CREATED * 1000).toISOString(),
  }
}
