/** What a relay made of bytes: `unchanged`, or how they were rebuilt, as far as a reader of them can tell. */
export function describeChange(sent: string, got: string, kind: 'stream' | 'json'): string {
  if (sent === got) return 'unchanged'
  let before: Parts
  let after: Parts
  try {
    before = kind === 'stream' ? partsOfStream(sent) : partsOfJson(sent)
    after = kind === 'stream' ? partsOfStream(got) : partsOfJson(got)
  } catch {
    return 'rebuilt, and not to be read any more'
  }
  const changes = [
    listed(
      'adds',
      [...after.keys()].filter((path) => !before.has(path)),
    ),
    listed(
      'drops',
      [...before.keys()].filter((path) => !after.has(path)),
    ),
    listed(
      'changes',
      [...before].filter(([path, values]) => differ(values, after.get(path))).map(([path]) => path),
    ),
  ].filter((change) => change !== '')
  return `rebuilt: ${changes.length > 0 ? changes.join('; ') : 'other spacing or order'}`
}

/** Most names that a list has. */
const NAMED = 5

/** The values of each field by its path, each value once: how many events repeat it is their number, not a change. */
type Parts = Map<string, Set<string>>

function differ(before: ReadonlySet<string>, after: ReadonlySet<string> | undefined): boolean {
  return after !== undefined && (before.size !== after.size || [...before].some((value) => !after.has(value)))
}

function listed(verb: string, paths: readonly string[]): string {
  // What is in an object that was added or dropped needs no name of its own.
  const names = paths.filter((path) => !paths.some((other) => path.startsWith(`${other}.`)))
  if (names.length === 0) return ''
  const more = names.length > NAMED ? ` and ${names.length - NAMED} more` : ''
  return `${verb} ${names.slice(0, NAMED).join(', ')}${more}`
}

function partsOfJson(text: string): Parts {
  const parts: Parts = new Map()
  addValue(parts, '', JSON.parse(text))
  return parts
}

/** Lines of an event stream: comments, the fields of events, and the JSON of `data`. */
function partsOfStream(text: string): Parts {
  const parts: Parts = new Map()
  for (const line of text.split(/\r\n|\n|\r/)) {
    if (line === '') continue
    const colon = line.indexOf(':')
    const field = colon === -1 ? line : line.slice(0, colon)
    const value = line.slice(colon + 1).trim()
    if (field === '') add(parts, 'comments', value)
    else if (field === 'data' && value.startsWith('{')) addValue(parts, '', JSON.parse(value))
    else add(parts, field === 'data' ? value : `\`${field}:\``, value)
  }
  return parts
}

function addValue(parts: Parts, path: string, value: unknown): void {
  if (Array.isArray(value)) {
    add(parts, path, '[]')
    for (const item of value) addValue(parts, path, item)
  } else if (typeof value === 'object' && value !== null) {
    if (path !== '') add(parts, path, '')
    for (const [name, inner] of Object.entries(value))
      addValue(parts, path === '' ? name : `${path}.${name}`, inner)
  } else {
    add(parts, path, JSON.stringify(value))
  }
}

function add(parts: Parts, path: string, value: string): void {
  const values = parts.get(path)
  if (values === undefined) parts.set(path, new Set([value]))
  else values.add(value)
}
