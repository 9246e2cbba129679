import { isIPv6 } from 'node:net'

/** An address to listen on. An IPv6 `host` has no brackets. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** Where to listen: at an address, or at a socket of another process. */
export interface ListenPlace extends ListenAddress {
  /** A listening socket that systemd has handed over. Its real address counts then, and not this one. */
  readonly fd?: number | undefined
  /** The socket is one that an earlier process of this relay has bound: nobody else keeps it open. */
  readonly isTakenOver?: boolean | undefined
  /** Other relays may listen at the same address. */
  readonly reusePort?: boolean | undefined
}

/** Where the relay listens for clients. */
export interface ListenConfig extends ListenPlace {
  /** Null: it speaks HTTP without TLS. */
  readonly tls: TlsFiles | null
}

/** Where the certificate of the relay is. The paths are absolute. */
export interface TlsFiles {
  readonly cert: string
  readonly key: string
  /** Null if the private key is not encrypted. */
  readonly passphrase: string | null
}

/** Reads `HOST:PORT`, `[IPV6]:PORT` or `:PORT`, which is 127.0.0.1. @returns null if the text is none of these */
export function parseListenAddress(text: string): ListenAddress | null {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^:[\]\s]*)):(\d{1,5})$/.exec(text)
  if (match === null) return null
  const port = Number(match[3])
  if (port > 65535 || (match[1] !== undefined && !isIPv6(match[1]))) return null
  return { host: match[1] ?? (match[2] || '127.0.0.1'), port }
}

/**
 * Why `reusePort` cannot be used here, as an older Node would ignore it without a word; null if it can be.
 * @param version of Node, such as 22.12.0
 * @param workers how many processes this relay has
 */
export function findReusePortFlaw(version: string, workers = 1): string | null {
  if (workers > 1)
    return 'is for relays with workers: 1. Each of several workers would have a socket of its own, and a restart would cut the connections that wait there'
  const [major = 0, minor = 0] = version.split('.').map(Number)
  if (major >= 24 || (major === 23 && minor >= 1) || (major === 22 && minor >= 12)) return null
  return `needs Node 22.12, 23.1 or newer, and this is Node ${version}`
}

/** Whether a host name or address means this machine. @param host with or without the brackets of IPv6 */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host)
}
