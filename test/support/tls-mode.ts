import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Certificate, selfSigned } from '../../scripts/certificate.js'

/**
 * `THINWIRE_TEST_TLS=1`: relays of tests speak HTTPS, and clients of tests reach them by it, so that every test of the
 * wire can be run over TLS. `test/wire/server/tls-wire.test.ts` has what cannot hold there.
 */
export const SPEAKS_TLS = process.env.THINWIRE_TEST_TLS === '1'

/** Ports of this process's relays that speak HTTPS. */
export const TLS_PORTS = new Set<number>()

let certificate: Certificate | null = null

/** Writes a certificate for 127.0.0.1 and its key. @returns the setting `listen` for them */
export function writeTlsListen(folder: string): Record<string, unknown> {
  certificate ??= selfSigned('localhost')
  writeFileSync(join(folder, 'cert.pem'), certificate.cert)
  writeFileSync(join(folder, 'key.pem'), certificate.key)
  return { address: '127.0.0.1:0', tls: { cert: 'cert.pem', key: 'key.pem' } }
}

/** The beginning of the URL of a WebSocket on this port. */
export function socketOrigin(port: number): string {
  return `${TLS_PORTS.has(port) ? 'wss' : 'ws'}://127.0.0.1:${port}`
}

/** URLs that tests write by hand begin with http: and ws:. */
function toTls(url: string): string {
  const { port, protocol } = new URL(url)
  const isPlain = protocol === 'http:' || protocol === 'ws:'
  return isPlain && TLS_PORTS.has(Number(port)) ? url.replace(/^(http|ws):/, '$1s:') : url
}

if (SPEAKS_TLS) {
  process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
  process.removeAllListeners('warning')
  const plain = globalThis.fetch
  globalThis.fetch = (input, init) =>
    plain(input instanceof Request ? new Request(toTls(input.url), input) : toTls(String(input)), init)
}
