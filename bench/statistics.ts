/** @returns NaN for an empty list */
export function median(values: readonly number[]): number {
  return quantile(ascending(values), 0.5)
}

/** Interpolates between the two nearest samples, so that few samples make no jumps. @param sorted ascending */
export function quantile(sorted: readonly number[], q: number): number {
  if (sorted.length === 0) return Number.NaN
  const at = (sorted.length - 1) * q
  const below = sorted[Math.floor(at)] as number
  const above = sorted[Math.ceil(at)] as number
  return below + (above - below) * (at - Math.floor(at))
}

export function ascending(values: readonly number[]): number[] {
  // A typed array sorts by value and without a call for each pair.
  return Array.from(Float64Array.from(values).sort())
}

export function smallest(values: readonly number[]): number {
  return values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY)
}

export function largest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), Number.NEGATIVE_INFINITY)
}

/** Quantiles for a plot whose tail is drawn as large as its body: even steps of -log10(1 - q). */
export function distributionPoints(values: readonly number[]): [number, number][] {
  const sorted = ascending(values)
  const points: [number, number][] = []
  const most = Math.log10(Math.max(sorted.length, 1))
  for (let step = 0; step <= 60; step++) {
    const q = 1 - 10 ** ((-most * step) / 60)
    points.push([q, quantile(sorted, q)])
  }
  points.push([1, quantile(sorted, 1)])
  return points
}

/**
 * The ratio of two medians with its 95 % interval by bootstrap. Rounds are drawn with replacement, each with both of
 * its values, because a disturbance is likely to have affected both.
 *
 * @param a and @param b one value for each round, of the same rounds
 */
export function ratioOfMedians(
  a: readonly number[],
  b: readonly number[],
): { ratio: number; low: number; high: number } {
  const ratio = median(a) / median(b)
  const draw = generator(a.length)
  const ratios: number[] = []
  for (let i = 0; i < 1_000; i++) {
    const drawnA: number[] = []
    const drawnB: number[] = []
    for (let n = 0; n < a.length; n++) {
      const round = Math.floor(draw() * a.length)
      drawnA.push(a[round] as number)
      drawnB.push(b[round] as number)
    }
    ratios.push(median(drawnA) / median(drawnB))
  }
  const sorted = ascending(ratios)
  return { ratio, low: quantile(sorted, 0.025), high: quantile(sorted, 0.975) }
}

/** Numbers in [0, 1) that are the same in each run (mulberry32), so that a report can be reproduced. */
export function generator(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296
  }
}
