import { ANY_PRESET_TRAITS, MODEL_ROWS, type ModelRow, PRESET_TRAITS } from './model-rows.js'
import type { ModelTraits } from './model-traits.js'
import type { PresetName } from './presets.js'

/** An entry of `modelTraits` in the config. */
export interface ModelRule {
  /** Its path in the config file: `modelTraits[0]`. */
  readonly path: string
  /** Patterns of model names, as in `ModelRow`. */
  readonly match: readonly string[]
  /** Name of the upstream that it is for; null: any. */
  readonly upstream: string | null
  /** Preset of the upstreams that it is for; null: any. */
  readonly preset: PresetName | null
  readonly traits: Partial<ModelTraits>
}

/** Where a trait has its value from. `name`: a pattern of a built-in row, the path of a rule, the name of a preset. */
export interface TraitSource {
  readonly kind: 'rule' | 'row' | 'preset' | 'default'
  readonly name: string
}

/** What a model wants, and why. */
export interface ResolvedTraits {
  readonly traits: ModelTraits
  readonly sources: Readonly<Record<keyof ModelTraits, TraitSource>>
}

/** A model at an upstream, by which its traits are found. */
export interface ModelAtUpstream {
  /** As the upstream gets it; null if the request names none. */
  readonly model: string | null
  /** Name of the upstream; null: only rules for any upstream are looked at. */
  readonly upstream: string | null
  readonly preset: PresetName | null
  /** The config's own, in its order. */
  readonly rules: readonly ModelRule[]
}

/** What is known of no model: chat completions as most servers have them. */
export const USUAL_TRAITS: ModelTraits = {
  api: null,
  refuses: [],
  refusesTogether: [],
  limitField: 'max_tokens',
  efforts: null,
  customTools: true,
  reasoningObject: true,
  chatThinking: 'none',
  thinking: null,
  maxOutputTokens: null,
  callIds: 'any',
  toolNames: null,
}

/** The names of all traits. */
export const TRAIT_NAMES = Object.keys(USUAL_TRAITS) as readonly (keyof ModelTraits)[]

/**
 * Finds what a model wants. Each trait is taken from the first of these that gives it: the first rule of the config
 * that matches, the first built-in row that matches, the preset, the usual value. What a row refuses is refused beside
 * what its preset refuses; a rule's list replaces both, so that a rule can take something back.
 */
export function findTraits({ model, upstream, preset, rules }: ModelAtUpstream): ResolvedTraits {
  const traits: Record<string, unknown> = { ...USUAL_TRAITS }
  const sources: Record<string, TraitSource> = {}
  const usual: TraitSource = { kind: 'default', name: 'default' }
  for (const name of TRAIT_NAMES) sources[name] = usual
  const take = (given: Partial<ModelTraits>, source: TraitSource): void => {
    for (const name of TRAIT_NAMES) {
      if (given[name] === undefined) continue
      traits[name] = given[name]
      sources[name] = source
    }
  }
  const name = model?.toLowerCase() ?? null
  const known = findOriginal(name, preset)
  if (known.preset !== null)
    take({ ...ANY_PRESET_TRAITS, ...PRESET_TRAITS[known.preset] }, { kind: 'preset', name: known.preset })
  if (name !== null) {
    const row = known.name === null ? null : findRow(known.name, known.preset)
    if (row !== null) {
      const refused = traits.refuses as readonly string[]
      take(row.row.traits, { kind: 'row', name: row.pattern })
      if (row.row.traits.refuses !== undefined && refused.length > 0)
        traits.refuses = [...new Set([...refused, ...row.row.traits.refuses])]
    }
    const rule = rules.find(
      (each) =>
        (each.upstream === null || each.upstream === upstream) &&
        (each.preset === null || each.preset === preset) &&
        findPattern(each, name) !== null,
    )
    if (rule !== undefined) take(rule.traits, { kind: 'rule', name: rule.path })
  }
  return { traits: traits as unknown as ModelTraits, sources: sources as ResolvedTraits['sources'] }
}

/** A model of Claude as Bedrock names it, also with a region or in an ARN: `eu.anthropic.claude-opus-4-6-v1:0`. */
const CLAUDE_AT_BEDROCK = /(?:^|[./])anthropic\.(claude-.+)$/
const CLAUDE_AT_VERTEX = /^(?:anthropic\/)?(claude-.+)$/
const GEMINI_AT_VERTEX = /^(?:google\/)?(gemini-.+)$/

/**
 * Finds the provider that has made a model, where a cloud serves it by the provider's own API, and its name there.
 * @param name in lower case
 */
function findOriginal(
  name: string | null,
  preset: PresetName | null,
): { readonly name: string | null; readonly preset: PresetName | null } {
  if (name === null || (preset !== 'bedrock' && preset !== 'vertex')) return { name, preset }
  const claude = (preset === 'bedrock' ? CLAUDE_AT_BEDROCK : CLAUDE_AT_VERTEX).exec(name)?.[1]
  // Vertex has an @ ahead of the date of a version.
  if (claude !== undefined) return { name: claude.replace('@', '-'), preset: 'anthropic' }
  const gemini = preset === 'vertex' ? GEMINI_AT_VERTEX.exec(name)?.[1] : undefined
  return gemini === undefined ? { name, preset } : { name: gemini, preset: 'gemini-native' }
}

interface MatchingRow {
  readonly row: ModelRow
  readonly pattern: string
}

/** @param name in lower case */
function findRow(name: string, preset: PresetName | null): MatchingRow | null {
  for (const row of MODEL_ROWS) {
    if (row.presets !== null && (preset === null || !row.presets.includes(preset))) continue
    const pattern = findPattern(row, name)
    if (pattern !== null) return { row, pattern }
  }
  return null
}

/** The patterns of rows and rules, in lower case and split at each `*`. The traits are looked up for each attempt. */
const split = new WeakMap<object, readonly (readonly string[])[]>()

/** @returns the first pattern that matches a name in lower case; null if none does */
function findPattern(of: { readonly match: readonly string[] }, name: string): string | null {
  let patterns = split.get(of)
  if (patterns === undefined) {
    patterns = of.match.map((pattern) => pattern.toLowerCase().split('*'))
    split.set(of, patterns)
  }
  for (let i = 0; i < patterns.length; i++) {
    if (matchesParts(patterns[i] as readonly string[], name)) return of.match[i] as string
  }
  return null
}

/**
 * Whether a name is these parts with any runs of characters between them. Not by a regular expression: the name is the
 * client's, and several `*` would make one of them slow.
 */
function matchesParts(parts: readonly string[], name: string): boolean {
  const first = parts[0] as string
  if (parts.length === 1) return first === name
  const last = parts[parts.length - 1] as string
  if (!name.startsWith(first) || !name.endsWith(last)) return false
  let at = first.length
  for (let i = 1; i < parts.length - 1; i++) {
    const part = parts[i] as string
    const found = name.indexOf(part, at)
    if (found === -1) return false
    at = found + part.length
  }
  return at + last.length <= name.length
}
