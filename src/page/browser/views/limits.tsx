import type { Meter, Meters } from '../../shapes.js'
import { useApi } from '../asking.js'
import { formatCount, formatMoney, formatMs, formatShare, formatShort } from '../format.js'
import { AnswerView } from '../parts/answer-view.js'
import { ShareBar } from '../parts/bars.js'
import { DataTable } from '../parts/data-table.js'
import type { Column } from '../parts/table.js'

/** The fullest say the most: of some hundred keys, nearly all have hardly begun. */
const MOST = 15

/** From here on, a counter is close to its limit. */
const CLOSE = 0.8

/** Budgets and other limits that something is used of, and when each is whole again; the fullest first. */
export function Limits() {
  const answer = useApi<Meters>('/api/limits', 10_000)
  return (
    <AnswerView answer={answer}>
      {({ meters, isCut }) => (
        <>
          <DataTable
            title="Budgets"
            columns={COLUMNS}
            rows={meters.filter((meter) => meter.kind === 'budget' && fullness(meter) > 0)}
            most={MOST}
            keyOf={keyOf}
            empty="No budget is set, or nothing was counted by one"
            source={null}
          />
          <DataTable
            title={isCut ? `Limits, the fullest ${meters.length}` : 'Other limits'}
            columns={COLUMNS.filter(({ name }) => name !== 'period')}
            rows={meters.filter((meter) => meter.kind !== 'budget' && fullness(meter) > 0)}
            most={MOST}
            keyOf={keyOf}
            empty="No other limit is set, or nothing was counted by one"
            source="/api/limits"
          />
        </>
      )}
    </AnswerView>
  )
}

function keyOf({ rule, owner, kind, period }: Meter): string {
  return JSON.stringify([rule, owner, kind, period])
}

function fullness({ used, held, limit }: Meter): number {
  return limit > 0 ? (used + held) / limit : 1
}

function format({ unit, kind }: Meter, value: number): string {
  if (unit === 'usd') return formatMoney(value)
  return kind === 'requests' || kind === 'concurrent' ? formatCount(value) : formatShort(value)
}

const COLUMNS: readonly Column<Meter>[] = [
  {
    name: 'owner',
    label: 'Whose',
    isText: true,
    value: ({ owner }) => owner,
    cell: ({ owner }) => <span class="name">{owner}</span>,
  },
  {
    name: 'rule',
    label: 'Rule',
    isText: true,
    value: ({ rule }) => rule,
    cell: ({ rule, observes }) => (
      <>
        <span class="name">{rule}</span>
        {observes && <span class="aside"> observes</span>}
      </>
    ),
  },
  {
    name: 'kind',
    label: 'Of',
    isText: true,
    isExtra: true,
    value: ({ kind, unit }) => (kind === 'budget' ? unit : kind),
    cell: ({ kind, unit }) => (kind === 'budget' ? (unit === 'usd' ? 'dollars' : 'tokens') : kind),
  },
  {
    name: 'period',
    label: 'Per',
    isText: true,
    value: ({ period }) => period,
    cell: ({ period }) => period ?? '–',
  },
  {
    name: 'full',
    label: 'Used',
    hint: 'With what open requests may still use',
    value: fullness,
    cell: (meter) => (
      <span class="with-bar">
        {formatShare(fullness(meter), 1)}{' '}
        <ShareBar
          share={fullness(meter)}
          tone={fullness(meter) >= 1 ? 'bad' : fullness(meter) >= CLOSE ? 'warn' : 'accent'}
        />
      </span>
    ),
  },
  {
    name: 'used',
    label: 'Used of limit',
    value: ({ used }) => used,
    cell: (meter) => `${format(meter, meter.used)} of ${format(meter, meter.limit)}`,
  },
  {
    name: 'held',
    label: 'Held',
    hint: 'What open requests may still use, by estimate',
    isExtra: true,
    value: ({ held }) => held,
    cell: (meter) => (meter.held > 0 ? format(meter, meter.held) : '–'),
  },
  {
    name: 'reset',
    label: 'Whole in',
    hint: 'Time until it is whole again',
    value: ({ resetMs }) => resetMs,
    cell: ({ resetMs }) => (resetMs > 0 ? formatMs(Math.max(1_000, resetMs)) : 'whole'),
  },
]
