import type { IncomingMessage } from 'node:http'
import { isLoopback } from '../config/listen.js'
import { type FlatHeaders, findHeader, findHeaders } from '../http/flat-headers.js'
import { readHostname } from '../http/host.js'
import { unmapAddress } from './address-group.js'

/**
 * Whether a request comes from a program on this machine, and not from a web page that is open on it. It protects the
 * mode without keys: CORS is open in that mode too, and a page can send a simple POST to loopback without a
 * preflight.
 *
 * A page sends its `Origin` (Fetch standard). A page whose name points to 127.0.0.1 (DNS rebinding) sends that name as
 * `Host`. Programs send no Origin, or one with a scheme of their own, as Cursor's window does. A tunnel connects from
 * this machine, and may send `localhost` as `Host`; it names the machine of its client.
 */
export function isLocalCaller(rawHeaders: FlatHeaders): boolean {
  if (namesOtherMachine(rawHeaders)) return false
  const host = findHeader(rawHeaders, 'host')
  if (host !== undefined && !isLoopback(readHostname(host))) return false
  const origin = findHeader(rawHeaders, 'origin')
  if (origin === undefined) return true
  // Sandboxed frames of any page send "null".
  if (origin === 'null') return false
  const web = /^https?:\/\/(.*)$/i.exec(origin)
  return web === null || isLoopback(readHostname(web[1] ?? ''))
}

/**
 * Whether a proxy says that it forwards a request of another machine. A field, or an element of its list, may be empty
 * (RFC 9110, 5.6.1): that names nobody. nginx has `unix:` for a program that connects by a socket file.
 */
function namesOtherMachine(rawHeaders: FlatHeaders): boolean {
  const clients = findHeaders(rawHeaders, 'x-forwarded-for').flatMap((value) => value.split(','))
  for (const value of findHeaders(rawHeaders, 'forwarded'))
    for (const [, client = ''] of value.matchAll(/for\s*=\s*("[^"]*"|[^;,\s]*)/gi)) clients.push(client)
  return clients.some((client) => {
    const text = client.trim().replace(/^"|"$/g, '').toLowerCase()
    if (text === '' || text === 'unix:') return false
    // An IPv6 address stands there without brackets, too: its last group is no port.
    return ![text, readHostname(text)].some((host) => isLoopback(unmapAddress(host)))
  })
}

/**
 * Whether the caller is on this machine and does not forward a request from another machine. A proxy on this machine
 * adds one of the headers below or passes the Host on.
 */
export function isOnThisMachine({ socket, rawHeaders }: IncomingMessage): boolean {
  const address = unmapAddress(socket.remoteAddress ?? '')
  return (
    isLoopback(address) &&
    isLocalCaller(rawHeaders) &&
    PROXY_HEADERS.every((name) => findHeader(rawHeaders, name) === undefined)
  )
}

const PROXY_HEADERS = ['x-forwarded-for', 'forwarded', 'via']
