import type { Series, TargetRow, Targets } from '../../shapes.js'
import { refreshOf, useApi } from '../asking.js'
import { formatCount, formatMs, formatRate, formatShare, formatShort, formatStep } from '../format.js'
import { usePage } from '../page-context.js'
import { AnswerView } from '../parts/answer-view.js'
import { Badge, type Tone } from '../parts/badge.js'
import { Chart } from '../parts/chart.js'
import { DataTable } from '../parts/data-table.js'
import { NameCell, nameOfNothing } from '../parts/name-cell.js'
import type { Column } from '../parts/table.js'
import { queryOf } from '../place.js'
import { countsOf, isEmpty, momentsOf, ratesOf } from '../series.js'

/** More lines than these cannot be told apart. */
const MAX_LINES = 6

/** Health of each target, and what happened as one failed or was slow. */
export function UpstreamsView() {
  const { place, go } = usePage()
  const source = `/api/upstreams${queryOf(place)}`
  const targets = useApi<Targets>(source, 5_000)
  const series = useApi<Series>(`/api/series${queryOf(place, { by: 'upstream' })}`, refreshOf(place.range))
  const onZoom = (from: number, to: number): void => go({ range: `${Math.floor(from)}-${Math.ceil(to)}` })
  return (
    <>
      <AnswerView answer={targets}>
        {(data) => (
          <DataTable
            title="Targets"
            columns={COLUMNS}
            rows={data.targets}
            keyOf={({ name }) => name}
            empty="No target is configured"
            source={source}
          />
        )}
      </AnswerView>
      <AnswerView answer={series}>
        {(data) =>
          isEmpty(data) ? null : (
            <section class="card charts">
              <Chart
                title="Requests a second by upstream"
                moments={momentsOf(data)}
                lines={data.groups.slice(0, MAX_LINES).map((group, i) => ({
                  label: group.name === '' ? nameOfNothing('upstream') : group.name,
                  values: ratesOf(data, group, 'requests'),
                  colour: i,
                }))}
                format={formatRate}
                onZoom={onZoom}
              />
              <Chart
                title={`More than one target asked, per ${formatStep(data.stepMs)}`}
                note="Failover: a target failed. Hedge: it was slow."
                moments={momentsOf(data)}
                lines={(['failovers', 'hedges'] as const).map((name, i) => ({
                  label: name,
                  values: sumOf(data, name),
                  colour: i === 0 ? 1 : 3,
                  isDashed: i === 1,
                }))}
                format={formatShort}
                onZoom={onZoom}
              />
            </section>
          )
        }
      </AnswerView>
    </>
  )
}

function sumOf(series: Series, name: 'failovers' | 'hedges'): number[] {
  const all = series.groups.map((group) => countsOf(series, group, name))
  return Array.from({ length: series.slots }, (_, i) =>
    all.reduce((sum, counts) => sum + (counts[i] ?? 0), 0),
  )
}

const STATES: Readonly<Record<TargetRow['state'], readonly [Tone, string]>> = {
  closed: ['good', 'healthy'],
  half_open: ['warn', 'being tried'],
  open: ['bad', 'circuit open'],
}

const REFUSED: Readonly<Record<NonNullable<TargetRow['refused']>, string>> = {
  credential: 'refuses our credential',
  quota: 'quota used up',
  model: 'does not have the model',
}

const COLUMNS: readonly Column<TargetRow>[] = [
  {
    name: 'name',
    label: 'Target',
    isText: true,
    value: ({ name }) => name,
    cell: ({ name }) => <NameCell dimension="upstream" name={name} />,
  },
  {
    name: 'state',
    label: 'Health',
    isText: true,
    value: ({ state }) => state,
    cell: ({ state, refused }) => {
      const [tone, text] = STATES[state]
      return (
        <Badge tone={refused === null ? tone : 'bad'}>
          {refused === null ? text : `${text}, ${REFUSED[refused]}`}
        </Badge>
      )
    },
  },
  {
    name: 'cooling',
    label: 'Cooldown',
    hint: 'Not asked for so long',
    value: ({ coolingMs }) => coolingMs,
    cell: ({ coolingMs }) => (coolingMs > 0 ? formatMs(coolingMs) : '–'),
  },
  {
    name: 'opened',
    label: 'Opened',
    hint: 'Times the circuit opened',
    value: ({ openedTimes }) => openedTimes,
    cell: ({ openedTimes }) => formatCount(openedTimes),
  },
  {
    name: 'flight',
    label: 'In flight',
    value: ({ inFlight }) => inFlight,
    cell: ({ inFlight }) => formatCount(inFlight),
  },
  {
    name: 'requests',
    label: 'Requests',
    hint: 'In the range',
    value: ({ counts }) => counts?.requests ?? null,
    cell: ({ counts }) => formatCount(counts?.requests ?? null),
  },
  {
    name: 'errors',
    label: 'Errors',
    value: ({ counts }) => counts?.errors ?? null,
    cell: ({ counts }) =>
      counts === null
        ? '–'
        : `${formatCount(counts.errors)} (${formatShare(counts.errors, counts.requests)})`,
  },
  {
    name: 'failovers',
    label: 'Failovers',
    isExtra: true,
    value: ({ counts }) => counts?.failovers ?? null,
    cell: ({ counts }) => formatCount(counts?.failovers ?? null),
  },
  {
    name: 'hedges',
    label: 'Hedges',
    isExtra: true,
    value: ({ counts }) => counts?.hedges ?? null,
    cell: ({ counts }) => formatCount(counts?.hedges ?? null),
  },
  {
    name: 'first',
    label: 'First byte p50',
    value: ({ latencies }) => latencies?.firstByteMs.p50 ?? null,
    cell: ({ latencies }) => formatMs(latencies?.firstByteMs.p50 ?? null),
  },
  {
    name: 'first99',
    label: 'p99',
    hint: 'First byte',
    value: ({ latencies }) => latencies?.firstByteMs.p99 ?? null,
    cell: ({ latencies }) => formatMs(latencies?.firstByteMs.p99 ?? null),
  },
]
