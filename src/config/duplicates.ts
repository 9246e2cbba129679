import type { Problem } from './problems.js'
import { formatPath } from './setting-path.js'

/** Strings, and the characters that give JSON its structure. Numbers and words are of no concern here. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g

/** An object or list that is open at the current place of the text. */
interface Open {
  /** The names that an object has so far; null for a list. */
  readonly names: Set<string> | null
  /** The name or index of the value that comes next. */
  at: string | number
  /** The next string is a name. */
  expectsName: boolean
}

/**
 * Finds names that an object has twice. `JSON.parse` takes the last one and says nothing: half of the settings that a
 * person reads in the file would not be in force.
 * @param text valid JSON
 */
export function findDuplicates(text: string): Problem[] {
  const problems: Problem[] = []
  const open: Open[] = []
  for (const [token] of text.matchAll(TOKEN)) {
    const inner = open.at(-1)
    if (token === '{') open.push({ names: new Set(), at: '', expectsName: true })
    else if (token === '[') open.push({ names: null, at: 0, expectsName: false })
    else if (token === '}' || token === ']') open.pop()
    else if (inner === undefined) continue
    else if (token === ',') {
      if (typeof inner.at === 'number') inner.at++
      else inner.expectsName = true
    } else if (token !== ':' && inner.expectsName) {
      inner.expectsName = false
      inner.at = JSON.parse(token) as string
      if (inner.names?.has(inner.at) === true) problems.push(describe(open))
      inner.names?.add(inner.at)
    }
  }
  return problems
}

function describe(open: readonly Open[]): Problem {
  return { path: formatPath(open.map(({ at }) => at)), message: 'is there twice; remove one of them' }
}
