import type { z } from 'zod'
import type { SchemaNode } from './json-schema.js'
import { buildConfigJsonSchema } from './schema.js'
import { formatPath } from './setting-path.js'

/**
 * A wrong setting: its path in the file, and a message that says what would be right. Never holds a value of the
 * file.
 */
export interface Problem {
  readonly path: string
  readonly message: string
}

/** The config cannot be used. `problems` has every problem that was found, not just the first. */
export class ConfigError extends Error {
  readonly code = 'CONFIG_INVALID'
  readonly problems: readonly Problem[]

  /** @param source the name of the file, for the message */
  constructor(source: string, problems: readonly Problem[]) {
    super(problems.map((p) => `${source}: ${p.path === '' ? '' : `${p.path}: `}${p.message}`).join('\n'))
    this.name = 'ConfigError'
    this.problems = problems
  }
}

/**
 * Names the path and the remedy of what zod found wrong. Values are left out: one of them may be a pasted secret.
 * @param oldPaths the path that the file has, by the path under the new name
 * @param schemaOf what was read, for the names of its settings; not given: the config
 */
export function describeIssues(
  issues: readonly z.core.$ZodIssue[],
  oldPaths: ReadonlyMap<string, string> = new Map(),
  schemaOf: () => SchemaNode = configSchemaNode,
): Problem[] {
  const problems: Problem[] = []
  for (const issue of issues) {
    const path = findPathInFile(formatPath(issue.path), oldPaths)
    switch (issue.code) {
      case 'unrecognized_keys': {
        const known = settingsAt(issue.path, schemaOf())
        for (const key of issue.keys) {
          const near = findByOtherName(key, known) ?? findNearest(key, known)
          const remedy = near
            ? `did you mean ${near}?`
            : `settings here: ${known.filter((k) => k !== '$schema').join(', ')}`
          problems.push({ path: formatPath([...issue.path, key]), message: `unknown setting; ${remedy}` })
        }
        break
      }
      case 'invalid_type':
        problems.push({ path, message: describeWrongType(issue, settingsAt(issue.path, schemaOf())) })
        break
      case 'invalid_value':
        problems.push({ path, message: describeChoice(issue.values.map(String), issue.input) })
        break
      case 'too_small':
        problems.push({ path, message: describeMinimum(issue) })
        break
      case 'too_big':
        problems.push({ path, message: describeMaximum(issue) })
        break
      case 'invalid_union':
        problems.push(...describeUnion(issue, path, oldPaths, schemaOf))
        break
      case 'invalid_key':
        problems.push({ path, message: issue.issues[0]?.message ?? 'is not a valid name' })
        break
      default:
        problems.push({ path, message: issue.message })
    }
  }
  const unique = new Map(problems.map((problem) => [JSON.stringify(problem), problem]))
  return [...unique.values()]
}

/** Where one form of a setting is an object, and the file has an object, its own mistakes say more. */
function describeUnion(
  { errors, input, message, path }: z.core.$ZodIssueInvalidUnion,
  pathInFile: string,
  oldPaths: ReadonlyMap<string, string>,
  schemaOf: () => SchemaNode,
): Problem[] {
  const isOfOtherType = (issues: readonly z.core.$ZodIssue[]): boolean =>
    issues.some((issue) => issue.code === 'invalid_type' && issue.path.length === 0)
  const isObject = typeof input === 'object' && input !== null && !Array.isArray(input)
  const [form, ...others] = errors.filter((issues) => !isOfOtherType(issues))
  if (!isObject || form === undefined || others.length > 0) return [{ path: pathInFile, message }]
  const issues = form.map((issue) => ({ ...issue, path: [...path, ...issue.path] }))
  return describeIssues(issues, oldPaths, schemaOf)
}

/** Names that other gateways have for a setting. */
const OTHER_NAMES: ReadonlyMap<string, string> = new Map([
  ['rpm', 'requestsPerMinute'],
  ['rpmlimit', 'requestsPerMinute'],
  ['tpm', 'tokensPerMinute'],
  ['tpmlimit', 'tokensPerMinute'],
  ['maxparallelrequests', 'concurrent'],
  ['maxconcurrent', 'concurrent'],
  ['budget', 'usd'],
  ['maxbudget', 'usd'],
  ['dollars', 'usd'],
  ['cost', 'usd'],
  ['denied', 'deny'],
  ['denylist', 'deny'],
  ['allowed', 'allow'],
  ['allowlist', 'allow'],
  ['webhook', 'url'],
  ['thresholds', 'at'],
])

function findByOtherName(name: string, known: readonly string[]): string | undefined {
  const other = OTHER_NAMES.get(name.toLowerCase().replaceAll(/[_-]/g, ''))
  return other !== undefined && known.includes(other) ? other : undefined
}

/** A longer list of settings tells nobody which one was meant. */
const MOST_SETTINGS = 8

