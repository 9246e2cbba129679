import { isObject } from '../json/values.js'
import type { SchemaNode } from './json-schema.js'
import { formatPath } from './setting-path.js'

/** A setting that has a new name. A config file may still have the old one. */
export interface RenamedSetting {
  /** Path of the object that holds the setting. `*` stands for every name or list index. */
  readonly at: readonly string[]
  readonly old: string
  readonly now: string
}

/** All settings that were renamed. A row stays here for as long as its old name is accepted. */
export const RENAMED_SETTINGS: readonly RenamedSetting[] = [
  { at: ['limits'], old: 'exchanges', now: 'maxConcurrentRequests' },
  { at: ['limits'], old: 'exchangesPerKey', now: 'maxConcurrentRequestsPerKey' },
  { at: ['limits'], old: 'answerBytes', now: 'transformBufferBytes' },
  { at: ['upstreams', '*'], old: 'dialects', now: 'apis' },
  { at: ['upstreams', '*'], old: 'askUsage', now: 'requestUsage' },
  { at: ['upstreams', '*', 'limits'], old: 'exchanges', now: 'maxConcurrentRequests' },
  { at: ['routes', '*'], old: 'choose', now: 'strategy' },
  { at: ['routes', '*'], old: 'stallMs', now: 'firstTokenMs' },
  { at: ['models', '*'], old: 'choose', now: 'strategy' },
  { at: ['models', '*'], old: 'stallMs', now: 'firstTokenMs' },
]

/** The old names that one config file uses. */
export interface OldNames {
  /** One sentence for each old name, however often the file has it. */
  readonly warnings: readonly string[]
  /** Settings that are given under both names, which is an error. */
  readonly problems: readonly { readonly path: string; readonly message: string }[]
  /** The path that the file has, by the path under the new name. */
  readonly paths: ReadonlyMap<string, string>
}

/**
 * Gives settings with an old name their new one, so that the schema needs to know only the new ones.
 * @param json the parsed config file; changed in place
 */
export function renameOldSettings(json: unknown): OldNames {
  const problems: { path: string; message: string }[] = []
  const paths = new Map<string, string>()
  const usesByName = new Map<string, { readonly now: string; readonly places: string[] }>()
  for (const { at, old, now } of RENAMED_SETTINGS) {
    for (const { path, value } of findObjects(json, at)) {
      if (!Object.hasOwn(value, old)) continue
      const place = formatPath([...path, old])
      if (Object.hasOwn(value, now)) {
        problems.push({ path: place, message: `is the old name of ${now}, which is there too; remove one` })
      } else {
        value[now] = value[old]
        paths.set(formatPath([...path, now]), place)
        const uses = usesByName.get(old)
        if (uses === undefined) usesByName.set(old, { now, places: [place] })
        else uses.places.push(place)
      }
      delete value[old]
    }
  }
  const warnings = [...usesByName].map(([old, { now, places }]) => {
    const more = places.length === 1 ? '' : ` (${places.length} places)`
    return `${places[0]}: ${old} is now ${now}${more}; the old name still works`
  })
  return { warnings, problems, paths }
}

interface FoundObject {
  readonly path: readonly PropertyKey[]
  readonly value: Record<string, unknown>
}

/** The objects at a path of `RENAMED_SETTINGS`. What has another type is left to the schema's own check. */
function findObjects(json: unknown, at: readonly string[], path: readonly PropertyKey[] = []): FoundObject[] {
  const [step, ...rest] = at
  if (step === undefined) return isObject(json) ? [{ path, value: json }] : []
  if (step !== '*') {
    return isObject(json) && Object.hasOwn(json, step) ? findObjects(json[step], rest, [...path, step]) : []
  }
  if (Array.isArray(json)) return json.flatMap((item, i) => findObjects(item, rest, [...path, i]))
  if (!isObject(json)) return []
  return Object.entries(json).flatMap(([name, item]) => findObjects(item, rest, [...path, name]))
}

/** Adds the old names to the config's JSON Schema, so that editors mark them as deprecated and not as wrong. */
export function addDeprecatedNames(schema: SchemaNode): void {
  for (const { at, old, now } of RENAMED_SETTINGS) {
    let node: SchemaNode | undefined = schema
    for (const step of at) {
      if (step !== '*') node = node?.properties?.[step]
      else node = typeof node?.additionalProperties === 'object' ? node.additionalProperties : node?.items
    }
    const setting = node?.properties?.[now]
    if (node?.properties === undefined || setting === undefined)
      throw new Error(`${now} is not in the schema`)
    const { default: _, ...type } = setting
    node.properties[old] = { ...type, deprecated: true, description: `The old name of ${now}.` }
  }
}
