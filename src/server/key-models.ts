import type { KeyRecord } from '../access/keyring.js'
import type { ModelUse } from '../api/model-use.js'
import type { ModelVariant } from '../api/model-variants.js'
import { compileGlobs, matchesAny } from '../routing/glob.js'
import type { Router } from '../routing/router.js'
import type { Upstream } from '../upstream/upstream.js'
import type { GateRefusal } from './gate.js'

/** Patterns are compiled once for each list: a change of the key file makes new lists. */
const compiled = new WeakMap<readonly string[], readonly RegExp[]>()

/** The patterns of the models that a key may use; null if it may use any. */
export function findKeyPatterns(key: KeyRecord | null): readonly RegExp[] | null {
  const models = key?.models ?? null
  if (models === null) return null
  const known = compiled.get(models)
  if (known !== undefined) return known
  const patterns = compileGlobs(models) ?? []
  compiled.set(models, patterns)
  return patterns
}

/**
 * Whether a rule depends on the model of a request: its key may use some models only, or the routes are by model.
 * @param isKnownPath see `RouteTable.find`
 */
export function dependsOnModel(
  { path, team, key }: { path: string; team: string | null; key: KeyRecord | null },
  router: Pick<Router<Upstream>, 'dependsOnModel'>,
  isKnownPath = true,
): boolean {
  return (key !== null && key.models !== null) || router.dependsOnModel(path, team, isKnownPath)
}

/**
 * Whether a key may use a model.
 * @param variant of an alias: who may use the alias may use its variants
 */
export function mayUse(key: KeyRecord | null, model: string, variant: ModelVariant | null = null): boolean {
  const patterns = findKeyPatterns(key)
  if (patterns === null || matchesAny(patterns, model)) return true
  return variant !== null && matchesAny(patterns, variant.base)
}

/**
 * Checks a request of a key that has a list of models: whatever may run a model has to name one of them.
 * @param named all models that the request names; null for one that cannot be read
 * @param namesOthers the body has a list of further models, for an upstream that tries them in turn
 */
export function refuseModels(
  key: KeyRecord | null,
  use: ModelUse,
  named: readonly (string | null)[],
  variant: ModelVariant | null = null,
  namesOthers = false,
): GateRefusal | null {
  if (key === null || key.models === null || use === 'none') return null
  if (use === 'hidden' || use === 'unknown') return HIDDEN
  if (named.length === 0) return use === 'optional' ? null : UNNAMED
  if (namesOthers) return OTHERS
  for (const model of named) if (model === null || !mayUse(key, model, variant)) return FORBIDDEN
  return null
}

export const FORBIDDEN: GateRefusal = {
  code: 'model_not_allowed',
  message: 'This key may not use this model. Ask the operator of this relay which models it may use.',
  param: 'model',
}

const OTHERS: GateRefusal = {
  code: 'model_not_allowed',
  message:
    'This key may use some models only, so that a request may not have a list of other models (models, fallbacks). Name one model as "model".',
  param: 'models',
}

const UNNAMED: GateRefusal = {
  code: 'model_not_allowed',
  message: 'This key may use some models only, and the request names none. Name the model as "model".',
  param: 'model',
}

const HIDDEN: GateRefusal = {
  code: 'model_not_allowed',
  message:
    'This key may use some models only, and it cannot be known which model this request runs. Ask the operator of this relay for a key without a list of models.',
  param: null,
}
