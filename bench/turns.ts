import { median } from './statistics.js'

/**
 * Measures several ways by turns, forwards and backwards, so that a machine that becomes slower favours none of them.
 * @param rows number of passes over all ways; an even number is fair
 * @param take measures one way and returns its cost
 * @returns the median cost of each way, in their order
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
