/**
 * The answer to `GET /models` and `GET /models/{id}` from the aliases of the config: what OpenAI's clients and
 * Anthropic's (API references, List Models) read of such a list.
 * @param path with `/models` at its beginning
 * @returns null if there are no aliases, or none by that name: then the upstream knows
 */
export function describeModels(aliases: readonly string[], path: string): unknown {
  if (aliases.length === 0) return null
  if (path === '/models') {
    const data = aliases.map(describeAlias)
    return { object: 'list', data, has_more: false, first_id: aliases[0], last_id: aliases.at(-1) }
  }
  if (!path.startsWith('/models/')) return null
  const name = decodeName(path.slice('/models/'.length))
  return aliases.includes(name) ? describeAlias(name) : null
}

function describeAlias(name: string): Record<string, unknown> {
  return { id: name, object: 'model', type: 'model', display_name: name, created: 0, owned_by: 'thinwire' }
}

/** A model's name from a path segment; as it stands if it is not well percent-encoded. */
function decodeName(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
