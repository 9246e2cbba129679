import type { IncomingMessage } from 'node:http'
import { isLoopback } from '../config/listen.js'
import { type FlatHeaders, findHeader } from '../http/flat-headers.js'

/**
 * Whether a request comes from a program on this machine and not from a web page that happens to be open on it. It
 * guards the mode without keys: CORS is open there too, and a page can send a simple POST to loopback without asking.
 *
 * A page tells its `Origin` (Fetch standard); one that has made its own name point to 127.0.0.1 (DNS rebinding) has
 * to send that name as `Host`. Programs send no Origin, or one of a scheme of their own, as Cursor's window does.
 */
export function isLocalCaller(rawHeaders: FlatHeaders): boolean {
  const host = findHeader(rawHeaders, 'host')
  if (host !== undefined && !isLoopback(hostname(host))) return false
  const origin = findHeader(rawHeaders, 'origin')
  if (origin === undefined) return true
  // Sandboxed frames of any page send "null".
  if (origin === 'null') return false
  const web = /^https?:\/\/(.*)$/i.exec(origin)
  return web === null || isLoopback(hostname(web[1] ?? ''))
}

/** Whether whoever asks does so on this machine, and for nobody else: a proxy here tells of itself, or passes the Host on. */
export function isOnThisMachine({ socket, rawHeaders }: IncomingMessage): boolean {
  const address = socket.remoteAddress?.replace(/^::ffff:/, '') ?? ''
  return (
    isLoopback(address) &&
    isLocalCaller(rawHeaders) &&
    OF_PROXIES.every((name) => findHeader(rawHeaders, name) === undefined)
  )
}

const OF_PROXIES = ['x-forwarded-for', 'forwarded', 'via']

/** The host of `host[:port]`, brackets of an IPv6 address taken off, in lower case. */
function hostname(authority: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(authority)
  return (bracketed?.[1] ?? authority.replace(/:\d+$/, '')).toLowerCase()
}
