/** A pattern in which `*` stands for any run of characters, none included; everything else stands for itself. */
export function compileGlob(pattern: string): RegExp {
  const literal = pattern.split('*').map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'))
  return new RegExp(`^${literal.join('[^]*')}$`)
}

/** Null takes anything. */
export function compileGlobs(patterns: readonly string[] | null): readonly RegExp[] | null {
  return patterns?.map(compileGlob) ?? null
}

export function matchesAny(patterns: readonly RegExp[], text: string): boolean {
  for (const pattern of patterns) if (pattern.test(text)) return true
  return false
}

/** @param name null is of nothing but what takes anything */
export function isAllowed(patterns: readonly RegExp[] | null, name: string | null): boolean {
  return patterns === null || (name !== null && matchesAny(patterns, name))
}
