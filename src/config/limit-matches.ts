import type { LimitRule } from './limit-rules.js'
import type { Problem } from './problems.js'

/** Longest env, team or user of a key; see `access/key.ts`. */
const LONGEST_PART = 32

const PART = /^[a-z0-9*-]*$/
const KEY_ID = /^k_[0-9a-f]{10}$/
const ID_LENGTH = 12

/**
 * Finds patterns of a rule that nothing can match: the limit would be in the config and not in force.
 */
export function findMatchFlaws({ place, match }: LimitRule): Problem[] {
  const problems: Problem[] = []
  for (const [field, find] of FLAWS) {
    const patterns = match[field] ?? []
    for (const [i, pattern] of patterns.entries()) {
      const message = find(pattern)
      if (message !== null) problems.push({ path: pathOf(`${place}.match.${field}`, patterns, i), message })
    }
  }
  return problems
}

/** Settings that are patterns of models. */
const MODEL_LISTS = [
  ['match.model', ({ match }: LimitRule) => match.model],
  ['models.allow', ({ allow }: LimitRule) => allow],
  ['models.deny', ({ deny }: LimitRule) => deny],
] as const

/**
 * Finds patterns that no name of a model will match, as far as anybody knows: clients may send any name.
 */
export function findModelPatternDoubts(rule: LimitRule): Problem[] {
  const doubts: Problem[] = []
  for (const [field, listOf] of MODEL_LISTS) {
    const patterns = listOf(rule) ?? []
    for (const [i, pattern] of patterns.entries()) {
      const message = findModelDoubt(pattern)
      if (message !== null) doubts.push({ path: pathOf(`${rule.place}.${field}`, patterns, i), message })
    }
  }
  return doubts
}

function findModelDoubt(pattern: string): string | null {
  if (/[,;]/.test(pattern)) return 'is one pattern; several are a list: ["gpt-*", "o3"]'
  if (/\s/.test(pattern)) return 'matches no usual name of a model, as these have no spaces'
  if (/[?^$|\\[\]{}()]|^!/.test(pattern))
    return 'matches no usual name of a model; only * stands for other characters'
  return null
}

/** The path of one pattern. The pattern itself is not repeated: it may be a key that was pasted in place of its id. */
export function pathOf(path: string, patterns: readonly string[], i: number): string {
  return patterns.length === 1 ? path : `${path}[${i}]`
}

const FLAWS = [
  ['key', findKeyFlaw],
  ['user', findUserFlaw],
  ['team', findPartFlaw],
  ['env', findPartFlaw],
  ['path', findPathFlaw],
  ['tag', findTagFlaw],
] as const

/** @returns what is wrong with it; null if it can match */
function findPartFlaw(pattern: string): string | null {
  if (!PART.test(pattern)) return 'matches no key: they have only a to z, 0 to 9 and "-" there'
  if (pattern.replaceAll('*', '').length > LONGEST_PART)
    return `matches no key: they have at most ${LONGEST_PART} characters there`
  return null
}

function findUserFlaw(pattern: string): string | null {
  const parts = pattern.split('/')
  if (parts.length > 2) return 'matches no key: a user is NAME or TEAM/NAME'
  for (const part of parts) {
    const flaw = part === '' ? 'matches no key: a user is NAME or TEAM/NAME' : findPartFlaw(part)
    if (flaw !== null) return flaw
  }
  return null
}

function findKeyFlaw(pattern: string): string | null {
  return mayBeKeyId(pattern) ? null : 'matches no key: give an id such as k_0123456789 (thinwire keys list)'
}

/** Whether ids of keys may have this form: `k_` and ten hexadecimal digits. */
function mayBeKeyId(pattern: string): boolean {
  const [first = '', ...others] = pattern.split('*')
  if (others.length === 0) return KEY_ID.test(first)
  const literals = pattern.length - others.length
  return (
    literals <= ID_LENGTH &&
    /^k?$|^k_[0-9a-f]*$/.test(first) &&
    others.every((part) => /^k?_?[0-9a-f]*$/.test(part))
  )
}

function findPathFlaw(pattern: string): string | null {
  if (!/^[/*]/.test(pattern)) return 'matches no request: paths begin with "/", such as /v1/chat/completions'
  return /[?#\s]/.test(pattern) ? 'matches no request: a path has no query and no spaces here' : null
}

function findTagFlaw(pattern: string): string | null {
  if (/[=*]/.test(pattern)) return null
  return 'matches no tag: write NAME=VALUE, such as project=*'
}
