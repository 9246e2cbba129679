import type { Socket } from 'node:net'
import type { buildConnector } from 'undici'
import { TappedSocket } from './tapped-socket.js'

/** Has the sockets of a connector tapped by a `TappedSocket`. */
export function tapConnector(connect: buildConnector.connector): buildConnector.connector {
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
