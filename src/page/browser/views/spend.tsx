import {
  SPEND_DIMENSIONS,
  type Spend,
  type SpendDimension,
  type SpendPeriod,
  type SpendRow,
} from '../../shapes.js'
import { useApi } from '../asking.js'
import { formatCount, formatMoney, formatShare, formatShort } from '../format.js'
import { usePage } from '../page-context.js'
import { AnswerView } from '../parts/answer-view.js'
import { DayBars, ShareBar } from '../parts/bars.js'
import { DataTable } from '../parts/data-table.js'
import { NameCell } from '../parts/name-cell.js'
import type { Column } from '../parts/table.js'
import { Card, type Tile, Tiles } from '../parts/tiles.js'
import { queryOf } from '../place.js'
import { ByChoice } from './grouped.js'
import { Limits } from './limits.js'

/** What was spent today and this month, and how full budgets are. */
export function SpendView() {
  const { place, times, session } = usePage()
  // Its periods are those of the calendar: there is no range.
  const source = `/api/spend${queryOf(place).replace(/range=[^&]*&?/, '')}`.replace(/\?$/, '')
  const spend = useApi<Spend>(source, 30_000)
  const choices = session.role === 'operator' ? SPEND_DIMENSIONS : (['model', 'tag'] as const)
  const by: SpendDimension = choices.find((name) => name === place.by) ?? choices[0] ?? 'model'
  return (
    <>
      <AnswerView answer={spend} lines={12}>
        {({ today, month, days, by: tables }) => (
          <>
            <Tiles label="Spend" tiles={[...tilesOf('Today', today), ...tilesOf('This month', month)]} />
            <Card title="Spend by day">
              <DayBars
                title="Spend by day of this month"
                bars={days.map(({ from, costNano }) => ({
                  label: times.formatDay(from).replace(/ \d{4}$/, ''),
                  value: costNano,
                  text: formatMoney(costNano),
                }))}
              />
            </Card>
            <DataTable
              title={`Spend by ${by}`}
              controls={<ByChoice names={SPEND_DIMENSIONS} by={by} />}
              columns={columnsOf(by, month.costNano)}
              rows={tables[by]}
              keyOf={({ name }) => name}
              most={50}
              empty="Nothing was spent this month"
              sort={{ name: 'month', isDescending: true }}
              source={source}
              csv={{ by }}
            />
          </>
        )}
      </AnswerView>
      <Limits />
    </>
  )
}

function tilesOf(label: string, { costNano, tokens, requests, unpriced, forecastNano }: SpendPeriod): Tile[] {
  const missing = unpriced > 0 ? `, ${formatShort(unpriced)} without a price` : ''
  return [
    {
      label,
      value: formatMoney(costNano),
      note: `${formatShort(tokens)} tokens, ${formatShort(requests)} requests${missing}`,
    },
    {
      label: `${label}, forecast`,
      value: formatMoney(forecastNano),
      note: forecastNano === null ? 'too little is known yet' : 'at the end, as in the last seven days',
    },
  ]
}

function columnsOf(by: SpendDimension, all: number): readonly Column<SpendRow>[] {
  return [
    {
      name: by,
      label: by[0]?.toUpperCase() + by.slice(1),
      isText: true,
      value: ({ name }) => name,
      cell: ({ name }) =>
        by === 'tag' ? <span class="name">{name}</span> : <NameCell dimension={by} name={name} />,
    },
    {
      name: 'today',
      label: 'Today',
      value: ({ todayNano }) => todayNano / 1e9,
      cell: ({ todayNano }) => formatMoney(todayNano),
    },
    {
      name: 'month',
      label: 'This month',
      value: ({ monthNano }) => monthNano / 1e9,
      cell: ({ monthNano }) => formatMoney(monthNano),
    },
    {
      name: 'share',
      label: 'Share',
      hint: 'Of this month',
      value: ({ monthNano }) => (all > 0 ? monthNano / all : null),
      cell: ({ monthNano }) => (
        <span class="with-bar">
          {formatShare(monthNano, all)} <ShareBar share={all > 0 ? monthNano / all : 0} />
        </span>
      ),
    },
    {
      name: 'tokens',
      label: 'Tokens',
      value: ({ monthTokens }) => monthTokens,
      cell: ({ monthTokens }) => formatShort(monthTokens),
    },
    {
      name: 'requests',
      label: 'Requests',
      isExtra: true,
      value: ({ monthRequests }) => monthRequests,
      cell: ({ monthRequests }) => formatCount(monthRequests),
    },
  ]
}
