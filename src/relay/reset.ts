import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { tcpSocketOf } from '../lib/tls-parent.js'

/**
 * Closes a connection with a reset, so that no client takes it for a clean end. A socket that is already ending is
 * destroyed instead: libuv refuses to reset it (EINVAL), and Node would then neither close it nor report the error.
 */
export function resetSocket(socket: Socket | null): void {
  if (socket === null) return
  if (socket.writableEnded) socket.destroy()
  // A TLS socket cannot do it (ERR_INVALID_HANDLE_TYPE). It ends with the connection below it, without a close_notify.
  else tcpSocketOf(socket).resetAndDestroy()
}

/**
 * Breaks a response off at once and drops the queued bytes, so that no client takes it for complete. A pipelined
 * response whose turn has not come sends nothing: the connection is closed at its turn. Node 24 and newer would ignore
 * an early `destroy`, send the queued bytes, and leave the connection open.
 */
export function destroyResponse(res: ServerResponse): void {
  if (res.socket === null) res.once('socket', (socket) => socket.destroy())
  // Where a body ends with its connection, a FIN would make the cut look like the end.
  else if (res.req.httpVersionMinor === 0) resetSocket(res.socket)
  res.destroy()
}
