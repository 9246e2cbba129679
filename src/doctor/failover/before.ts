import { isIP } from 'node:net'
import { connect } from 'node:tls'
import { KEY, WRONG_KEY } from '../api.js'
import { RELAY } from '../arrival.js'
import { type BaseUrl, buildPathUrl, readBaseUrl, readPrefix } from '../base-url.js'
import { TLS } from '../certificate.js'
import { CONNECT, DNS } from '../connection.js'
import { URL_FORM } from '../examination.js'
import { fail, pass, type Seen, skip, warn } from '../finding.js'
import { isResponse, send } from '../http-request.js'
import { cleanText, parseBody, readField } from '../quote.js'
import { classifyReach } from '../reach.js'
import type { Check, Need, Visit } from '../visit.js'
import { identifyAnswerer } from './probe.js'
import { findFailoverRemedy } from './remedies.js'

/** The base URL for the direct way: `/v1` also where the examined URL is of `/cursor/v1`. */
export function buildDirectBase(base: BaseUrl): BaseUrl {
  const direct = readBaseUrl(`${base.url.origin}${readPrefix(base)}/v1`)
  return typeof direct === 'string' ? base : direct
}

const NEEDS: readonly Need[] = ['address', 'connection', 'relay', 'path', 'trust']
const HANDSHAKE_MS = 4_000
const REQUEST_MS = 5_000

/** Whether the front offers HTTP/2: many requests of one editor share one connection. */
export const HTTP2: Check = {
  name: 'http2',
  needs: ['address', 'connection'],
  skipReason: ({ base }) => (base.secure ? null : 'the URL has http'),
  tried: () => 'TLS, with h2 and http/1.1 offered',
  async run(visit) {
    const chosen = await negotiate(visit)
    if (chosen === null) return warn('no handshake', 'try again: a handshake without this offer passed')
    return pass(chosen === 'h2' ? 'the front chose HTTP/2' : 'the front chose HTTP/1.1: it offers no HTTP/2')
  },
}

/** @returns the protocol that the server chose; empty if it chose none; null without a handshake */
function negotiate({ base }: Visit): Promise<string | null> {
  const { host, port } = base
  return new Promise((resolve) => {
    const socket = connect({
      host,
      port,
      ALPNProtocols: ['h2', 'http/1.1'],
      // Another check judges the certificate, and nothing is sent.
      rejectUnauthorized: false,
      ...(isIP(host) === 0 ? { servername: host } : {}),
    })
    const finish = (chosen: string | null): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(chosen)
    }
    const timer = setTimeout(() => finish(null), HANDSHAKE_MS)
    socket.on('secureConnect', () => finish(socket.alpnProtocol || ''))
    socket.on('error', () => finish(null))
  })
}

/** An address for documentation (RFC 5737), which no client has. */
const FORGED_ADDRESS = '203.0.113.77'

/** Another address of this machine: it tells a client on loopback from a front on loopback. */
const OTHER_LOOPBACK = '127.0.0.2'

/** Whether the relay sees the address of the client, which the client cannot choose. */
export const ADDRESS: Check = {
  name: 'address',
  needs: [...NEEDS, 'key'],
  tried: () => 'GET /v1/key, the address that the relay sees',
  async run(visit) {
    const isLocal = visit.reach === 'loopback'
    const response = await send({
      method: 'GET',
      url: buildPathUrl(buildDirectBase(visit.base), '/key'),
      headers: { ...visit.authorization, 'x-forwarded-for': FORGED_ADDRESS },
      body: null,
      timeoutMs: REQUEST_MS,
      roots: visit.trusted ? visit.roots : null,
      ...(isLocal ? { localAddress: OTHER_LOOPBACK } : {}),
    })
    // Only Linux has more than one address on loopback.
    if (!isResponse(response)) {
      return isLocal ? skip('it shows only from another machine') : warn(response.reason)
    }
    const seen = readField(parseBody(response), 'client_address')
    if (response.status !== 200 || typeof seen !== 'string') {
      return skip(`the relay does not say it (${response.status})`)
    }
    return judgeAddress(cleanText(seen, visit.key).slice(0, 60), visit)
  },
}

function judgeAddress(seen: string, { reach, front }: Visit): Seen {
  if (seen === FORGED_ADDRESS) {
    return fail(
      'the relay believes an address that the client made up: a client passes all rules for addresses',
      ...findFailoverRemedy('forged', front),
      'thinwire.json: trustedProxies with the addresses of the front alone',
    )
  }
  const expected = reach === 'loopback' ? seen === OTHER_LOOPBACK : classifyReach(seen) === reach
  if (expected) return pass(`${seen}, of this machine or of its network's way out`)
  return warn(
    `${seen}: the address of the front, not of the client`,
    `thinwire.json: "trustedProxies": ["${seen}"]`,
    ...findFailoverRemedy('address', front),
  )
}

/** Whether a client can choose the direct way by a header, past the limits of the relay. */
export const FORGED_MARK: Check = {
  name: 'forged mark',
  needs: [...NEEDS, 'key'],
  tried: () => 'GET /models, with the headers of the direct way',
  async run(visit) {
    const headers = { ...visit.authorization, ...FORGED_HEADERS }
    const response = await visit.send('GET', buildPathUrl(visit.base, '/models'), headers, null, 0.4)
    if (!isResponse(response)) return warn(response.reason)
    if (identifyAnswerer(response) !== 'direct') return pass('a relay answered all the same')
    return fail(
      'the response came by the direct way: a client can pass by the relay, and all limits with it',
      'choose the direct way by the health of the relays alone, and remove x-thinwire-direct of clients',
    )
  },
}

/** What a client could send to look like a response of the direct way. */
export const FORGED_HEADERS = {
  'x-thinwire-direct': '1',
  'x-thinwire-direct-key': 'k_forged:prod:doctor:doctor',
} as const

/** The checks of a front whose relays are up, in rows. They change nothing. */
export const FRONT_ROWS: ReadonlyArray<readonly Check[]> = [
  [URL_FORM],
  [DNS],
  [CONNECT],
  [TLS, HTTP2],
  [RELAY],
  [KEY, WRONG_KEY],
  [ADDRESS, FORGED_MARK],
]
