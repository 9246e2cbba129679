import type { ServerResponse } from 'node:http'

/**
 * Bytes up to which the first chunk is written as text, which Node joins with the head into one buffer. Larger chunks
 * are cheaper as a second part of one write than copied.
 */
const SMALL_CHUNK = 8 * 1024

/**
 * Sends the head of a response and the first chunk of its body at once. `write` alone holds them back until the end of
 * this turn, and makes an `end` that follows write an empty part.
 * @returns the result of `write`: false if the client's buffer is full
 */
export function writeHeadAndFirstChunk(res: ServerResponse, chunk: Buffer): boolean {
  const { socket } = res
  // Not its turn yet (pipelining): Node queues it.
  if (socket === null) return res.write(chunk)
  socket.cork()
  const more = chunk.length > SMALL_CHUNK ? res.write(chunk) : res.write(chunk.toString('latin1'), 'latin1')
  socket.uncork()
  return more
}
