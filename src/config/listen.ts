import { isIPv6 } from 'node:net'

/** An address to listen on. An IPv6 `host` has no brackets. */
export interface ListenAddress {
  readonly host: string
  readonly port: number
}

/** Where the relay listens for clients. */
export interface ListenConfig extends ListenAddress {
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

/** Whether a host name or address means this machine. @param host with or without the brackets of IPv6 */
export function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || host === '[::1]' || /^127(\.\d{1,3}){3}$/.test(host)
}
