import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/**
 * Closes a connection with a reset, so that nobody takes it for a clean end. One that is being ended is closed: libuv refuses to
 * reset it then (EINVAL), and Node would neither close it nor tell of it ever.
 */
export function resetSocket(socket: Socket | null): void {
  if (socket === null) return
  if (socket.writableEnded) socket.destroy()
  else socket.resetAndDestroy()
}

/**
 * Breaks a response off at once, without what is queued, so that nobody takes it for the whole. Of one whose turn on
 * the connection has not come (pipelining) nothing is sent: the connection is closed when it comes. Node 24 and newer
 * would forget a `destroy` until then, send what the response has, and leave the connection open.
 */
export function destroyResponse(res: ServerResponse): void {
  if (res.socket === null) res.once('socket', (socket) => socket.destroy())
  // Where a body ends with its connection, a FIN would make the cut look like the end.
  else if (res.req.httpVersionMinor === 0) resetSocket(res.socket)
  res.destroy()
}
