/** Compiles a pattern: `*` matches any run of characters, also an empty one; everything else matches itself. */
export function compileGlob(pattern: string): RegExp {
  const literal = pattern.split('*').map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'))
  return new RegExp(`^${literal.join('[^]*')}$`)
}

/** Compiles a list of patterns. Null stays null and allows everything. */
export function compileGlobs(patterns: readonly string[] | null): readonly RegExp[] | null {
  return patterns?.map(compileGlob) ?? null
}

/** Whether a text matches at least one of the patterns. */
export function matchesAny(patterns: readonly RegExp[], text: string): boolean {
  for (const pattern of patterns) if (pattern.test(text)) return true
  return false
}

/**
 * Whether a rule allows a name.
 * @param patterns null allows everything
 * @param name null if there is none: then only a rule without patterns allows it
 */
export function isAllowed(patterns: readonly RegExp[] | null, name: string | null): boolean {
  return patterns === null || (name !== null && matchesAny(patterns, name))
}
