import type { Socket } from 'node:net'
import type { buildConnector } from 'undici'
import { AddressMemory } from './address-memory.js'
import { createDirectConnector } from './direct-connector.js'
import type { ProxyTunnels } from './egress-proxy.js'
import { TappedSocket } from './tapped-socket.js'

/**
 * Creates undici's connector, whose sockets are tapped by a `TappedSocket`.
 * @param tunnels through a proxy; null for direct connections
 */
export function createConnector(
  options: buildConnector.BuildOptions,
  tunnels: ProxyTunnels | null = null,
  addresses: AddressMemory = new AddressMemory(),
): buildConnector.connector {
  const connect = createPlainConnector(options, tunnels, addresses)
  return (target, callback) => {
    connect(target, (...result) => {
      const [error, socket] = result
      if (error === null) {
        closeOnError(socket)
        new TappedSocket(socket)
      }
      callback(...result)
    })
  }
}

/**
 * A TLS error on an established connection, such as a record that was changed on its way, is reported by 'error' alone:
 * Node leaves the connection open (`TLSSocket._emitTLSError`), and undici waits for its close.
 */
function closeOnError(socket: Socket): void {
  socket.on('error', (error) => socket.destroy(error))
}

/** Creates undici's connector without a tap. */
export function createPlainConnector(
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
