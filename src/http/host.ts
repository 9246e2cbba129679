import { isIP } from 'node:net'
import { type FlatHeaders, findHeader, findHeaders } from './flat-headers.js'

/**
 * A host and an optional port (RFC 3986, 3.2.2): a name, an IPv4 address, or an IPv6 address in brackets. Without the
 * comma that a name may have in theory: two hosts in one field look like that.
 */
const HOST = /^(?:\[[0-9a-f:.]+\]|(?:[a-z0-9._~!$&'()*+;=-]|%[0-9a-f]{2})+)(?::\d{0,5})?$/i

/** The last value that was valid: most requests have the same one. */
let lastValid = ''

/**
 * Finds what is wrong with the Host of a request (RFC 9112, 3.2; RFC 9110, 7.2). Checked here and not by Node, which
 * lets two hosts and user names pass, and refuses a request without a host in no API's format.
 * @param minor of the HTTP version: 1.0 needs no host
 * @returns what the client is told; null if nothing is wrong
 */
export function findHostFlaw(raw: FlatHeaders, minor: number): string | null {
  const hosts = findHeaders(raw, 'host')
  if (hosts.length === 0 && minor === 0) return null
  const [host] = hosts
  if (hosts.length !== 1 || host === undefined)
    return 'The request must have one Host header (RFC 9112, 3.2).'
  if (host === lastValid) return null
  if (!HOST.test(host)) return 'The Host header must be one host, with or without a port (RFC 9110, 7.2).'
  lastValid = host
  return null
}

/** The host of `host[:port]` in lower case, without the brackets of an IPv6 address. */
export function readHostname(authority: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(authority)
  return (bracketed?.[1] ?? authority.replace(/:\d+$/, '')).toLowerCase()
}

/**
 * Whether the Host of a request is none that a web page of others could have: a page whose name points to this machine
 * (DNS rebinding) could read in the browser of somebody what only they reach. IP addresses and `localhost` are safe.
 * @param names further ones, in lower case
 * @param allowsDotless names without a dot are safe too: no page in public has one
 */
export function isSafeHost(
  raw: FlatHeaders,
  minor: number,
  names: readonly string[],
  allowsDotless: boolean,
): boolean {
  if (findHostFlaw(raw, minor) !== null) return false
  const name = readHostname(findHeader(raw, 'host') ?? 'localhost')
  if (isIP(name) !== 0 || name === 'localhost' || name.endsWith('.localhost')) return true
  return names.includes(name) || (allowsDotless && !name.includes('.'))
}
