/**
 * What is counted, as a number that sums and packs take: a price list or a record may be absurd, and a number without
 * an end would never be written.
 */
export function toAmount(value: number | bigint): number {
  return Math.min(Number(value), Number.MAX_SAFE_INTEGER)
}
