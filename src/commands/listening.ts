import type { ListenError } from '../app/listen-error.js'
import type { ListenAddress } from '../config/listen.js'
import { readErrorCode } from '../lib/error-code.js'

/** The relay listens on every network interface of the machine. */
export function isEveryInterface(host: string): boolean {
  return host === '0.0.0.0' || host === '::'
}

/** Where a program on this machine reaches what listens there. */
export function formatOrigin(host: string, port: number, isTls = false): string {
  return `${isTls ? 'https' : 'http'}://${formatAddress({ host: isEveryInterface(host) ? '127.0.0.1' : host, port })}`
}

/** `HOST:PORT`, with brackets around an IPv6 address. */
export function formatAddress({ host, port }: ListenAddress): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

/** Why nothing can listen at the address, and what to change. */
export function describeListenError({ address, setting, cause }: ListenError): string {
  const where = formatAddress(address)
  const change = `choose another with ${setting === 'listen' ? '--listen HOST:PORT' : setting}`
  const code = readErrorCode(cause)
  switch (code) {
    case 'EADDRINUSE':
      return `${where} is taken by another program; stop it, or ${change}`
    case 'EACCES':
      return `listening on ${where} is not allowed: ports below 1024 need root; ${change}`
    case 'EADDRNOTAVAIL':
      return `${address.host} is no address of this machine; ${change}`
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the name ${address.host} has no address (${code}); ${change}`
    default:
      return `cannot listen on ${where} (${code})`
  }
}
