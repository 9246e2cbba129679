/** A whole body in the form in which undici sends it. */
export function concatOnce(pieces: readonly Buffer[]): Buffer {
  return pieces.length === 1 ? (pieces[0] as Buffer) : Buffer.concat(pieces)
}
