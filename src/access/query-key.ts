import { errorFormatOf } from '../api/error-format.js'
import { CREDENTIAL_HEADERS, OTHER_CREDENTIAL_HEADERS } from '../http/request-headers.js'
import { BASE64_BEGINNING, holdsKey, undoEncodings } from './key-traces.js'

/**
 * Parameters in which some client sends a key: those named as a header for it, gateways' (RFC 6750, 2.3), and that of
 * Azure API Management. Google's clients send it in `key`, which has other meanings, too.
 */
const KEY_PARAMETERS: ReadonlySet<string> = new Set([
  ...[...CREDENTIAL_HEADERS, ...OTHER_CREDENTIAL_HEADERS],
  ...['api_key', 'apikey', 'access_token', 'subscription-key'],
])

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
        (KEY_PARAMETERS.has(name) || name === 'key') &&
        (value.startsWith('lc_') || name === 'api-key' || (name === 'key' && isGoogle))
      if (isKey && value !== '' && keys.length < KEYS_MAX) keys.push(value)
      return !isKey
    })
    .join('&')
  if (kept.length === query.length - 1) return null
  return { query: kept === '' ? '' : `?${kept}`, keys }
}

/** Keys beyond this number are removed and ignored. */
const KEYS_MAX = 4

/** Letters of these names, and of keys, also where they are encoded: a query without them holds no key. */
const MAY_HOLD = new RegExp(`key|token|authorization|lc_|%|${BASE64_BEGINNING.source}`, 'i')

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

/**
 * The query without the client's credentials; the other parameters stay byte for byte. `key` is dropped where it holds
 * one.
 * @param query with its `?`, or empty
 */
export function dropQueryKeys(query: string): string {
  if (query === '' || !MAY_HOLD.test(query)) return query
  const parameters = query.slice(1).split('&')
  const kept = parameters.filter((parameter) => {
    const [name = ''] = parameter.split('=', 1)
    return !KEY_PARAMETERS.has(undoEncodings(name).trim().toLowerCase()) && !holdsKey(parameter)
  })
  if (kept.length === parameters.length) return query
  return kept.length === 0 ? '' : `?${kept.join('&')}`
}
