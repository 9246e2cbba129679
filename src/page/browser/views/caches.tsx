import type { Counts, Series, TotalsRow, TotalsTable } from '../../shapes.js'
import { refreshOf, useApi } from '../asking.js'
import { formatCount, formatMoney, formatShare, formatShort, formatStep } from '../format.js'
import { usePage } from '../page-context.js'
import { AnswerView } from '../parts/answer-view.js'
import { ShareBar } from '../parts/bars.js'
import { Chart } from '../parts/chart.js'
import { DataTable } from '../parts/data-table.js'
import type { Column } from '../parts/table.js'
import { type Tile, Tiles } from '../parts/tiles.js'
import { queryOf } from '../place.js'
import { countsOf, isEmpty, momentsOf } from '../series.js'
import { ByChoice, groupColumn, useBy } from './grouped.js'
import { Nothing } from './nothing.js'

const CHOICES = ['model', 'team', 'user', 'key', 'upstream']

/** What caches have saved: the provider's of prompts, and the relay's of responses. */
export function CachesView() {
  const { place, go } = usePage()
  const by = useBy(CHOICES)
  const every = refreshOf(place.range)
  const series = useApi<Series>(`/api/series${queryOf(place)}`, every)
  const source = `/api/totals${queryOf(place, { by })}`
  const totals = useApi<TotalsTable>(source, every)
  const onZoom = (from: number, to: number): void => go({ range: `${Math.floor(from)}-${Math.ceil(to)}` })
  return (
    <>
      <AnswerView answer={totals} lines={3}>
        {({ sum }) => <Tiles label="Caches" tiles={tilesOf(sum.counts)} />}
      </AnswerView>
      <AnswerView answer={series} lines={8}>
        {(data) => (isEmpty(data) ? <Nothing /> : <Charts data={data} onZoom={onZoom} />)}
      </AnswerView>
      <AnswerView answer={totals}>
        {(data) => (
          <DataTable
            title={`Caches by ${data.by}`}
            controls={<ByChoice names={CHOICES} by={by} />}
            columns={[groupColumn(data), ...COLUMNS]}
            rows={data.rows}
            sum={data.sum}
            keyOf={({ name }) => name}
            most={50}
            empty="No requests in this range"
            sort={{ name: 'prompt', isDescending: true }}
            source={source}
          />
        )}
      </AnswerView>
    </>
  )
}

function Charts({
  data,
  onZoom,
}: {
  readonly data: Series
  readonly onZoom: (from: number, to: number) => void
}) {
  const [group] = data.groups
  const [prompt, cached] = [countsOf(data, group, 'promptTokens'), countsOf(data, group, 'cachedTokens')]
  const moments = momentsOf(data)
  return (
    <section class="card charts">
      <Chart
        title="Share of prompt tokens from the provider's cache"
        moments={moments}
        lines={[
          {
            label: 'cached',
            values: prompt.map((tokens, i) => (tokens > 0 ? (cached[i] ?? 0) / tokens : null)),
            colour: 2,
            isFilled: true,
          },
        ]}
        format={(value) => (value === null ? '–' : formatShare(value, 1))}
        onZoom={onZoom}
      />
      <Chart
        title={`Answered without the upstream, per ${formatStep(data.stepMs)}`}
        moments={moments}
        lines={(['cacheHits', 'prefixHits', 'joins'] as const).map((name, i) => ({
          label: { cacheHits: 'from the cache', prefixHits: 'rest of a completion', joins: 'shared' }[name],
          values: countsOf(data, group, name),
          colour: i * 2,
          isDashed: i === 2,
        }))}
        format={formatShort}
        onZoom={onZoom}
      />
    </section>
  )
}

function tilesOf(counts: Counts): Tile[] {
  const {
    requests,
    promptTokens,
    cachedTokens,
    promptCacheSavedNano,
    cacheHits,
    prefixHits,
    joins,
    savedTokens,
    savedNano,
  } = counts
  return [
    {
      label: 'Prompt cache',
      value: formatShare(cachedTokens, promptTokens),
      note: `${formatShort(cachedTokens)} of ${formatShort(promptTokens)} prompt tokens`,
    },
    {
      label: 'It saved',
      value: formatMoney(promptCacheSavedNano),
      note: 'against the price of other prompt tokens',
    },
    {
      label: 'From our cache',
      value: formatShare(cacheHits, requests),
      note: `${formatShort(cacheHits)} requests`,
    },
    {
      label: 'Rest of a completion',
      value: formatShare(prefixHits, requests),
      note: `${formatShort(prefixHits)} autocomplete requests`,
    },
    {
      label: 'Shared responses',
      value: formatShare(joins, requests),
      note: `${formatShort(joins)} requests joined another`,
    },
    { label: 'Ours saved', value: formatMoney(savedNano), note: `${formatShort(savedTokens)} tokens` },
  ]
}

const COLUMNS: readonly Column<TotalsRow>[] = [
  {
    name: 'requests',
    label: 'Requests',
    value: ({ counts }) => counts.requests,
    cell: ({ counts }) => formatCount(counts.requests),
  },
  {
    name: 'prompt',
    label: 'Prompt tokens',
    value: ({ counts }) => counts.promptTokens,
    cell: ({ counts }) => formatShort(counts.promptTokens),
  },
  {
    name: 'cached',
    label: 'Cached',
    value: ({ counts }) => (counts.promptTokens > 0 ? counts.cachedTokens / counts.promptTokens : null),
    cell: ({ counts }) => (
      <span class="with-bar">
        {formatShare(counts.cachedTokens, counts.promptTokens)}{' '}
        <ShareBar share={counts.promptTokens > 0 ? counts.cachedTokens / counts.promptTokens : 0} />
      </span>
    ),
  },
  {
    name: 'saved',
    label: 'Prompt cache saved',
    value: ({ counts }) => counts.promptCacheSavedNano / 1e9,
    cell: ({ counts }) => formatMoney(counts.promptCacheSavedNano),
  },
  {
    name: 'hits',
    label: 'Hits',
    hint: "From the relay's cache",
    value: ({ counts }) => counts.cacheHits,
    cell: ({ counts }) => formatCount(counts.cacheHits),
  },
  {
    name: 'rest',
    label: 'Completions',
    hint: 'The rest of a completion whose beginning was typed',
    isExtra: true,
    value: ({ counts }) => counts.prefixHits,
    cell: ({ counts }) => formatCount(counts.prefixHits),
  },
  {
    name: 'joins',
    label: 'Shared',
    isExtra: true,
    value: ({ counts }) => counts.joins,
    cell: ({ counts }) => formatCount(counts.joins),
  },
  {
    name: 'ours',
    label: 'Ours saved',
    value: ({ counts }) => counts.savedNano / 1e9,
    cell: ({ counts }) => formatMoney(counts.savedNano),
  },
]
