import { useMemo } from 'preact/hooks'
import type { Now, OpenRow, Series } from '../../shapes.js'
import { useApi } from '../asking.js'
import {
  formatBytes,
  formatCount,
  formatMoney,
  formatMs,
  formatRate,
  formatShort,
  formatUs,
} from '../format.js'
import { type LiveState, useLive } from '../live.js'
import { Badge, type Tone } from '../parts/badge.js'
import { Chart } from '../parts/chart.js'
import { DataTable } from '../parts/data-table.js'
import type { Column } from '../parts/table.js'
import { type Tile, Tiles } from '../parts/tiles.js'
import { countsOf } from '../series.js'

/** What the relay does at this moment, once a second. */
export function NowView() {
  const { state, last, history } = useLive()
  const past = useApi<Series>('/api/series?range=5m', 0)
  const chart = useMemo(() => joinPast(past.data, history), [past.data, history])
  return (
    <>
      <Connection state={state} />
      <div class={state === 'lost' && last !== null ? 'answer old' : 'answer'}>
        <Tiles label="The last second" tiles={tilesOf(last)} />
        <section class="card charts">
          <Chart
            title="Requests a second"
            moments={chart.moments}
            lines={[
              { label: 'requests', values: chart.requests, colour: 0, isFilled: true },
              { label: 'errors', values: chart.errors, colour: 1, isDashed: true },
            ]}
            format={formatRate}
            height={140}
          />
          <Chart
            title="Tokens a second"
            moments={chart.moments}
            lines={[{ label: 'tokens', values: chart.tokens, colour: 2, isFilled: true }]}
            format={formatRate}
            height={140}
          />
        </section>
        <DataTable
          title={
            last !== null && last.openCount > last.open.length
              ? `Open requests, the oldest ${last.open.length}`
              : 'Open requests'
          }
          columns={COLUMNS}
          rows={last?.open ?? []}
          keyOf={({ id }) => id}
          empty={last === null ? 'Waiting for the relay' : 'No request is open'}
          sort={{ name: 'age', isDescending: true }}
          source={null}
        />
      </div>
    </>
  )
}

const STATES: Readonly<Record<LiveState, readonly [Tone, string]>> = {
  connecting: ['quiet', 'Connecting'],
  live: ['good', 'Live'],
  lost: ['bad', 'Not connected: trying again'],
  paused: ['quiet', 'Paused while the tab is hidden'],
}

function Connection({ state }: { readonly state: LiveState }) {
  const [tone, text] = STATES[state]
  return (
    <p class="connection" role="status">
      <Badge tone={tone}>{text}</Badge>
    </p>
  )
}

function tilesOf(now: Now | null): Tile[] {
  const of = (read: (now: Now) => string): string => (now === null ? '–' : read(now))
  const pair = (
    values: readonly [number, number] | null,
    format: (value: number | null) => string,
  ): Pick<Tile, 'value' | 'note'> =>
    values === null
      ? { value: '–', note: 'p50' }
      : { value: format(values[0]), note: `p50, p99 ${format(values[1])}` }
  return [
    { label: 'Open', value: of(({ openCount }) => formatCount(openCount)), note: 'requests' },
    { label: 'Requests', value: of(({ requests }) => formatCount(requests)), note: 'a second' },
    { label: 'Tokens', value: of(({ tokens }) => formatShort(tokens)), note: 'a second' },
    {
      label: 'Errors',
      value: of(({ errors }) => formatCount(errors)),
      note: of(({ refusals }) => `${formatCount(refusals)} refused`),
      isBad: (now?.errors ?? 0) > 0,
    },
    { label: 'Cost', value: of(({ costNano }) => formatMoney(costNano)), note: 'in the last second' },
    { label: 'First byte', ...pair(now?.firstByteMs ?? null, formatMs) },
    { label: 'Added by the relay', ...pair(now?.addedUs ?? null, formatUs) },
  ]
}

const COLUMNS: readonly Column<OpenRow>[] = [
  {
    name: 'owner',
    label: 'Who',
    isText: true,
    value: (row) => row.owner ?? row.key,
    cell: (row) => <Plain text={row.owner ?? row.key} />,
  },
  {
    name: 'model',
    label: 'Model',
    isText: true,
    value: (row) => row.model,
    cell: (row) => <Plain text={row.model} />,
  },
  {
    name: 'upstream',
    label: 'Upstream',
    isText: true,
    isExtra: true,
    value: (row) => row.upstream,
    cell: (row) => <Plain text={row.upstream} />,
  },
  {
    name: 'phase',
    label: 'Phase',
    isText: true,
    isExtra: true,
    value: (row) => row.phase,
    cell: (row) => row.phase,
  },
  { name: 'age', label: 'Age', value: (row) => row.ageMs, cell: (row) => formatMs(row.ageMs) },
  { name: 'tokens', label: 'Tokens', value: (row) => row.tokens, cell: (row) => formatCount(row.tokens) },
  {
    name: 'pace',
    label: 'Pace',
    hint: 'Tokens a second since the first one',
    value: (row) => row.pace,
    cell: (row) => (row.pace === null ? '–' : `${formatShort(row.pace)}/s`),
  },
  {
    name: 'gap',
    label: 'Longest gap',
    hint: 'Longest time without a byte from the upstream',
    value: (row) => row.longestGapMs,
    cell: (row) => formatMs(row.longestGapMs),
  },
  {
    name: 'bytes',
    label: 'Sent',
    hint: 'Bytes to the client',
    isExtra: true,
    value: (row) => row.bytesOut,
    cell: (row) => formatBytes(row.bytesOut),
  },
]

function Plain({ text }: { readonly text: string | null }) {
  return text === null ? <span class="unknown">unknown</span> : <span class="name">{text}</span>
}

interface PastAndNow {
  readonly moments: readonly number[]
  readonly requests: readonly number[]
  readonly errors: readonly number[]
  readonly tokens: readonly number[]
}

/** The last five minutes: what the relay kept of them, and from the first live message on, what came live. */
function joinPast(series: Series | null, history: readonly Now[]): PastAndNow {
  const first = history[0]?.at ?? Number.POSITIVE_INFINITY
  const group = series?.groups[0]
  const kept =
    series === null
      ? []
      : Array.from({ length: series.slots }, (_, i) => i).filter((i) => slotAt(series, i) < first)
  const pick = (names: readonly ('requests' | 'errors' | 'promptTokens' | 'completionTokens')[]): number[] =>
    kept.map((i) => {
      if (series === null) return 0
      const sum = names.reduce((all, name) => all + (countsOf(series, group, name)[i] ?? 0), 0)
      return sum / (series.stepMs / 1_000)
    })
  return {
    moments: [...kept.map((i) => (series === null ? 0 : slotAt(series, i))), ...history.map(({ at }) => at)],
    requests: [...pick(['requests']), ...history.map(({ requests }) => requests)],
    errors: [...pick(['errors']), ...history.map(({ errors }) => errors)],
    tokens: [...pick(['promptTokens', 'completionTokens']), ...history.map(({ tokens }) => tokens)],
  }
}

function slotAt({ from, stepMs }: Series, i: number): number {
  return from + i * stepMs
}
