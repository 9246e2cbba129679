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
