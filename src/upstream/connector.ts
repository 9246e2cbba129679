import type { buildConnector } from 'undici'
import type { AddressMemory } from './address-memory.js'
import { createDirectConnector } from './direct-connector.js'
import type { ProxyTunnels } from './egress-proxy.js'

/**
 * Creates undici's connector, which knows TLS sessions, timeouts and several addresses of a name.
 * @param tunnels through a proxy; null for direct connections
 */
export function createConnector(
  options: buildConnector.BuildOptions,
  tunnels: ProxyTunnels | null,
  addresses: AddressMemory,
): buildConnector.connector {
  const connect = createDirectConnector(options, addresses)
  if (tunnels === null) return connect
  return (target, callback) => {
    const secure = target.protocol === 'https:'
    const host = target.hostname.includes(':') ? `[${target.hostname}]` : target.hostname
    tunnels.open(`${host}:${target.port || (secure ? 443 : 80)}`, (error, socket) => {
      if (socket === null) callback(error ?? new Error('no connection'), null)
      else if (!secure) callback(null, socket)
      else connect({ ...target, httpSocket: socket } as buildConnector.Options, callback)
    })
  }
}
