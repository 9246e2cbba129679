/** Most tags of a request, and most characters of a name and of a value. */
const MOST_TAGS = 10
const TAG = /^([a-z][a-z0-9_.-]{0,31})=([\w.:/@+-]{1,64})$/i

/**
 * Parses the header `x-thinwire-tags`: `project=a,ticket=b`.
 * @returns the tags sorted by name, with names in lower case, so that the same tags have the same text; an empty text
 * for an empty header; null if the header is not of this form, or repeats a name
 */
export function parseTags(header: string): string | null {
  const tags = new Map<string, string>()
  for (const part of header.split(',', MOST_TAGS + 2)) {
    const text = part.trim()
    if (text === '') continue
    const [, name, value] = TAG.exec(text) ?? []
    if (name === undefined || value === undefined || tags.size === MOST_TAGS) return null
    const lower = name.toLowerCase()
    if (tags.has(lower)) return null
    tags.set(lower, `${lower}=${value}`)
  }
  return [...tags.keys()]
    .sort()
    .map((name) => tags.get(name))
    .join(',')
}
