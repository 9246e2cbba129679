// A loop over bytes copies these constants into constants of its own module: V8 loads an imported or exported one from
// its cell each time, which made the peek a tenth slower (bench `peek_100k`).

/** Line feed. */
export const LF = 0x0a
/** Carriage return. */
export const CR = 0x0d

/** A buffer without bytes. One is enough for all, as nothing can be written into it. */
export const EMPTY: Buffer = Buffer.alloc(0)

/** Joins the chunks of a body into one buffer. A single chunk is not copied. */
export function joinChunks(chunks: readonly Buffer[]): Buffer {
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)
}
