import { KEY_PATTERN } from '../access/key.js'
import { holdsKey } from '../access/key-traces.js'
import type { KeyRecord } from '../access/keyring.js'
import { showText } from '../lib/visible-text.js'

/** Longest text from a client in a line, in characters. */
const MAX_TEXT = 200

/** Formats the owner of a key as JSON fields. The parts of a key have no characters that need escapes. */
export function formatKey(key: KeyRecord | null): string {
  if (key === null) return '"key":null,"env":null,"team":null,"user":null'
  return `"key":"${key.id}","env":"${key.env}","team":"${key.team}","user":"${key.user}"`
}

/** Quotes a name as JSON, redacted; null stays null. */
export function quoteName(name: string | null): string {
  return name === null ? 'null' : `"${redactText(name)}"`
}

/** Matches text that looks like a credential: Thinwire keys and provider keys (sk-..., sk-ant-...). */
const SECRET = new RegExp(`${KEY_PATTERN}|lc_[\\w-]{8,}|sk-[\\w-]{8,}`, 'g')

/** Results by input. Few paths and names are in use, and each redaction costs time. Cleared when full. */
const redacted = new Map<string, string>()
const MAX_REDACTED = 1_000

/**
 * Makes a text from a client safe for a line of the log or the ledger. Credentials become `***`, as does all of a text
 * that has an encoded key. Characters that cannot be seen become `?`, so that no name can write a line of its own, or
 * look like another one. The text is cut after 200 characters.
 * @returns the text as it stands between the quotes of a JSON string
 */
export function redactText(text: string): string {
  const known = redacted.get(text)
  if (known !== undefined) return known
  const plain = text.slice(0, 4 * MAX_TEXT).replace(SECRET, '***')
  const shown = holdsKey(plain) ? '***' : showText(plain)
  const printable = shown.replaceAll('\u00a0', '?')
  const short = printable.length > MAX_TEXT ? `${printable.slice(0, MAX_TEXT)}...` : printable
  const safe = JSON.stringify(short).slice(1, -1)
  if (text.length > MAX_TEXT) return safe
  if (redacted.size === MAX_REDACTED) redacted.clear()
  redacted.set(text, safe)
  return safe
}

/** In the log, the ledger and a header: enough to see what was left out. */
const MOST_FIELDS = 20
const FIELD_NAME = /^[\w.[\]-]{1,64}$/

/** A client may give a field any name: one that is no usual name is `other`. Null for none. */
export function formatFields(fields: readonly string[]): string | null {
  if (fields.length === 0) return null
  const names = fields.slice(0, MOST_FIELDS).map((name) => (FIELD_NAME.test(name) ? name : 'other'))
  return [...new Set(names)].join(', ')
}
