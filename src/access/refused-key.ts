import { ERRORS, type ErrorCode } from '../api/errors.js'

/** Shorter credentials are not shown at all: what is left of one must not help to guess it. */
const SHOWN_MIN = 20

/**
 * The message of a refused key. It begins as OpenAI's does ("Incorrect API key provided: ..."), because some clients
 * tell the kind of an error by its text: LiteLLM takes any other 401 of this type for a bad request.
 * @param credentials of the request, in their order
 * @returns undefined if the usual message is right: no key was sent, or the request was refused for another reason
 */
export function describeRefusedKey(code: ErrorCode, credentials: readonly string[]): string | undefined {
  const { status, message } = ERRORS[code]
  if (status !== 401 || code === 'missing_api_key') return undefined
  const shown = credentials.find((text) => text.startsWith('lc_')) ?? credentials[0] ?? ''
  return `Incorrect API key provided: ${maskKey(shown)}. ${message}`
}

/** What may be shown of a key, so that its owner sees which one it was: its kind and its last four letters. */
function maskKey(key: string): string {
  if (key.length < SHOWN_MIN || !/^[\w.:-]+$/.test(key)) return '****'
  return `${key.slice(0, 3)}****${key.slice(-4)}`
}
