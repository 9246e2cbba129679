import type { TotalsTable } from '../shapes.js'
import type { View } from './endpoint.js'
import {
  COUNT_COLUMNS,
  LATENCY_COLUMNS,
  listCounts,
  listLatencies,
  listRows,
  toIso,
} from './table-columns.js'

/** Sums of a range, by one dimension. */
export const totalsView: View<TotalsTable> = {
  read({ source, parameters, now }) {
    const query = { range: parameters.readRange(now), filter: parameters.readFilter() }
    const by = parameters.readDimension('by') ?? 'model'
    parameters.end()
    return source.sums.totals(query, by)
  },
  toTable({ by, rows }) {
    return {
      columns: [by, ...COUNT_COLUMNS, ...LATENCY_COLUMNS, 'last_at'],
      rows: listRows(rows, ({ name, counts, latencies, lastAt }) => [
        name,
        ...listCounts(counts),
        ...listLatencies(latencies),
        toIso(lastAt),
      ]),
    }
  },
}
