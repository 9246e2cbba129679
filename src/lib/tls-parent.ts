import type { Socket } from 'node:net'

/**
 * The TCP connection below a TLS socket; the socket itself if it is one. Node keeps it in this private member, and has
 * no public one.
 */
export function tcpSocketOf(socket: Socket): Socket {
  return (socket as { _parent?: Socket | null })._parent ?? socket
}
