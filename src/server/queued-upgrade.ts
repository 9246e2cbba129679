import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { ignore } from '../lib/ignore.js'
import type { HeldBytes } from './held-bytes.js'

/**
 * Queues an upgrade that was pipelined after a request, until the response to that request is complete. Node has
 * removed its listeners from the socket, so until then this function notices a client that leaves.
 * @param before the response that comes first
 * @param head what came behind the upgrade's head
 * @param begin gets all that has come by then
 */
export function queueUpgrade(
  before: ServerResponse,
  socket: Socket,
  held: HeldBytes,
  head: Buffer,
  begin: (bytes: Buffer) => void,
): void {
  const leave = (): unknown => socket.destroy()
  socket.on('error', ignore)
  socket.once('end', leave)
  held.start(head)
  before.once('close', () => {
    const pieces = held.end()
    socket.removeListener('end', leave)
    // Later bytes belong to the next reader of the socket.
    socket.pause()
    if (socket.writable) begin(Buffer.concat(pieces))
  })
}
