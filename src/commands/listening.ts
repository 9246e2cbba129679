import type { ListenAddress } from '../config/listen.js'
import { readErrorCode } from '../lib/error-code.js'

/** Where a program on this machine reaches what listens there. */
export function formatOrigin(host: string, port: number): string {
  const shown = host === '0.0.0.0' || host === '::' ? '127.0.0.1' : host
  return `http://${shown.includes(':') ? `[${shown}]` : shown}:${port}`
}

/** Why nothing can listen there, and what to change. @param setting by which another is chosen */
export function describeListenError({ host, port }: ListenAddress, error: unknown, setting: string): string {
  const where = `${host.includes(':') ? `[${host}]` : host}:${port}`
  switch (readErrorCode(error)) {
    case 'EADDRINUSE':
      return `${where} is taken by another program; stop it, or choose another with ${setting}`
    case 'EACCES':
      return `listening on ${where} is not allowed; ports below 1024 need root, choose another with ${setting}`
    case 'EADDRNOTAVAIL':
      return `${host} is no address of this machine; choose another with ${setting}`
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the name ${host} has no address; choose another with ${setting}`
    default:
      return `cannot listen on ${where} (${readErrorCode(error)})`
  }
}
