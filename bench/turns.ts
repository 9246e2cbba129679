import { median } from './statistics.js'

/**
 * Takes several ways by turns, there and back, so that a machine that becomes slower favours none of them.
 * @param rows of turns; of an odd number of them one is not gone back
 * @param take takes one of them. @returns what it cost
 * @returns the median of what each cost, in the order of the ways
 */
export async function byTurns<Way>(
  ways: readonly Way[],
  rows: number,
  take: (way: Way) => Promise<number>,
): Promise<number[]> {
  const costs: number[][] = ways.map(() => [])
  for (let row = 0; row < rows; row++) {
    const order = [...ways.keys()]
    if (row % 2 === 1) order.reverse()
    for (const at of order) costs[at]?.push(await take(ways[at] as Way))
  }
  return costs.map(median)
}
