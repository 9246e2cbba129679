import type { Socket } from 'node:net'
import { ignore } from '../lib/ignore.js'

/**
 * Reads what still comes on a connection, and drops it unparsed. Closing a socket with unread bytes resets it, and a
 * reset drops the response that the client has not read yet.
 */
export function discardInput(socket: Socket): void {
  socket.removeAllListeners('data')
  socket.on('data', ignore)
  socket.resume()
}
