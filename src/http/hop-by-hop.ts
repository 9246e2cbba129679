/**
 * Headers that belong to one connection and are never forwarded (RFC 9110, 7.6.1), in lower case. `keep-alive` and
 * `proxy-connection` are hop-by-hop by custom.
 */
export const HOP_BY_HOP: readonly string[] = [
  'connection',
  'keep-alive',
  'proxy-connection',
  'proxy-authenticate',
  'proxy-authorization',
  'proxy-authentication-info',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
]

/**
 * Adds the names that a `Connection` header lists, in lower case: those headers belong to the connection too.
 * @param names found in earlier `Connection` headers, or null
 * @returns null if there are none but `keep-alive` and `close`, which nearly all messages have
 */
export function collectConnectionNames(names: Set<string> | null, value: string): Set<string> | null {
  const lower = value.toLowerCase()
  if (lower === 'keep-alive' || lower === 'close') return names
  const collected = names ?? new Set<string>()
  for (const token of lower.split(',')) collected.add(token.trim())
  return collected
}
