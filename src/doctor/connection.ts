import { lookup, resolveCname } from 'node:dns/promises'
import { connect, isIP } from 'node:net'
import { fail, pass, type Seen, warn } from './finding.js'
import { FRONT_NAMES, identifyFrontByName } from './front.js'
import { classifyReach } from './reach.js'
import type { Check, Visit } from './visit.js'
import { describeTrouble, formatSeconds } from './wire.js'

const DNS_MS = 3_000
const CONNECT_MS = 3_000

/** More are not tried: each is a connection. */
const MOST_ADDRESSES = 6

/** What the name stands for. */
export const DNS: Check = {
  name: 'dns',
  needs: [],
  pointless: ({ base }) => (isIP(base.host) === 0 ? null : 'it is an address, not a name'),
  tried: ({ base }) => `addresses of ${base.host}`,
  async run(visit) {
    const { host } = visit.base
    const [found, alias] = await Promise.all([
      bounded(lookup(host, { all: true }), DNS_MS),
      visit.base.reach === null ? bounded(resolveCname(host), DNS_MS).catch(() => []) : [],
    ]).catch((error: NodeJS.ErrnoException) => [error, []] as const)
    if (found instanceof Error || found.length === 0) {
      visit.lacking.set('address', 'the name has no address')
      const why = found instanceof Error ? describeTrouble(found) : 'none'
      return fail(`no address (${why})`, `add an A or AAAA record for ${host}, or mend the name`)
    }
    const addresses = [...new Set(found.map(({ address }) => address))]
    visit.addresses = addresses
    visit.front =
      identifyFrontByName(host) ?? alias.map(identifyFrontByName).find((front) => front !== null) ?? null
    const shown = addresses.slice(0, 4).join(', ') + (addresses.length > 4 ? ', ...' : '')
    const through = visit.front === null ? '' : `, a name of ${FRONT_NAMES[visit.front]}'s`
    const also = alias[0] === undefined ? '' : `, by way of ${alias[0]}`
    return judgeAddresses(visit, addresses, `${shown}${also}${through}`)
  },
}

function judgeAddresses(visit: Visit, addresses: readonly string[], shown: string): Seen {
  const inner = addresses.filter((address) => classifyReach(address) !== 'public')
  if (inner.length === 0) return pass(shown)
  if (inner.length < addresses.length) {
    return fail(
      `${shown}: ${inner.join(', ')} cannot be reached from the internet`,
      "take its record out of the public DNS: Cursor's servers may draw it",
    )
  }
  visit.reach = inner.every((address) => classifyReach(address) === 'loopback') ? 'loopback' : 'private'
  // What its name says has been told.
  if (visit.base.reach !== null) return pass(shown)
  return warn(
    `${shown}: private, as seen from here; works for clients in this network, not for Cursor`,
    'give the name a public address, unless it has one outside of this network',
  )
}

/** Whether somebody listens there. */
export const CONNECT: Check = {
  name: 'connect',
  needs: ['address'],
  tried: ({ base }) => `connecting to port ${base.port}`,
  async run(visit) {
    const { port, secure } = visit.base
    const addresses = visit.addresses.slice(0, MOST_ADDRESSES)
    const tries = await Promise.all(addresses.map((address) => tryConnect(address, port)))
    const open = tries.filter(({ error }) => error === null)
    // A machine that has no IPv6 itself cannot tell, and 'localhost' is two addresses wherever one listens.
    const shut = tries.filter(({ address, error }) => error !== null && !isOwnLack(address, error))
    if (open.length === 0) {
      visit.lacking.set('connection', 'nothing answers there')
      const codes = [...new Set(tries.map(({ error }) => error))].join(', ')
      return fail(`no connection (${codes})`, adviceFor(codes, port))
    }
    if (!secure && visit.reach === 'public') {
      visit.lacking.set('trust', 'the key is not sent over the internet in the clear')
    }
    const fastest = Math.min(...open.map(({ ms }) => ms))
    const done = `in ${formatSeconds(fastest)}`
    if (shut.length === 0 || visit.reach === 'loopback') return pass(done)
    const names = shut.map(({ address, error }) => `${address} (${error})`).join(', ')
    return warn(
      `${done}, but not to ${names}`,
      'listen on these addresses, too, or take their DNS records out',
    )
  },
}

function isOwnLack(address: string, code: string): boolean {
  return (
    isIP(address) === 6 && (code === 'ENETUNREACH' || code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT')
  )
}

function adviceFor(codes: string, port: number): string {
  return codes.includes('ECONNREFUSED')
    ? `start what is to listen on port ${port}: the proxy in front, or thinwire`
    : `open port ${port} in the firewall, and look whether the address is right`
}

interface Tried {
  readonly address: string
  readonly ms: number
  /** Null if it went well. */
  readonly error: string | null
}

function tryConnect(address: string, port: number): Promise<Tried> {
  const startedAt = performance.now()
  return new Promise((resolve) => {
    const socket = connect({ host: address, port })
    const finish = (error: string | null): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve({ address, ms: performance.now() - startedAt, error })
    }
    const timer = setTimeout(() => finish('ETIMEDOUT'), CONNECT_MS)
    socket.on('connect', () => finish(null))
    socket.on('error', (error) => finish(describeTrouble(error)))
  })
}

/** @throws after so long: the resolver's own patience is longer than that of who looks */
function bounded<T>(promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('ETIMEDOUT')), ms)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
