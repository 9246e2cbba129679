import type { Answer } from './answers.js'
import { wait } from './until.js'
import { CHUNKED, chunk, head, LAST_CHUNK, type Received } from './upstream.js'

/** A longer body is cut at some of its bytes. */
export const LONG = 100_000

/** Cuts at these places, which ascend. */
export function cutAt(body: Buffer, places: readonly number[]): Buffer[] {
  const ends = [...places, body.length]
  return ends.map((end, i) => body.subarray(ends[i - 1] ?? 0, end)).filter((piece) => piece.length > 0)
}

export function pieceBySize(body: Buffer, size: number): Buffer[] {
  const places = Array.from({ length: Math.ceil(body.length / size) - 1 }, (_, i) => (i + 1) * size)
  return cutAt(body, places)
}

/** Where a reader of text, of lines or of events may stumble, and places all over it. */
export function tellingPlaces(body: Buffer, spread: number): number[] {
  const places = Array.from({ length: spread }, (_, i) => Math.floor(((i + 1) * body.length) / (spread + 1)))
  const last = Math.max(body.lastIndexOf('data'), 0)
  places.push(1, 2, 3, last + 2, last + 5, body.length - 3, body.length - 2, body.length - 1)
  const multibyte = body.subarray(0, LONG).findIndex((byte) => byte >= 0xc0)
  if (multibyte !== -1) places.push(multibyte + 1)
  for (const at of [body.indexOf('\r'), body.lastIndexOf('\r'), body.lastIndexOf('\n')]) places.push(at + 1)
  return [...new Set(places)].filter((at) => at > 0 && at < body.length).sort((a, b) => a - b)
}

/** How one request is answered: cut at these places, each piece a chunk of its own or not. */
export interface Way {
  readonly places: readonly number[]
  readonly framing: 'chunk by chunk' | 'one chunk' | 'length'
}

export function waysOf(body: Buffer): Way[] {
  const places = tellingPlaces(body, body.length > LONG ? 2 : 9)
  const framings = ['chunk by chunk', 'one chunk', 'length'] as const
  return [
    ...framings.map((framing) => ({ places: [], framing })),
    ...places.map((place, i): Way => ({ places: [place], framing: framings[i % 3] ?? 'length' })),
    { places, framing: 'chunk by chunk' },
    { places, framing: 'length' },
  ]
}

/** Each piece leaves by itself. */
export async function writeIn(request: Received, { status, headers, body }: Answer, way: Way): Promise<void> {
  const byLength = way.framing === 'length'
  await request.write(head(status, ...headers, byLength ? `content-length: ${body.length}` : CHUNKED))
  const isWhole = way.framing === 'one chunk'
  // Here the places are bytes of the chunk with its frame, so that this is cut too.
  const pieces = cutAt(isWhole ? Buffer.concat([chunk(body), Buffer.from(LAST_CHUNK)]) : body, way.places)
  for (const piece of pieces) {
    await wait(1)
    await (way.framing === 'chunk by chunk' ? request.chunk(piece) : request.write(piece))
  }
  if (way.framing === 'chunk by chunk') await request.lastChunk()
}
