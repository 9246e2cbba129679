import { BlockList, isIP } from 'node:net'
import { isLoopback } from '../config/listen.js'
import { type FlatHeaders, findHeaders } from '../http/flat-headers.js'
import { groupAddress, unmapAddress } from './address-group.js'

/**
 * Finds the address of a client. Behind a trusted proxy it is the address that the proxy names in `X-Forwarded-For`:
 * the last one in the list that is not itself a trusted proxy, as a client can put anything in front of it.
 */
export class ClientAddresses {
  /** Null if no proxy is trusted. */
  private readonly trusted: AddressList | null

  /** @param trustedProxies addresses, and networks such as `10.0.0.0/8` */
  constructor(trustedProxies: readonly string[]) {
    this.trusted = trustedProxies.length === 0 ? null : new AddressList(trustedProxies)
  }

  /**
   * @param peer `socket.remoteAddress`
   * @returns null if the client has left, so that its address is not known
   */
  find(peer: string | undefined, rawHeaders: FlatHeaders): string | null {
    if (peer === undefined) return null
    let address = unmapAddress(peer)
    if (this.trusted?.has(address) !== true) return address
    const named = findHeaders(rawHeaders, 'x-forwarded-for').flatMap((value) => value.split(','))
    for (let i = named.length - 1; i >= 0; i--) {
      const next = readAddress(named[i] as string)
      // Not an address: what stands in front of it cannot be believed either.
      if (next === null) return address
      address = next
      if (!this.trusted.has(address)) return address
    }
    return address
  }

  /**
   * Finds the address under which a request is counted: one /64 network of IPv6. A proxy on this machine need not be
   * trusted for that: else all of its clients would be counted as one.
   * @returns null as `find`
   */
  findCounted(peer: string | undefined, rawHeaders: FlatHeaders): string | null {
    const address = this.find(peer, rawHeaders)
    if (address === null || !isLoopback(address)) return address === null ? null : groupAddress(address)
    const last = findHeaders(rawHeaders, 'x-forwarded-for').at(-1)?.split(',').at(-1)
    return groupAddress((last === undefined ? null : readAddress(last)) ?? address)
  }

  /** Whether a connection is of a proxy, so that it may be any client's. @param peer `socket.remoteAddress` */
  isProxy(peer: string): boolean {
    return this.trusted?.has(unmapAddress(peer)) === true
  }
}

/** Addresses whose verdict is remembered; then all are forgotten. */
const MOST_REMEMBERED = 1_000

/** A list of addresses and networks. An IPv4 address is also found if it is written as a mapped IPv6 one. */
export class AddressList {
  private readonly list: BlockList
  /** A look into the list takes eight times as long as the check of a key, and most clients come again and again. */
  private readonly remembered: Map<string, boolean>

  /** @param entries see `isAddressOrNetwork` */
  constructor(entries: readonly string[]) {
    this.list = new BlockList()
    this.remembered = new Map()
    for (const entry of entries) {
      const [address = '', prefix] = entry.split('/')
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
      if (prefix === undefined) this.list.addAddress(address, family)
      else this.list.addSubnet(address, Number(prefix), family)
    }
  }

  has(address: string): boolean {
    const known = this.remembered.get(address)
    if (known !== undefined) return known
    const family = isIP(address)
    const isIn = family !== 0 && this.list.check(address, family === 6 ? 'ipv6' : 'ipv4')
    if (this.remembered.size >= MOST_REMEMBERED) this.remembered.clear()
    if (family !== 0) this.remembered.set(address, isIn)
    return isIn
  }
}

/** Reads an entry of `X-Forwarded-For`: some proxies add the port, and brackets around IPv6. */
function readAddress(text: string): string | null {
  const trimmed = text.trim().replace(/^"|"$/g, '')
  const bracketed = /^\[([^\]]+)\](?::\d+)?$/.exec(trimmed)?.[1]
  const address = unmapAddress(bracketed ?? trimmed.replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1'))
  return isIP(address) === 0 ? null : address
}
