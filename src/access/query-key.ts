import { errorFormatOf } from '../api/error-format.js'

/** Parameters in which some client sends a key: Google's clients; Azure's, for WebSockets; gateways. */
const NAMES: ReadonlySet<string> = new Set(['key', 'api-key', 'api_key', 'apikey', 'access_token'])

/** What is left of a query without keys, and the keys. */
export interface QueryKeys {
  /** With its `?`, or empty; all that is no key stays byte for byte. */
  readonly query: string
  readonly keys: readonly string[]
}

/**
 * Takes the client's keys out of a query, as they must not reach an upstream. `key` is the usual place at Google's own
 * API, and `api-key` has no other meaning; at other paths a parameter is a key if it looks like one of ours.
 * @param path after the version
 * @returns null if there is none
 */
export function takeQueryKeys(path: string, query: string): QueryKeys | null {
  if (!MAY_HOLD.test(query)) return null
  const isGoogle = errorFormatOf(path) === 'gemini'
  const keys: string[] = []
  const kept = query
    .slice(1)
    .split('&')
    .filter((parameter) => {
      const [name = '', value = ''] = splitParameter(parameter)
      const isKey =
        NAMES.has(name) && (value.startsWith('lc_') || name === 'api-key' || (name === 'key' && isGoogle))
      if (isKey && value !== '' && keys.length < KEYS_MAX) keys.push(value)
      return !isKey
    })
    .join('&')
  if (kept.length === query.length - 1) return null
  return { query: kept === '' ? '' : `?${kept}`, keys }
}

/** Keys beyond this number are removed and ignored. */
const KEYS_MAX = 4

/** Also where letters of a name are encoded. */
const MAY_HOLD = /key|token|%/i

/** Name and value, decoded as forms are (WHATWG URL, 5.1), the name in lower case. */
function splitParameter(parameter: string): [string, string] {
  const equals = parameter.indexOf('=')
  const name = equals === -1 ? parameter : parameter.slice(0, equals)
  return [decode(name).toLowerCase(), equals === -1 ? '' : decode(parameter.slice(equals + 1))]
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' ')).trim()
  } catch {
    return text
  }
}
