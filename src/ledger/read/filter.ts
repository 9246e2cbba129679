import { compileGlob, matchesAny } from '../../routing/glob.js'
import { type Dimensions, findOwner, findTag } from './entry.js'

/** What requests a report or a tail shows. Patterns may have `*`; one of a list has to match. None: any value. */
export interface FilterPatterns {
  readonly team?: readonly string[]
  /** `alice`, or with the team: `team1/alice`. */
  readonly user?: readonly string[]
  readonly key?: readonly string[]
  readonly model?: readonly string[]
  /** `project=a`: of several, each has to match. */
  readonly tag?: readonly string[]
}

/** Whether a request is shown. */
export type Filter = (of: Dimensions) => boolean

/** Builds a filter. */
export function createFilter(patterns: FilterPatterns): Filter {
  const checks: Filter[] = []
  for (const name of ['team', 'key', 'model'] as const) {
    const globs = (patterns[name] ?? []).map(compileGlob)
    if (globs.length > 0) checks.push(({ [name]: value }) => value !== null && matchesAny(globs, value))
  }
  const users = (patterns.user ?? []).map(compileGlob)
  if (users.length > 0) {
    checks.push((of) => {
      const owner = findOwner(of)
      return of.user !== null && (matchesAny(users, of.user) || matchesAny(users, owner ?? ''))
    })
  }
  for (const tag of patterns.tag ?? []) {
    const at = tag.indexOf('=')
    const name = tag.slice(0, at).toLowerCase()
    const glob = compileGlob(tag.slice(at + 1))
    checks.push(({ tags }) => {
      const value = findTag(tags, name)
      return value !== null && glob.test(value)
    })
  }
  return (of) => checks.every((check) => check(of))
}
