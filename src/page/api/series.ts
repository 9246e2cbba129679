import type { Series } from '../shapes.js'
import type { View } from './endpoint.js'
import { toIso } from './table-columns.js'

/** Counts and latencies over time. */
export const seriesView: View<Series> = {
  read({ source, parameters, now }) {
    const query = { range: parameters.readRange(now), filter: parameters.readFilter() }
    const by = parameters.readDimension('by')
    parameters.end()
    return source.sums.series(query, by)
  },
  /** One row for each group and slot that has something. */
  toTable({ from, stepMs, slots, groups }) {
    const names = [...new Set(groups.flatMap(({ counts }) => Object.keys(counts)))] as (keyof typeof NONE)[]
    const rows = groups.flatMap(({ name, counts }) =>
      Array.from({ length: slots }, (_, slot) => [
        toIso(from + slot * stepMs),
        name,
        ...names.map((count) => counts[count]?.[slot] ?? 0),
      ]),
    )
    return { columns: ['from', 'name', ...names], rows }
  },
}

const NONE = {} as Series['groups'][number]['counts']
