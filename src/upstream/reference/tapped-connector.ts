import type { Socket } from 'node:net'
import type { buildConnector } from 'undici'
import { AddressMemory } from '../address-memory.js'
import { createConnector } from '../connector.js'
import type { ProxyTunnels } from '../egress-proxy.js'
import { TappedSocket } from './tapped-socket.js'

/**
 * Creates undici's connector, whose sockets are tapped by a `TappedSocket`.
 * @param tunnels through a proxy; null for direct connections
 */
export function createTappedConnector(
  options: buildConnector.BuildOptions,
  tunnels: ProxyTunnels | null = null,
  addresses: AddressMemory = new AddressMemory(),
): buildConnector.connector {
  const connect = createConnector(options, tunnels, addresses)
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
