import { BlockList, isIP } from 'node:net'

/** Who can reach an address: everybody, programs on this machine, or machines in a private network. */
export type Reach = 'public' | 'loopback' | 'private'

const loopback = new BlockList()
loopback.addSubnet('127.0.0.0', 8, 'ipv4')
loopback.addAddress('::1', 'ipv6')

/** IANA's registries of special-purpose addresses, without those that are globally reachable. */
const special = new BlockList()
for (const [network, prefix] of [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 3],
] as const) {
  special.addSubnet(network, prefix, 'ipv4')
}
for (const [network, prefix] of [
  ['::', 128],
  ['100::', 64],
  ['2001:db8::', 32],
  ['fc00::', 7],
  ['fe80::', 10],
  ['ff00::', 8],
] as const) {
  special.addSubnet(network, prefix, 'ipv6')
}

/** @param address IPv4 or IPv6, without brackets. An IPv4-mapped IPv6 address counts as IPv4. */
export function classifyReach(address: string): Reach {
  const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
  if (loopback.check(address, family)) return 'loopback'
  return special.check(address, family) ? 'private' : 'public'
}

/** Who can reach a host, judged by its name alone. @returns null if its addresses decide */
export function classifyReachByName(host: string): Reach | null {
  if (isIP(host) !== 0) return classifyReach(host)
  if (host === 'localhost' || host.endsWith('.localhost')) return 'loopback'
  // RFC 6762, RFC 8375, ICANN's reservation of 2024, and custom. A name without a dot is looked up in the local domain.
  return /\.(?:local|home\.arpa|internal|lan|intranet|corp|home)$/.test(host) || !host.includes('.')
    ? 'private'
    : null
}
