import type { AuthScheme, Preset } from '../api/presets.js'
import type { HeaderValue, UpstreamEntry } from './schema.js'
import type { Secrets } from './secrets.js'

/** The extra headers of an upstream. */
export interface UpstreamHeaders {
  /** Name, value, name, value; names in lower case. */
  readonly headers: readonly string[]
  /** The secrets among their values. */
  readonly secrets: readonly string[]
}

/**
 * Reads the headers of a preset, and those of the entry, which override them.
 * @param path of the entry
 * @param passthrough clients bring credentials of their own: then the preset's headers are optional
 */
export function readHeaders(
  entry: UpstreamEntry,
  preset: Preset | null,
  path: string,
  context: { readonly secrets: Secrets; readonly passthrough: boolean },
): UpstreamHeaders {
  const { secrets } = context
  const values = new Map<string, HeaderValue>()
  for (const [name, value] of Object.entries(preset?.headers ?? {})) {
    if (!context.passthrough || secrets.env[value.env]?.trim()) values.set(name, value)
  }
  const names = new Map<string, string>()
  for (const [name, value] of Object.entries(entry.headers)) {
    values.set(name.toLowerCase(), value)
    names.set(name.toLowerCase(), name)
  }
  const headers: string[] = []
  const found: string[] = []
  for (const [lower, value] of values) {
    const where = `${path}.headers.${names.get(lower) ?? lower}`
    const secret = typeof value === 'string' ? null : secrets.read(value, where)
    if (secret !== null) found.push(secret)
    const text = typeof value === 'string' ? value : `${value.prefix ?? ''}${secret}`
    if (/[^\t\x20-\x7e\x80-\xff]/.test(text))
      secrets.report(where, 'has a character that no header can carry')
    headers.push(lower, text)
  }
  return { headers, secrets: found }
}

/**
 * Reads the credential of an upstream: by the entry's reference, or else from the preset's environment variable.
 * @param path of the entry
 * @returns null if it has none
 */
export function readApiKey(
  entry: UpstreamEntry,
  preset: Preset | null,
  auth: AuthScheme,
  path: string,
  context: { readonly secrets: Secrets; readonly passthrough: boolean },
): string | null {
  const { secrets, passthrough } = context
  const where = `${path}.apiKey`
  if (entry.apiKey !== undefined) {
    if (auth === 'none')
      secrets.report(where, 'is never sent with auth "none"; leave it out, or choose another auth')
    return secrets.read(entry.apiKey, where)
  }
  if (preset === null || auth === 'none') return null
  const { keyEnv } = preset
  if (keyEnv !== null && secrets.env[keyEnv]?.trim()) return secrets.read({ env: keyEnv }, where)
  if (!preset.keyless && !passthrough && keyEnv !== null) {
    secrets.report(
      where,
      `is missing; set the environment variable ${keyEnv}, or give a reference: {"env": "NAME"} or {"file": "PATH"}`,
    )
  }
  return null
}
