import type { CsvValue } from '../../lib/csv.js'
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
    function* listRows(): Generator<readonly CsvValue[]> {
      for (const { name, counts } of groups)
        for (let slot = 0; slot < slots; slot++)
          yield [toIso(from + slot * stepMs), name, ...names.map((count) => counts[count]?.[slot] ?? 0)]
    }
    return { columns: ['from', 'name', ...names], rows: listRows() }
  },
}

const NONE = {} as Series['groups'][number]['counts']
