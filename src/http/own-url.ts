import { type FlatHeaders, findHeader } from './flat-headers.js'

/**
 * The address by which a client has reached the relay: scheme and host, and what a proxy in front has in its path if
 * the config says it.
 * @param isEncrypted the connection is TLS
 * @param publicUrl of the config; null for none
 * @returns without a slash at the end; null if the request names no host that can stand in a URL
 */
export function findOwnUrl(
  rawHeaders: FlatHeaders,
  isEncrypted: boolean,
  publicUrl: string | null,
): string | null {
  if (publicUrl !== null) return publicUrl
  const host = findHeader(rawHeaders, 'host')
  if (host === undefined || !HOST.test(host)) return null
  // Whoever sends it gets the URL itself, so it need not be believed for others.
  const forwarded = findHeader(rawHeaders, 'x-forwarded-proto')?.split(',', 1)[0]?.trim().toLowerCase()
  const scheme = forwarded === 'http' || forwarded === 'https' ? forwarded : isEncrypted ? 'https' : 'http'
  return `${scheme}://${host}`
}

/** A name or an address, with or without a port (RFC 9110, 7.2). */
const HOST = /^(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?$/i
