import type { LimitMatch, LimitRule } from '../config/limit-rules.js'
import { compileGlobs, compileModelGlobs, isAllowed } from '../routing/glob.js'
import type { LimitSubject } from './subject.js'

/** Why a rule does not hold for a request: the first part of its `match` that does not fit. */
export interface Mismatch {
  readonly part: keyof LimitMatch
  readonly patterns: readonly string[]
  /** What the request has; null for nothing. */
  readonly value: string | null
}

/** In the order in which a person would look. */
const PARTS = ['key', 'env', 'team', 'user', 'model', 'path', 'tag'] as const

/** @returns null if the rule holds; the same as `LimitMatcher` finds */
export function findMismatch({ match }: LimitRule, subject: LimitSubject): Mismatch | null {
  for (const part of PARTS) {
    const patterns = match[part]
    if (patterns === null || fits(part, patterns, subject)) continue
    return { part, patterns, value: textOf(part, subject) }
  }
  return null
}

function fits(part: keyof LimitMatch, patterns: readonly string[], subject: LimitSubject): boolean {
  if (part === 'tag') {
    const tags = subject.tags?.split(',') ?? []
    return tags.some((tag) => isAllowed(compileGlobs(patterns), tag))
  }
  if (part === 'model') return isAllowed(compileModelGlobs(patterns), subject.model)
  if (part !== 'user') return isAllowed(compileGlobs(patterns), textOf(part, subject))
  const { team, user } = subject
  const full = user === null ? null : `${team}/${user}`
  return patterns.some((pattern) => isAllowed(compileGlobs([pattern]), pattern.includes('/') ? full : user))
}

function textOf(part: keyof LimitMatch, { route, tags, ...subject }: LimitSubject): string | null {
  return part === 'path' ? route : part === 'tag' ? tags : subject[part]
}
