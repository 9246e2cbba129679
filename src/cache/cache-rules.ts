import type { Config } from '../config/config.js'
import type { Peek } from '../json/peek.js'
import { compileGlob, matchesAny } from '../routing/glob.js'

/** The facts of a request that decide whether its response may be cached. */
export interface CacheCandidate {
  readonly method: string
  /** Without the version. */
  readonly path: string
  readonly team: string | null
  readonly model: string | null
}

interface Rule {
  readonly paths: readonly RegExp[] | null
  readonly models: readonly RegExp[] | null
  readonly teams: readonly RegExp[] | null
  readonly maxTokens: number | null
  readonly maxTemperature: number | null
  readonly promptBytes: number
  readonly tools: boolean
}

/** Recognises autocomplete requests: one row of `cache.rules` has to match. */
export class CacheRules {
  private readonly rules: readonly Rule[]

  constructor(rules: Config['cache']['rules']) {
    this.rules = rules.map((rule) => ({
      paths: patterns(rule.path),
      models: patterns(rule.model),
      teams: patterns(rule.team),
      maxTokens: rule.maxTokens ?? null,
      maxTemperature: rule.maxTemperature ?? null,
      promptBytes: rule.promptBytes,
      tools: rule.tools,
    }))
  }

  /** Whether a rule may match, before the body is complete. @param bytes length of the body */
  mayMatch({ method, path, team }: CacheCandidate, bytes: number): boolean {
    if (method !== 'POST') return false
    for (const { paths, teams, promptBytes } of this.rules)
      if (bytes <= promptBytes && fits(paths, path) && fits(teams, team)) return true
    return false
  }

  /** Indexes of the rules for such requests; the body decides whether one of them matches. */
  listFor({ method, path, team, model }: CacheCandidate): number[] {
    if (method !== 'POST') return []
    return [...this.rules.keys()].filter((i) => {
      const { paths, teams, models } = this.rules[i] as Rule
      return fits(paths, path) && fits(teams, team) && fits(models, model)
    })
  }

  /** Whether a rule matches. @param bytes length of the body @param found members of the complete body */
  matches({ method, path, team, model }: CacheCandidate, bytes: number, found: Peek): boolean {
    if (method !== 'POST') return false
    for (const rule of this.rules) {
      if (bytes > rule.promptBytes || !fits(rule.paths, path)) continue
      if (!fits(rule.teams, team) || !fits(rule.models, model)) continue
      if (found.tools && !rule.tools) continue
      if (rule.maxTemperature !== null && isSampling(found, rule.maxTemperature)) continue
      if (rule.maxTokens === null || (found.maxTokens !== null && found.maxTokens <= rule.maxTokens))
        return true
    }
    return false
  }
}

/**
 * Whether a request is for a sample, so that the same bytes are to get another answer each time: best of several,
 * self-consistency, evaluations. Without a temperature most models sample at 1.
 */
function isSampling({ temperature, several }: Peek, maxTemperature: number): boolean {
  return several || temperature === null || temperature > maxTemperature
}

function patterns(setting: string | readonly string[] | undefined): readonly RegExp[] | null {
  if (setting === undefined) return null
  return (typeof setting === 'string' ? [setting] : setting).map(compileGlob)
}

function fits(wanted: readonly RegExp[] | null, value: string | null): boolean {
  return wanted === null || (value !== null && matchesAny(wanted, value))
}
