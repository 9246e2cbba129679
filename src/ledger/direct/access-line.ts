import { readCaddyLine } from './caddy-line.js'
import { readFrontLine } from './front-line.js'
import { badLine, type FrontRequest, otherLine, type SkippedLine } from './front-request.js'

/**
 * A longer line is no line of an access log; characters. Clients must not be able to write a longer one, as it would
 * hide a request: Caddy takes a query of 1 MiB, and writes a byte that is no UTF-8 in six.
 */
export const MAX_LINE = 8 * 1024 * 1024

/**
 * Reads a line of a front's access log: the JSON that the recipes for nginx and HAProxy write, also behind the prefix
 * of a syslog, or Caddy's own JSON.
 * @param line without its line end
 * @param now epoch milliseconds
 */
export function readAccessLine(line: string, now: number): FrontRequest | SkippedLine {
  if (line.length > MAX_LINE) return badLine('it is longer than 8 MiB')
  const start = line.indexOf('{"')
  if (start === -1) return badLine('it has no JSON object')
  const fields = parseFields(line.slice(start).trimEnd())
  if (fields === null) return badLine('its JSON cannot be read')
  if (fields.thinwire !== undefined) return readFrontLine(fields, now)
  if (typeof fields.request === 'object' && fields.request !== null) return readCaddyLine(fields, now)
  return otherLine('it is no line of direct traffic')
}

function parseFields(text: string): Readonly<Record<string, unknown>> | null {
  const value = parse(text) ?? parse(mend(text))
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/**
 * Mends what makes a front's JSON unreadable although it is clear: control characters as they are, and nginx's `\x22`,
 * where a log format lacks `escape=json`.
 */
function mend(text: string): string {
  return (
    text
      .replace(/\\(?:x([0-9a-fA-F]{2})|.)/g, (found, hex) => (hex === undefined ? found : `\\u00${hex}`))
      // biome-ignore lint/suspicious/noControlCharactersInRegex: those are what is replaced.
      .replace(/[\u0000-\u001f]/g, (found) => `\\u${found.charCodeAt(0).toString(16).padStart(4, '0')}`)
  )
}
