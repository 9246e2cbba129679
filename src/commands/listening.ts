import type { ListenError } from '../app/listen-error.js'
import type { ListenAddress } from '../config/listen.js'
import { UNIX_SOCKET } from '../lib/bind-server.js'
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
export function describeListenError({ place, setting, cause }: ListenError): string {
  const where = formatAddress(place)
  if (setting === 'keys.mode')
    return `keys.mode: off would let anyone who reaches ${place.host} use your upstreams, and the socket that was handed over is at ${where}: let it be on 127.0.0.1 (ListenStream=), or use "keys"`
  const change = `choose another with ${setting === 'listen' ? '--listen HOST:PORT' : setting}`
  const code = readErrorCode(cause)
  if (place.fd !== undefined) return describeSocketError(place.fd, code)
  switch (code) {
    case 'EADDRINUSE':
      return `${where} is taken by another program; stop it, or ${change}`
    case 'EACCES':
      return `listening on ${where} is not allowed: ports below 1024 need root; ${change}`
    case 'EADDRNOTAVAIL':
      return `${place.host} is no address of this machine; ${change}`
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the name ${place.host} has no address (${code}); ${change}`
    default:
      return `cannot listen on ${where} (${code})`
  }
}

/** Why a socket of systemd cannot be used. */
function describeSocketError(fd: number, code: string): string {
  const socket = `fd ${fd}, which was handed over (LISTEN_FDS),`
  if (code === UNIX_SOCKET)
    return `${socket} is a Unix socket, and clients without an address are not supported: use ListenStream=HOST:PORT`
  return `${socket} is not a listening stream socket (${code}): use ListenStream=HOST:PORT, with Accept=no`
}
