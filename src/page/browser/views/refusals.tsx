import type { Refusals, Series } from '../../shapes.js'
import { refreshOf, useApi } from '../asking.js'
import { formatCount, formatShare, formatShort, formatStep } from '../format.js'
import { usePage } from '../page-context.js'
import { AnswerView } from '../parts/answer-view.js'
import { ShareBar } from '../parts/bars.js'
import { Chart } from '../parts/chart.js'
import { DataTable } from '../parts/data-table.js'
import type { Column } from '../parts/table.js'
import { queryOf } from '../place.js'
import { countsOf, isEmpty, momentsOf } from '../series.js'

type Rule = Refusals['rules'][number]
type Code = Refusals['codes'][number]

/** What was refused, and by which rule. */
export function RefusalsView() {
  const { place, go } = usePage()
  const every = refreshOf(place.range)
  const query = queryOf(place)
  const refusals = useApi<Refusals>(`/api/refusals${query}`, every)
  const series = useApi<Series>(`/api/series${query}`, every)
  return (
    <>
      <AnswerView answer={series}>
        {(data) =>
          isEmpty(data) ? null : (
            <section class="card charts">
              <Chart
                title={`Refusals and errors, per ${formatStep(data.stepMs)}`}
                note="What was refused is among the errors."
                moments={momentsOf(data)}
                lines={[
                  {
                    label: 'refused',
                    values: countsOf(data, data.groups[0], 'refusals'),
                    colour: 1,
                    isFilled: true,
                  },
                  {
                    label: 'errors',
                    values: countsOf(data, data.groups[0], 'errors'),
                    colour: 3,
                    isDashed: true,
                  },
                ]}
                format={formatShort}
                onZoom={(from, to) => go({ range: `${Math.floor(from)}-${Math.ceil(to)}` })}
              />
            </section>
          )
        }
      </AnswerView>
      <AnswerView answer={refusals}>
        {({ rules, codes }) => (
          <>
            <DataTable
              title="By rule, since the relay started"
              columns={RULES}
              rows={rules}
              keyOf={({ rule, reason, observed }) => JSON.stringify([rule, reason, observed])}
              empty="No rule has refused anything"
              sort={{ name: 'count', isDescending: true }}
              source={`/api/refusals${query}`}
              csv={{ table: 'rules' }}
            />
            <DataTable
              title="By error code, in this range"
              columns={codesOf(codes)}
              rows={codes}
              keyOf={({ code }) => code}
              empty="No errors in this range"
              sort={{ name: 'count', isDescending: true }}
              source={`/api/refusals${query}`}
              csv={{ table: 'codes' }}
            />
          </>
        )}
      </AnswerView>
    </>
  )
}

const RULES: readonly Column<Rule>[] = [
  {
    name: 'rule',
    label: 'Rule',
    isText: true,
    value: ({ rule }) => rule,
    cell: ({ rule }) => <span class="name">{rule}</span>,
  },
  {
    name: 'reason',
    label: 'Reason',
    isText: true,
    value: ({ reason }) => reason,
    cell: ({ reason }) => reason,
  },
  {
    name: 'observed',
    label: 'Effect',
    isText: true,
    value: ({ observed }) => (observed ? 'observed' : 'refused'),
    cell: ({ observed }) => (observed ? 'observed only' : 'refused'),
  },
  { name: 'count', label: 'Times', value: ({ count }) => count, cell: ({ count }) => formatCount(count) },
]

function codesOf(codes: readonly Code[]): readonly Column<Code>[] {
  const all = codes.reduce((sum, { count }) => sum + count, 0)
  return [
    {
      name: 'code',
      label: 'Code',
      isText: true,
      value: ({ code }) => code,
      cell: ({ code }) => <span class="name">{code}</span>,
    },
    { name: 'count', label: 'Times', value: ({ count }) => count, cell: ({ count }) => formatCount(count) },
    {
      name: 'share',
      label: 'Share',
      value: ({ count }) => count / all,
      cell: ({ count }) => (
        <span class="with-bar">
          {formatShare(count, all)} <ShareBar share={count / all} />
        </span>
      ),
    },
  ]
}
