import type { ServerResponse } from 'node:http'

/**
 * A first piece up to this is made into text, which Node puts behind the head and writes with it as one; larger ones
 * are cheaper as two parts of one write than copied.
 */
const SMALL_PIECE = 8 * 1024

/**
 * Sends the head of a response and the first piece of its body, at once: `write` alone holds them back until the end of
 * this turn, and has an end that follows write an empty part of its own.
 * @returns as `write`
 */
export function writeHeadAndFirstChunk(res: ServerResponse, piece: Buffer): boolean {
  const { socket } = res
  // Not its turn yet: Node keeps it (pipelining).
  if (socket === null) return res.write(piece)
  socket.cork()
  const more = piece.length > SMALL_PIECE ? res.write(piece) : res.write(piece.toString('latin1'), 'latin1')
  socket.uncork()
  return more
}
