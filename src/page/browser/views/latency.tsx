import type { Series, SlotLatencies, TotalsRow, TotalsTable } from '../../shapes.js'
import { refreshOf, useApi } from '../asking.js'
import { formatCount, formatMs, formatShare, formatUs } from '../format.js'
import { usePage } from '../page-context.js'
import { AnswerView } from '../parts/answer-view.js'
import { Chart } from '../parts/chart.js'
import { DataTable } from '../parts/data-table.js'
import type { Column } from '../parts/table.js'
import { queryOf } from '../place.js'
import { isEmpty, momentsOf, quantilesOf } from '../series.js'
import { ByChoice, groupColumn, useBy } from './grouped.js'
import { Nothing } from './nothing.js'

const CHARTS: readonly {
  readonly title: string
  readonly note: string
  readonly name: keyof SlotLatencies
  readonly format: (value: number | null) => string
  readonly colour: number
}[] = [
  {
    title: 'First byte',
    note: "The upstream's: from the attempt to its first byte.",
    name: 'firstByteMs',
    format: formatMs,
    colour: 0,
  },
  {
    title: 'Added by the relay',
    note: 'Ours: what the relay itself took until the response began.',
    name: 'addedUs',
    format: formatUs,
    colour: 1,
  },
  {
    title: 'First token',
    note: 'From the request head to the first token.',
    name: 'firstTokenMs',
    format: formatMs,
    colour: 0,
  },
  {
    title: 'Whole request',
    note: 'From the request head to the end.',
    name: 'totalMs',
    format: formatMs,
    colour: 0,
  },
]

/** How long requests take, and whose time it is. */
export function LatencyView() {
  const { place, go } = usePage()
  const by = useBy(['model', 'upstream', 'team', 'user', 'key', 'end'])
  const every = refreshOf(place.range)
  const series = useApi<Series>(`/api/series${queryOf(place)}`, every)
  const source = `/api/totals${queryOf(place, { by })}`
  const totals = useApi<TotalsTable>(source, every)
  return (
    <>
      <AnswerView answer={series} lines={14}>
        {(data) =>
          isEmpty(data) ? (
            <Nothing />
          ) : (
            <section class="card charts">
              {CHARTS.map(({ title, note, name, format, colour }) => (
                <Chart
                  key={name}
                  title={title}
                  note={note}
                  moments={momentsOf(data)}
                  lines={[
                    { label: 'p50', values: quantilesOf(data.groups[0], name, 0), colour },
                    { label: 'p99', values: quantilesOf(data.groups[0], name, 1), colour, isDashed: true },
                  ]}
                  format={format}
                  onZoom={(from, to) => go({ range: `${Math.floor(from)}-${Math.ceil(to)}` })}
                />
              ))}
            </section>
          )
        }
      </AnswerView>
      <AnswerView answer={totals}>
        {(data) => (
          <DataTable
            title={`Latency by ${data.by}`}
            controls={<ByChoice names={['model', 'upstream', 'team', 'user', 'key', 'end']} by={by} />}
            columns={[groupColumn(data), ...COLUMNS]}
            rows={data.rows}
            sum={data.sum}
            keyOf={({ name }) => name}
            most={50}
            empty="No requests in this range"
            sort={{ name: 'requests', isDescending: true }}
            source={source}
          />
        )}
      </AnswerView>
      <p class="below">
        p50 and p99 are within 15 % here. <code>thinwire usage report</code> has them within 1 %.
      </p>
    </>
  )
}

function duration(
  name: 'firstByteMs' | 'firstTokenMs' | 'totalMs' | 'addedUs',
  label: string,
  which: 'p50' | 'p99',
  hint: string,
): Column<TotalsRow> {
  const format = name === 'addedUs' ? formatUs : formatMs
  return {
    name: `${name}-${which}`,
    label: `${label} ${which}`,
    hint,
    value: ({ latencies }) => latencies[name][which],
    cell: ({ latencies }) => format(latencies[name][which]),
  }
}

const COLUMNS: readonly Column<TotalsRow>[] = [
  {
    name: 'requests',
    label: 'Requests',
    value: ({ counts }) => counts.requests,
    cell: ({ counts }) => formatCount(counts.requests),
  },
  duration('firstByteMs', 'First byte', 'p50', "The upstream's time to its first byte"),
  duration('firstByteMs', 'First byte', 'p99', "The upstream's time to its first byte"),
  duration('firstTokenMs', 'First token', 'p50', 'From the request head to the first token'),
  duration('firstTokenMs', 'First token', 'p99', 'From the request head to the first token'),
  duration('addedUs', 'Added', 'p50', 'What the relay itself took'),
  duration('addedUs', 'Added', 'p99', 'What the relay itself took'),
  {
    name: 'ours',
    label: 'Ours',
    hint: 'Part of the relay in the time to the first byte, by the medians',
    value: (row) => ours(row),
    cell: (row) => (ours(row) === null ? '–' : formatShare(ours(row) ?? 0, 1)),
    isExtra: true,
  },
]

function ours({ latencies }: TotalsRow): number | null {
  const [added, upstream] = [latencies.addedUs.p50, latencies.firstByteMs.p50]
  if (added === null || upstream === null || added + upstream === 0) return null
  return added / 1_000 / (added / 1_000 + upstream)
}
