import type { ServerResponse } from 'node:http'

/**
 * Bytes up to which the first chunk is written as text, which Node joins with the head into one buffer. Larger chunks
 * are cheaper as a second part of one write than copied.
 */
const SMALL_CHUNK = 8 * 1024

const CR = 0x0d
const LF = 0x0a

/**
 * Sends the head of a response alone. `flushHeaders` would encode it as UTF-8, so that a byte above 0x7f became two: a
 * head is Latin-1, as its strings are (RFC 9110, 5.5).
 */
export function writeHeadAlone(res: ServerResponse): void {
  const { socket } = res
  socket?.cork()
  res.write('', 'latin1')
  socket?.uncork()
}

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

/**
 * Sends a chunk of a body whose head has been sent. A chunk of a usual size is framed here and leaves in one buffer at
 * once (RFC 9112, 7.1): `write` makes three parts of it, which are joined at the end of the turn (bench `translated`).
 * @returns false if the client's buffer is full
 */
export function writeChunk(res: ServerResponse, chunk: Buffer): boolean {
  const { socket } = res
  if (!res.chunkedEncoding || socket === null) return res.write(chunk)
  if (chunk.length <= SMALL_CHUNK) return socket.write(frameChunk(chunk))
  // From Node 22 on, `write` holds a chunk back until the end of the turn, behind those that go to the socket
  // themselves, unless the socket is corked already.
  socket.cork()
  const more = res.write(chunk)
  socket.uncork()
  return more
}

function frameChunk(chunk: Buffer): Buffer {
  const size = chunk.length.toString(16)
  const start = size.length + 2
  const end = start + chunk.length
  const framed = Buffer.allocUnsafe(end + 2)
  framed.write(size, 'latin1')
  framed[start - 2] = CR
  framed[start - 1] = LF
  chunk.copy(framed, start)
  framed[end] = CR
  framed[end + 1] = LF
  return framed
}
