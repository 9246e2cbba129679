import type { AddressInfo } from 'node:net'
import type { Config } from '../config/config.js'
import { isLoopback, type ListenPlace } from '../config/listen.js'
import { ListenError } from './listen-error.js'

/** Where the relay listens. A host is as the config says it, or the real address of a socket that was handed over. */
export interface Ports extends MetricsPort, PagePort {
  readonly host: string
  readonly port: number
}

/** Where scrapers connect; null if metrics are off. */
export interface MetricsPort {
  readonly metricsHost: string | null
  readonly metricsPort: number | null
}

/** Where the page is; null if there is none. */
export interface PagePort {
  readonly pageHost: string | null
  readonly pagePort: number | null
}

export const NO_PAGE: PagePort = { pageHost: null, pagePort: null }

export const NO_METRICS: MetricsPort = { metricsHost: null, metricsPort: null }

/** The host to show for a place. @param bound where a server listens there */
export function nameHost(place: ListenPlace, bound: AddressInfo): string {
  return place.fd === undefined ? place.host : bound.address
}

/**
 * Without keys, the relay must be on loopback alone. What the config says has been checked; the address of a socket
 * that was handed over is known only now, before the first connection is accepted.
 * @throws {ListenError}
 */
export function refuseOpenRelay({ keys, listen }: Config, bound: AddressInfo): void {
  if (keys.mode !== 'off' || listen.fd === undefined || isLoopback(bound.address)) return
  throw new ListenError({ host: bound.address, port: bound.port, fd: listen.fd }, 'keys.mode', null)
}
