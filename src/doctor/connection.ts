import { lookup, resolveCname } from 'node:dns/promises'
import { connect, isIP } from 'node:net'
import { fail, pass, type Seen, warn } from './finding.js'
import { FRONT_NAMES, identifyFrontByName } from './front.js'
import { describeError, formatSeconds } from './http-request.js'
import { classifyReach } from './reach.js'
import type { Check, Visit } from './visit.js'

const DNS_MS = 3_000
const CONNECT_MS = 3_000

/** Addresses that are tried, each with a connection. */
const ADDRESSES_MAX = 6

/** Whether the name has addresses that Cursor's servers can reach. */
export const DNS: Check = {
  name: 'dns',
  needs: ['address'],
  skipReason: ({ base }) => (isIP(base.host) === 0 ? null : 'the host is an address, not a name'),
  tried: ({ base }) => `addresses of ${base.host}`,
  async run(visit) {
    const { host } = visit.base
    const [found, alias] = await Promise.all([
      withTimeout(lookup(host, { all: true }), DNS_MS),
      visit.base.reach === null ? withTimeout(resolveCname(host), DNS_MS).catch(() => []) : [],
    ]).catch((error: NodeJS.ErrnoException) => [error, []] as const)
    if (found instanceof Error || found.length === 0) {
      visit.missing.set('address', 'the name has no address')
      return describeMissingAddress(host, found instanceof Error ? describeError(found) : 'no record')
    }
    const addresses = [...new Set(found.map(({ address }) => address))]
    visit.addresses = addresses
    visit.front =
      identifyFrontByName(host) ?? alias.map(identifyFrontByName).find((front) => front !== null) ?? null
    const shown = addresses.slice(0, 4).join(', ') + (addresses.length > 4 ? ', ...' : '')
    const through = visit.front === null ? '' : `, a name of ${FRONT_NAMES[visit.front]}`
    const also = alias[0] === undefined ? '' : `, an alias of ${alias[0]}`
    return judgeAddresses(visit, addresses, `${shown}${also}${through}`)
  },
}

/** A resolver that did not respond says nothing about the name. */
function describeMissingAddress(host: string, code: string): Seen {
  return code === 'EAI_AGAIN' || code === 'ETIMEDOUT'
    ? fail(`DNS gave no response for ${host} (${code})`, "try again, and check this machine's DNS server")
    : fail(`${host} has no address (${code})`, `add an A or AAAA record for ${host}, or correct the name`)
}

function judgeAddresses(visit: Visit, addresses: readonly string[], shown: string): Seen {
  const inner = addresses.filter((address) => classifyReach(address) !== 'public')
  if (inner.length === 0) return pass(shown)
  if (inner.length < addresses.length) {
    return fail(
      `${shown}: ${inner.join(', ')} cannot be reached from the internet`,
      "remove its record from the public DNS: Cursor's servers may use it",
    )
  }
  visit.reach = inner.every((address) => classifyReach(address) === 'loopback') ? 'loopback' : 'private'
  // The check of the URL has reported a private name already.
  if (visit.base.reach !== null) return pass(shown)
  return warn(
    `${shown}: private, as seen from here; it works for clients in this network, not for Cursor`,
    'give the name a public address, unless DNS outside of this network has one',
  )
}

/** Whether a server listens there. */
export const CONNECT: Check = {
  name: 'connect',
  needs: ['address'],
  tried: ({ base }) => `connecting to ${base.host} port ${base.port}`,
  async run(visit) {
    const { port, secure } = visit.base
    const addresses = visit.addresses.slice(0, ADDRESSES_MAX)
    const tries = await Promise.all(addresses.map((address) => tryConnect(address, port)))
    const open = tries.filter(({ error }) => error === null)
    // A machine without IPv6 cannot test an IPv6 address. 'localhost' has two addresses, and most servers listen on
    // one.
    const shut = tries.filter(({ address, error }) => error !== null && !lacksFamily(address, error))
    if (open.length === 0) {
      visit.missing.set('connection', 'nothing listens there')
      const codes = [...new Set(tries.map(({ error }) => error))].join(', ')
      return fail(`no connection (${codes})`, adviceFor(codes, port))
    }
    if (!secure && visit.reach === 'public') {
      visit.missing.set('trust', 'the key is not sent over the internet unencrypted')
    }
    const fastest = Math.min(...open.map(({ ms }) => ms))
    const done = `in ${formatSeconds(fastest)}`
    if (shut.length === 0 || visit.reach === 'loopback') return pass(done)
    const names = shut.map(({ address, error }) => `${address} (${error})`).join(', ')
    return warn(`${done}, but not to ${names}`, 'listen on these addresses, too, or remove their DNS records')
  },
}

function lacksFamily(address: string, code: string): boolean {
  return (
    isIP(address) === 6 && (code === 'ENETUNREACH' || code === 'EADDRNOTAVAIL' || code === 'EAFNOSUPPORT')
  )
}

function adviceFor(codes: string, port: number): string {
  return codes.includes('ECONNREFUSED')
    ? `start the server for port ${port}: the proxy in front, or thinwire`
    : `open port ${port} in the firewall, and check the address`
}

interface ConnectResult {
  readonly address: string
  readonly ms: number
  /** Null if it connected. */
  readonly error: string | null
}

function tryConnect(address: string, port: number): Promise<ConnectResult> {
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
    socket.on('error', (error) => finish(describeError(error)))
  })
}

/** Rejects after a time: the resolver's own timeout is too long for a person who waits. */
function withTimeout<T>(promise: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('ETIMEDOUT')), ms)
    promise.then(resolve, reject).finally(() => clearTimeout(timer))
  })
}
