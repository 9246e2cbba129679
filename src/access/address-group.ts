import { isIP } from 'node:net'

/**
 * The address that is counted for a client's: an IPv6 client has a whole /64 network to choose from (RFC 6177), so its
 * first four groups count.
 */
export function groupAddress(address: string): string {
  const plain = unmapAddress(address)
  if (isIP(plain) !== 6) return plain
  const [head = '', tail] = (plain.split('%', 1)[0] as string).split('::')
  const groups = head === '' ? [] : head.split(':')
  // The groups that `::` stands for are zeros.
  const rest = tail === undefined || tail === '' ? [] : tail.split(':')
  if (tail !== undefined) while (groups.length + rest.length < 8) groups.push('0')
  const network = [...groups, ...rest].slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16))
  return `${network.join(':')}::/64`
}

/** An IPv4 address without the prefix that it has on a socket that listens on IPv6: `::ffff:127.0.0.1`. */
export function unmapAddress(address: string): string {
  return address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address
}
