import type { CountName, Series, SeriesGroup, SlotLatencies } from '../shapes.js'

/** Where the slots of a series begin. */
export function momentsOf({ from, stepMs, slots }: Series): number[] {
  return Array.from({ length: slots }, (_, i) => from + i * stepMs)
}

/** The numbers of a count; zeros where it is left out. */
export function countsOf(series: Series, group: SeriesGroup | undefined, name: CountName): readonly number[] {
  return group?.counts[name] ?? new Array<number>(series.slots).fill(0)
}

/** A count as a rate per second. */
export function ratesOf(series: Series, group: SeriesGroup | undefined, name: CountName): number[] {
  return countsOf(series, group, name).map((count) => count / (series.stepMs / 1_000))
}

/** One of the two quantiles of a duration, over time. @param which 0: p50, 1: p99 */
export function quantilesOf(
  group: SeriesGroup | undefined,
  name: keyof SlotLatencies,
  which: 0 | 1,
): (number | null)[] {
  return (group?.latencies ?? []).map((slot) => slot[name]?.[which] ?? null)
}

/** Whether nothing was counted at all. */
export function isEmpty(series: Series): boolean {
  return series.groups.every(({ counts }) => (counts.requests ?? []).every((count) => count === 0))
}
