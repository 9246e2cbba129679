/**
 * Leaves parts of an input away as long as it still fails: people read what is left, and logs keep it whole.
 * @param ms after which the smallest one so far is returned
 */
export async function shrink(
  input: Buffer,
  fails: (input: Buffer) => Promise<boolean>,
  ms: number,
): Promise<Buffer> {
  const until = performance.now() + ms
  let smallest = input
  for (let size = input.length >> 1; size > 0; ) {
    const before = smallest.length
    for (let at = 0; at + size <= smallest.length && performance.now() < until; ) {
      const shorter = Buffer.concat([smallest.subarray(0, at), smallest.subarray(at + size)])
      if (await fails(shorter)) smallest = shorter
      else at += size
    }
    if (performance.now() >= until) break
    // Bytes that could not go before may go once others are gone.
    if (size > 1 || smallest.length === before) size >>= 1
  }
  return smallest
}
