/**
 * Compiles a pattern: `*` matches any run of characters, also an empty one; everything else matches itself.
 *
 * A literal between two `*` is looked for once, at its first place (a group in a lookahead is not tried again). If it
 * were tried at each of its places, a client could name a model that takes hours to compare with `*a*b*c*`.
 */
export function compileGlob(pattern: string): RegExp {
  return new RegExp(`^${translate(pattern)}$`)
}

function translate(pattern: string): string {
  const literals = pattern.split(/\*+/).map((part) => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'))
  const last = literals.length - 1
  const parts = literals.map((literal, i) => {
    if (i === 0) return literal
    return i === last ? `[^]*${literal}` : `(?=([^]*?${literal}))\\${i}`
  })
  return parts.join('')
}

/**
 * Compiles patterns of models that are limited or denied. Upstreams take a name in any case, and behind a prefix:
 * `GPT-4o` (Azure), `openai/gpt-5` (OpenRouter), `models/gemini-2.5-pro` (Google), `us.anthropic.claude-opus-4`
 * (Bedrock). So these match, too: who may not use a model does not get it by another spelling. Null stays null.
 */
export function compileModelGlobs(patterns: readonly string[] | null): readonly RegExp[] | null {
  return patterns?.map(compileModelGlob) ?? null
}

function compileModelGlob(pattern: string): RegExp {
  const prefix = pattern.startsWith('*') ? '' : '(?:[^]*[/.])?'
  return new RegExp(`^${prefix}${translate(pattern)}$`, 'i')
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
