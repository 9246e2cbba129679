import type { ModelRule } from '../api/model-table.js'
import { describeUnknownUpstream } from './problems.js'
import type { ConfigFile } from './schema.js'
import type { Secrets } from './secrets.js'

/**
 * Resolves the section `modelTraits`.
 * @param known names of upstreams
 */
export function resolveModelRules(
  entries: ConfigFile['modelTraits'],
  known: readonly string[],
  secrets: Secrets,
): ModelRule[] {
  return entries.map(({ match, upstream, preset, ...traits }, i) => {
    const path = `modelTraits[${i}]`
    if (upstream !== undefined && !known.includes(upstream))
      secrets.report(`${path}.upstream`, describeUnknownUpstream(upstream, known))
    if (Object.keys(traits).length === 0)
      secrets.report(path, 'says nothing of its models; give at least one trait, such as "refuses" or "api"')
    return {
      path,
      match: typeof match === 'string' ? [match] : match,
      upstream: upstream ?? null,
      preset: preset ?? null,
      // Zod types a setting that is not given as undefined, but leaves it out.
      traits: traits as ModelRule['traits'],
    }
  })
}
