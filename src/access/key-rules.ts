import { z } from 'zod'
import type { SchemaNode } from '../config/json-schema.js'
import { type LimitRule, type LimitRuleEntry, resolveLimitRules } from '../config/limit-rules.js'
import { describeIssues, type Problem } from '../config/problems.js'
import { keyRule } from '../config/schema-rules.js'
import { isObject } from '../json/values.js'

/** Most rules of one key. Each is looked at for each request with the key. */
const MOST_RULES = 50

/** Most characters of the rules of one key, as JSON: they stand in one line of the key file. */
const MOST_CHARACTERS = 32 * 1024

const list = z.array(keyRule)

/** The rules of one key, as they are written in its line and in the file of `--limits`. */
export type KeyRuleEntries = readonly unknown[]

/** The result of reading the rules of a key. */
export type ReadKeyRules =
  | { readonly rules: readonly LimitRule[]; readonly problems: null }
  | { readonly rules: null; readonly problems: readonly Problem[] }

/**
 * Finds the list of rules in a JSON value: the list itself, or an object `{ "rules": [...] }`.
 * @returns its path (`rules`, or empty), or what is wrong
 */
export function findRuleList(value: unknown): { entries: KeyRuleEntries; path: string } | Problem {
  if (Array.isArray(value)) return { entries: value, path: '' }
  if (!isObject(value)) return { path: '', message: 'must be a list of rules [ ], or { "rules": [ ] }' }
  for (const name of Object.keys(value))
    if (name !== 'rules') return { path: name, message: 'unknown setting; settings here: rules' }
  if (!Array.isArray(value.rules)) return { path: 'rules', message: 'must be a list of rules [ ]' }
  return { entries: value.rules, path: 'rules' }
}

/**
 * Checks and resolves the rules of a key.
 * @param path of the list, for problems
 */
export function readKeyRules(entries: KeyRuleEntries, path: string, keyId: string): ReadKeyRules {
  const flaw = findSizeFlaw(entries)
  if (flaw !== null) return { rules: null, problems: [{ path, message: flaw }] }
  const parsed = list.safeParse(entries, { reportInput: true })
  if (!parsed.success) {
    const problems = describeIssues(parsed.error.issues, new Map(), schemaOfList)
    return { rules: null, problems: problems.map((problem) => ({ ...problem, path: path + problem.path })) }
  }
  const problems: Problem[] = []
  const rules = resolveLimitRules(parsed.data as readonly LimitRuleEntry[], path, keyId, problems)
  return problems.length > 0 ? { rules: null, problems } : { rules, problems: null }
}

function findSizeFlaw(entries: KeyRuleEntries): string | null {
  if (entries.length === 0) return 'needs at least 1 rule; none takes them away: --limits none'
  if (entries.length > MOST_RULES) return `must have at most ${MOST_RULES} rules`
  if (JSON.stringify(entries).length > MOST_CHARACTERS)
    return `must be at most ${MOST_CHARACTERS} characters long, as JSON`
  return null
}

let schema: SchemaNode | null = null

function schemaOfList(): SchemaNode {
  schema ??= z.toJSONSchema(list, { io: 'input' }) as SchemaNode
  return schema
}

/** Rules that were resolved, by key and text: a key file is read again as a whole after each change of one key. */
const known = new Map<string, readonly LimitRule[]>()

/** More keys than a key file can have. With fewer, a longer file would be resolved again as a whole at each reading. */
const MOST_KNOWN = 300_000

/**
 * Resolves the `limits` of a line of the key file.
 * @returns the same list for the same text; null if they cannot be read
 */
export function resolveKeyRules(value: unknown, keyId: string): readonly LimitRule[] | null {
  if (!Array.isArray(value)) return null
  const text = `${keyId} ${JSON.stringify(value)}`
  const before = known.get(text)
  if (before !== undefined) return before
  const { rules } = readKeyRules(value, 'limits', keyId)
  if (rules === null) return null
  if (known.size >= MOST_KNOWN) known.clear()
  known.set(text, rules)
  return rules
}

/** In the place of rules that cannot be read: no model may be used. */
export function refuseAllModels(keyId: string): readonly LimitRule[] {
  return [
    {
      id: `${keyId}:unreadable`,
      name: 'unreadable',
      place: `key ${keyId}`,
      match: { key: [keyId], user: null, team: null, env: null, model: null, path: null, tag: null },
      per: 'key',
      requests: null,
      tokens: null,
      concurrent: null,
      budgets: [],
      allow: [],
      deny: null,
      timezone: 'UTC',
      message: 'The limits of this key cannot be read. Its operator has to set them again.',
      observe: false,
    },
  ]
}
