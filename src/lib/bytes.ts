// A loop over bytes copies these constants into constants of its own module: V8 loads an imported or exported one from
// its cell each time, which made the peek a tenth slower (bench `peek_100k`).

/** Line feed. */
export const LF = 0x0a
/** Carriage return. */
export const CR = 0x0d

/** The value of a hexadecimal digit; -1 for any other byte, and for none. */
export function hexDigit(byte: number | undefined): number {
  if (byte === undefined) return -1
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30
  const lower = byte | 0x20
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1
}

/** A buffer without bytes. One is enough for all, as nothing can be written into it. */
export const EMPTY: Buffer = Buffer.alloc(0)

/** Joins the chunks of a body into one buffer. A single chunk is not copied. */
export function joinChunks(chunks: readonly Buffer[]): Buffer {
  return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)
}
