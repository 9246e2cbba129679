import { findTraits } from '../api/model-table.js'
import { listVariants } from '../api/model-variants.js'
import type { DestinationsConfig } from '../config/config.js'
import type { FindPlace } from '../doctor/refusal.js'
import { compileGlobs, isAllowed } from '../routing/glob.js'

/**
 * Finds where the relay of a config sends a model: the first target of its alias, or of the first route that takes it.
 */
export function createPlaceFinder({ upstreams, routes, aliases, modelRules }: DestinationsConfig): FindPlace {
  return (name) => {
    const bases = [name, ...listVariants(name).map(({ base }) => base)]
    const alias = bases.flatMap((base) => aliases.filter((each) => each.name === base))[0]
    const destination = alias ?? routes.find(({ models }) => isAllowed(compileGlobs(models), name))
    const target = destination?.targets[0]
    const upstream = upstreams.find((each) => each.name === target?.upstream)
    if (target === undefined || upstream === undefined) return null
    const model = target.model ?? alias?.name ?? name
    const { traits, sources } = findTraits({
      model,
      upstream: upstream.name,
      preset: upstream.preset,
      rules: modelRules,
    })
    const hasEntry = Object.values(sources).some(({ kind }) => kind === 'rule')
    return { upstream: upstream.name, model, traits, hasEntry }
  }
}
