import { median } from './statistics.js'

/**
 * Takes several ways by turns, there and back each time, so that a machine that becomes slower favours none of them.
 * @param times there and back
 * @param take takes one of them. @returns what it cost
 * @returns the median of what each cost, in the order of the ways
 */
export async function byTurns<Way>(
  ways: readonly Way[],
  times: number,
  take: (way: Way) => Promise<number>,
): Promise<number[]> {
  const costs: number[][] = ways.map(() => [])
  for (let turn = 0; turn < 2 * times; turn++) {
    const order = [...ways.keys()]
    if (turn % 2 === 1) order.reverse()
    for (const at of order) costs[at]?.push(await take(ways[at] as Way))
  }
  return costs.map(median)
}