/** @param settings of the object that is needed, if one is */
function describeWrongType(
  { expected, input, message }: z.core.$ZodIssueInvalidType,
  settings: readonly string[],
): string {
  const isObject = expected === 'object' && settings.length > 0 && settings.length <= MOST_SETTINGS
  const what = isObject ? `an object { } with ${settings.join(', ')}` : describeType(expected)
  if (message.endsWith('received undefined')) return `is missing; ${what} is needed`
  const isNumber = expected === 'number' || expected === 'int'
  // JSON has no infinity: the file has a number such as 1e400.
  if (isNumber && typeof input === 'number' && Math.abs(input) === Number.POSITIVE_INFINITY)
    return 'is a number beyond all limits'
  if (isNumber && typeof input === 'string' && input.trim() !== '' && Number.isFinite(Number(input)))
    return `must be ${what}, without quotes`
  return `must be ${what}`
}

function describeMaximum({ origin, maximum }: z.core.$ZodIssueTooBig): string {
  if (origin === 'string') return `must be at most ${maximum} characters long`
  return origin === 'array' ? `must have at most ${maximum} entries` : `must be at most ${maximum}`
}

/** The value itself may be a pasted secret, so only a choice that is near to it is named. */
function describeChoice(choices: readonly string[], input: unknown): string {
  const near = typeof input === 'string' ? findNearest(input, choices) : undefined
  return `must be one of ${choices.join(', ')}${near === undefined ? '' : `; did you mean ${near}?`}`
}

/** Says that a name is no upstream of the config. @param known the names of its upstreams */
export function describeUnknownUpstream(name: string, known: readonly string[]): string {
  const near = findNearest(name, known)
  const hint = near === undefined || known.length === 1 ? '' : `; did you mean ${near}?`
  return `no such upstream; the config has ${known.join(', ') || 'none'}${hint}`
}

function findPathInFile(path: string, oldPaths: ReadonlyMap<string, string>): string {
  for (const [now, old] of oldPaths) {
    if (path === now || path.startsWith(`${now}[`)) return old + path.slice(now.length)
  }
  return path
}

function describeMinimum({ origin, minimum, inclusive }: z.core.$ZodIssueTooSmall): string {
  if (origin === 'string') return 'must not be empty'
  if (origin === 'array') return `needs at least ${minimum} entry`
  return `must be ${inclusive === false ? 'more than' : 'at least'} ${minimum}`
}

function describeType(type: string): string {
  const names: Record<string, string> = {
    string: 'a text',
    int: 'a whole number',
    number: 'a number',
    boolean: 'true or false',
    object: 'an object { }',
    record: 'an object { }',
    array: 'a list [ ]',
  }
  return names[type] ?? type
}

/** Made once: a file may have a wrong name in each of many objects. */
let schema: SchemaNode | null = null

function configSchemaNode(): SchemaNode {
  schema ??= buildConfigJsonSchema()
  return schema
}

/** The current names of the settings at a path, by the JSON Schema. */
function settingsAt(path: readonly PropertyKey[], root: SchemaNode): string[] {
  let node: SchemaNode | undefined = root
  for (const part of path) {
    if (node === undefined) break
    if (typeof part === 'number') node = node.items
    else if (propertyOf(node, String(part)) !== undefined) node = propertyOf(node, String(part))
    else node = typeof node.additionalProperties === 'object' ? node.additionalProperties : undefined
  }
  const forms = [node, ...(node?.anyOf ?? [])]
  const names = forms.flatMap((form) =>
    Object.entries(form?.properties ?? {}).flatMap(([name, { deprecated }]) => (deprecated ? [] : [name])),
  )
  return [...new Set(names)]
}

/** The schema of a setting in an object, or in a form of it. */
function propertyOf(node: SchemaNode, name: string): SchemaNode | undefined {
  const forms = [node, ...(node.anyOf ?? [])]
  return forms
    .map(({ properties = {} }) => (Object.hasOwn(properties, name) ? properties[name] : undefined))
    .find(Boolean)
}

/** Finds the known name that a mistyped one most likely means. @returns undefined if none is near */
export function findNearest(name: string, known: readonly string[]): string | undefined {
  let best: string | undefined
  // A name of which every letter would have to change is near to nothing.
  let bestDistance = Math.min(Math.max(2, Math.floor(name.length / 3)) + 1, name.length)
  for (const candidate of known) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase())
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** Levenshtein distance, one row at a time. A text of more than 64 characters is no name: it is far from everything. */
function editDistance(a: string, b: string): number {
  if (a.length > 64 || b.length > 64) return Number.POSITIVE_INFINITY
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const cost = a[i - 1] === b[j - 1] ? 0 : 1
      next.push(Math.min((next[j - 1] ?? 0) + 1, (row[j] ?? 0) + 1, (row[j - 1] ?? 0) + cost))
    }
    row = next
  }
  return row[b.length] ?? 0
}
