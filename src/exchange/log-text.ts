import { KEY_PATTERN } from '../access/key.js'
import type { KeyRecord } from '../access/keyring.js'

/** Longest text of the client's making that goes into a line. */
const LONGEST = 200

/** Whose request it was. There is nothing to escape in the parts of a key. */
export function formatKey(key: KeyRecord | null): string {
  if (key === null) return '"key":null,"env":null,"team":null,"user":null'
  return `"key":"${key.id}","env":"${key.env}","team":"${key.team}","user":"${key.user}"`
}

/** As `json`, for what people call something. */
export function quoteName(name: string | null): string {
  return name === null ? 'null' : `"${redactText(name)}"`
}

/** What looks like a credential: ours, and the providers' (sk-..., sk-ant-...). */
const SECRET = new RegExp(`${KEY_PATTERN}|lc_[\\w-]{8,}|sk-[\\w-]{8,}`, 'g')

/** Paths and names are few, and looking at each of their characters is not free. Emptied when it is full. */
const tellings = new Map<string, string>()
const MOST_TELLINGS = 1_000

/**
 * A text of somebody's making, fit for a line, as it stands between the quotes of JSON: what was pasted in a wrong place is
 * taken out by its pattern, control characters too, so that no name can write a line of its own, and it is not longer
 * than is of use.
 */
export function redactText(text: string): string {
  const known = tellings.get(text)
  if (known !== undefined) return known
  const printable = text
    .slice(0, 4 * LONGEST)
    .replace(SECRET, '***')
    .replace(/[^\x20-\x7e\u00a1-\u{10ffff}]/gu, '?')
  const short = printable.length > LONGEST ? `${printable.slice(0, LONGEST)}...` : printable
  const telling = JSON.stringify(short).slice(1, -1)
  if (text.length > LONGEST) return telling
  if (tellings.size === MOST_TELLINGS) tellings.clear()
  tellings.set(text, telling)
  return telling
}
