import type { LimitMatch } from '../../config/limit-rules.js'
import type { CompiledRule } from './matcher.js'
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
export function findMismatch(compiled: CompiledRule, subject: LimitSubject): Mismatch | null {
  const { rule } = compiled
  for (const part of PARTS) {
    const patterns = rule.match[part]
    if (patterns !== null && !compiled.fits(part, subject))
      return { part, patterns, value: textOf(part, subject) }
  }
  return null
}

function textOf(part: keyof LimitMatch, { route, tags, ...subject }: LimitSubject): string | null {
  return part === 'path' ? route : part === 'tag' ? tags : subject[part]
}
