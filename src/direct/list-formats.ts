import type { DirectKey, DirectList } from './direct-list.js'

/** The forms of a list: for njs, for HAProxy, and for fronts that cannot hash. */
export const FORMATS = ['json', 'haproxy', 'nginx', 'caddy'] as const
/** One of `FORMATS`. */
export type ListFormat = (typeof FORMATS)[number]

/** A file of a list. */
export interface ListFile {
  /** Its name in the folder of the list; null for the one file of a list. */
  readonly name: string | null
  readonly text: string
}

/** Formats that hold whole keys, as the front cannot hash. */
export function holdsKeys(format: ListFormat): boolean {
  return format === 'nginx' || format === 'caddy'
}

/**
 * One JSON object, with a line for each key (see scripts/deploy/DIRECT.md).
 * @param made epoch milliseconds @param staleAfter unix seconds; null: it is good for ever
 */
export function formatJson(
  { upstream, keys, scope }: DirectList,
  made: number,
  staleAfter: number | null,
): ListFile[] {
  const lines = keys.map(
    ({ hash, id, env, team, user, until }) =>
      `${JSON.stringify(hash)}:${JSON.stringify({ key_id: id, env, team, user, until })}`,
  )
  const head = JSON.stringify({
    v: 1,
    made: new Date(made).toISOString(),
    stale_after: staleAfter,
    upstream,
    aliases: Object.fromEntries(scope.aliases),
    through: scope.through,
    models: scope.models,
    paths: scope.paths,
  })
  const body = lines.length === 0 ? '' : `\n${lines.join(',\n')}\n`
  return [{ name: null, text: `${head.slice(0, -1)},"keys":{${body}}}\n` }]
}

/** The files of a list for HAProxy. */
export const MAP_NAMES = ['keys.map', 'models.map', 'paths.map'] as const

/** A map of keys, and one of models by regular expressions, of which the first that matches counts. */
export function formatHaproxy({ keys, scope }: DirectList): ListFile[] {
  let text = ''
  for (const key of keys) text += `${key.hash} ${key.until ?? 0}:${nameKey(key)}\n`
  const lines = [
    ...scope.aliases.map(([name, model]) => [toRegex(name, false), name === model ? AS_IS : toValue(model)]),
    ...scope.through.map((pattern) => [toRegex(pattern, true), REFUSED]),
    ...(scope.models ?? ['*']).map((pattern) => [toRegex(pattern, true), AS_IS]),
  ]
  if (scope.models !== null) lines.push([toRegex('*', true), REFUSED])
  return [
    { name: 'keys.map', text },
    { name: 'models.map', text: lines.map((line) => `${line.join(' ')}\n`).join('') },
    { name: 'paths.map', text: scope.paths.map((path) => `${path.replace(' ', ':')} 1\n`).join('') },
  ]
}

const AS_IS = '='
const REFUSED = '-'

/** A pattern as a regular expression without white space, which would end it. */
function toRegex(pattern: string, isPattern: boolean): string {
  const parts = isPattern ? pattern.split(/\*+/) : [pattern]
  return `^${parts.map(escapeRegex).join('[\\s\\S]*')}$`
}

function escapeRegex(text: string): string {
  let escaped = ''
  for (const byte of Buffer.from(text)) {
    const character = String.fromCharCode(byte)
    if (/[\w/:@-]/.test(character)) escaped += character
    else escaped += `\\x${byte.toString(16).padStart(2, '0')}`
  }
  return escaped
}

/** A model whose name would break the line is not for this front. */
function toValue(model: string): string {
  return /^[\x21-\x7e]+$/.test(model) ? model : REFUSED
}

/** A key of which the front needs the text. */
export type PlainKey = DirectKey & { readonly text: string }

/** A `map` of nginx, from the header to whose key it is. */
export function formatNginx(keys: readonly PlainKey[]): ListFile[] {
  let text = `${HEAD}map $http_authorization $thinwire_direct_key {\n    default "";\n`
  // A text that is no regular expression would match in any case, and so would `~*`.
  for (const key of keys) text += `    "~^[Bb][Ee][Aa][Rr][Ee][Rr] +${key.text}$" "${nameKey(key)}";\n`
  return [{ name: null, text: `${text}}\n` }]
}

/** The same for Caddy, to import into a site. */
export function formatCaddy(keys: readonly PlainKey[]): ListFile[] {
  let text = `${HEAD}map {http.request.header.Authorization} {thinwire_direct_key} {\n`
  for (const key of keys) text += `\t"~^(?i:bearer) +${key.text}$" "${nameKey(key)}"\n`
  return [{ name: null, text: `${text}\tdefault ""\n}\n` }]
}

const HEAD = '# Made by thinwire keys export. It holds keys: only the front may read it.\n'

/** Env, team and user have no colon. */
function nameKey({ id, env, team, user }: DirectKey): string {
  return `${id}:${env}:${team}:${user}`
}
