import type { KeyRecord } from '../access/keyring.js'
import type { ModelUse } from '../api/model-use.js'
import type { ModelVariant } from '../api/model-variants.js'
import { describeBarredModel, describeUnseenModel, type LimitRefusal } from '../limits/responses/refusal.js'
import type { CompiledRule, LimitMatcher } from '../limits/rules/matcher.js'
import type { LimitedRequest } from '../limits/rules/subject.js'
import { compileGlobs, isAllowed, matchesAny } from '../routing/glob.js'
import type { GateRefusal } from './gate.js'

/** Patterns are compiled once for each list: a change of the key file makes new lists. */
const compiled = new WeakMap<readonly string[], readonly RegExp[]>()

/** The patterns of the models that a key may use; null if it may use any. */
function findKeyPatterns(key: KeyRecord | null): readonly RegExp[] | null {
  const models = key?.models ?? null
  if (models === null) return null
  const known = compiled.get(models)
  if (known !== undefined) return known
  const patterns = compileGlobs(models) ?? []
  compiled.set(models, patterns)
  return patterns
}

/** The models that a request names; null for one that is no text. */
export interface NamedModels {
  /** The one that its record has; null for none. */
  readonly recorded: string | null
  /** Those that decide where it goes. */
  readonly leading: readonly (string | null)[]
  readonly all: readonly (string | null)[]
}

const NOTHING_NAMED: NamedModels = { recorded: null, leading: [], all: [] }

/** Which models a request may use: by the list of its key, and by the limit rules that hold for it. */
export class ModelAccess {
  /** It may use some models only, so that each model that it may run has to be known. */
  readonly isRestricted: boolean
  /** A rule depends on its model. */
  readonly dependsOnModel: boolean
  /** There are models that no target may be asked for. */
  readonly barsTargets: boolean
  /** Of the key's own list; null if it has none. */
  readonly keyPatterns: readonly RegExp[] | null
  /** Rules that refuse; those that only observe are left out. */
  private readonly rules: readonly CompiledRule[]

  constructor(keyPatterns: readonly RegExp[] | null, rules: readonly CompiledRule[]) {
    this.keyPatterns = keyPatterns
    this.rules = rules
    this.isRestricted = keyPatterns !== null || rules.some(({ allow, deny }) => (allow ?? deny) !== null)
    this.dependsOnModel = this.isRestricted || rules.length > 0
    this.barsTargets = rules.some(({ deny }) => deny !== null)
  }

  /**
   * Why a model may not be used; null if it may.
   * @param variant of an alias: who may use the alias may use its variants
   */
  refuse(model: string, variant: ModelVariant | null = null): GateRefusal | null {
    const { keyPatterns } = this
    const base = variant?.base ?? model
    if (keyPatterns !== null && !matchesAny(keyPatterns, model) && !matchesAny(keyPatterns, base))
      return FORBIDDEN
    for (const rule of this.rules) if (rule.bars(model, base)) return describeRule(rule)
    return null
  }

  allows(model: string): boolean {
    return this.refuse(model) === null
  }

  /** Why a request may not pass that runs a model which nobody here knows; null if it may. */
  refuseHidden(): GateRefusal | null {
    return this.isRestricted ? HIDDEN : this.refuseUnseen('hidden', NOTHING_NAMED)
  }

  /**
   * Why an event on a WebSocket may not pass; null if it may.
   * @param recorded the model that its record has; null for none
   * @param named all that it names; null for one that is no text
   */
  refuseNamed(recorded: string | null, named: readonly (string | null)[]): GateRefusal | null {
    for (const model of this.isRestricted ? named : []) {
      const refusal = model === null ? FORBIDDEN : this.refuse(model)
      if (refusal !== null) return refusal
    }
    return this.refuseUnseen('body', { recorded, leading: [], all: named })
  }

  /**
   * Why a request may not pass of which rules for some models cannot see what it runs: it would count on none of them.
   * Its record has one model; so the others have to count on the same rules.
   */
  refuseUnseen(use: ModelUse, { recorded, leading, all }: NamedModels): GateRefusal | null {
    for (const compiled of this.rules) {
      const { model, counts } = compiled
      if (model === null || !counts) continue
      const isCounted = isAllowed(model, recorded)
      const isSeen =
        use !== 'hidden' &&
        (recorded !== null || use === 'optional') &&
        leading.every((name) => isAllowed(model, name) === isCounted) &&
        (isCounted || !all.some((name) => isAllowed(model, name)))
      if (!isSeen) return withRule(describeUnseenModel(compiled.rule, recorded !== null))
    }
    return null
  }

  /**
   * Why a target may not be asked for its model; null if it may.
   * @param asked model of the request @param model of the target; null for the same
   */
  refuseTarget(asked: string | null, model: string | null): GateRefusal | null {
    if (model === null || model === asked) return null
    for (const rule of this.rules)
      if (isAllowed(rule.model, asked) && rule.deny !== null && matchesAny(rule.deny, model))
        return describeRule(rule)
    return null
  }
}

/** Finds the rules that depend on the model. */
export type ModelRuleSource = Pick<LimitMatcher, 'modelRulesOf'>

const NO_RULES: readonly CompiledRule[] = []
const OPEN = new ModelAccess(null, [])

/** What was found last for each list of rules: most requests of a key have the same list, and ask for it twice. */
const found = new WeakMap<readonly CompiledRule[], ModelAccess>()

/** Finds which models a request may use, whichever it names. @param limits null if nothing is limited */
export function findAccess(request: LimitedRequest, limits: ModelRuleSource | null): ModelAccess {
  const patterns = findKeyPatterns(request.key)
  const rules = limits?.modelRulesOf(request) ?? NO_RULES
  if (patterns === null && rules.length === 0) return OPEN
  const known = found.get(rules)
  if (known?.keyPatterns === patterns) return known
  const access = new ModelAccess(patterns, rules)
  found.set(rules, access)
  return access
}

function describeRule({ rule }: CompiledRule): GateRefusal {
  return withRule(describeBarredModel(rule))
}

function withRule({ code, message, rule }: LimitRefusal): GateRefusal {
  return { code, message, param: 'model', rule: rule.name }
}

/**
 * Checks a request that may use some models only: whatever may run a model has to name one of them.
 * @param named all models that the request names; null for one that cannot be read
 * @param namesOthers the body has a list of further models, for an upstream that tries them in turn
 */
export function refuseModels(
  access: ModelAccess,
  use: ModelUse,
  named: readonly (string | null)[],
  variant: ModelVariant | null = null,
  namesOthers = false,
): GateRefusal | null {
  if (!access.dependsOnModel || use === 'none') return null
  if (!access.isRestricted) return namesOthers ? OTHERS : null
  if (use === 'hidden' || use === 'unknown') return HIDDEN
  if (named.length === 0) return use === 'optional' ? null : UNNAMED
  if (namesOthers) return OTHERS
  for (const model of named) {
    const refusal = model === null ? FORBIDDEN : access.refuse(model, variant)
    if (refusal !== null) return refusal
  }
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
    'A rule of this relay depends on the model that this key uses, so that a request may not have a list of other models (models, fallbacks). Name one model as "model".',
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
