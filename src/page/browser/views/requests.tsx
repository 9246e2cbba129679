import { useState } from 'preact/hooks'
import type { RequestList, RequestRow } from '../../shapes.js'
import { ApiProblem, callApi } from '../api.js'
import { announceSignOut, useApi } from '../asking.js'
import { formatAgo, formatCount, formatMoney, formatMs, formatUs } from '../format.js'
import { type PageContext, usePage } from '../page-context.js'
import { AnswerView } from '../parts/answer-view.js'
import { Badge } from '../parts/badge.js'
import { DataTable } from '../parts/data-table.js'
import { Link } from '../parts/link.js'
import { NameCell } from '../parts/name-cell.js'
import type { Column } from '../parts/table.js'
import { queryOf } from '../place.js'
import { RequestView } from './request.js'

const LIMIT = 100

/** The last requests, the latest first, or one of them whole. */
export function RequestsView() {
  const { place } = usePage()
  return place.request === null ? <List /> : <RequestView id={place.request} />
}

function List() {
  const page = usePage()
  const { place, go } = page
  const query = queryOf(place, { limit: String(LIMIT), ...(place.errors ? { errors: '1' } : {}) })
  const source = `/api/requests${query.replace(/range=[^&]*&/, '')}`
  const [older, setOlder] = useState<{ source: string; rows: readonly RequestRow[]; problem: string | null }>(
    { source, rows: [], problem: null },
  )
  // Once older ones are there, the list stands still: else it would slip away below the reader.
  const isStill = older.source === source && older.rows.length > 0
  const answer = useApi<RequestList>(source, isStill ? 0 : 5_000)
  const rest = older.source === source ? older.rows : []
  const readOlder = async (last: RequestRow): Promise<void> => {
    try {
      const more = await callApi<RequestList>('GET', `${source}&before=${encodeURIComponent(last.id)}`)
      setOlder({
        source,
        rows: [...rest, ...more.requests],
        problem: more.requests.length === 0 ? 'There are no older ones here; the ledger has them.' : null,
      })
    } catch (error) {
      if (error instanceof ApiProblem && error.status === 401) announceSignOut()
      setOlder({ source, rows: rest, problem: error instanceof Error ? error.message : String(error) })
    }
  }
  return (
    <AnswerView answer={answer} lines={20}>
      {({ requests, kept }) => {
        const rows = [...requests, ...rest.filter(({ id }) => !requests.some((each) => each.id === id))]
        const last = rows.at(-1)
        return (
          <>
            <DataTable
              title="Requests"
              controls={
                <label class="check">
                  <input
                    type="checkbox"
                    checked={place.errors}
                    onChange={(event) => go({ errors: event.currentTarget.checked })}
                  />{' '}
                  Only errors
                </label>
              }
              columns={columnsOf(page)}
              rows={rows}
              keyOf={({ id }) => id}
              empty={place.errors ? 'No failed requests' : 'No requests yet'}
              source={source}
            />
            <p class="below">
              {last !== undefined && requests.length >= LIMIT && (
                <button type="button" onClick={() => void readOlder(last)}>
                  Older requests
                </button>
              )}{' '}
              <span role="status">{older.source === source ? older.problem : null}</span>{' '}
              {kept > 0 &&
                `The last ${formatCount(kept)} requests are kept here, in the order of their ends.`}
            </p>
          </>
        )
      }}
    </AnswerView>
  )
}

function columnsOf({ session, times, readClock }: PageContext): readonly Column<RequestRow>[] {
  const now = readClock()
  const columns: readonly Column<RequestRow>[] = [
    {
      name: 'at',
      label: 'When',
      hint: 'When it arrived. The one that ended last stands first.',
      isText: true,
      value: ({ at }) => at,
      cell: ({ id, at }) => (
        <Link to={{ request: id }} title={`${times.formatMoment(at)}, ${formatAgo(at, now)}`}>
          {times.formatClock(at)}
        </Link>
      ),
    },
    {
      name: 'status',
      label: 'End',
      isText: true,
      value: ({ status, end }) => `${status ?? ''} ${end}`,
      cell: (row) => <End row={row} />,
    },
    {
      name: 'owner',
      label: 'Who',
      isText: true,
      value: ({ owner, key }) => owner ?? key,
      cell: ({ owner, key }) => <span class="name">{owner ?? key ?? '–'}</span>,
    },
    {
      name: 'model',
      label: 'Model',
      isText: true,
      value: ({ model }) => model,
      cell: ({ model }) => <NameCell dimension="model" name={model} />,
    },
    {
      name: 'upstream',
      label: 'Upstream',
      isText: true,
      isExtra: true,
      value: ({ upstream }) => upstream,
      cell: ({ upstream }) => <NameCell dimension="upstream" name={upstream} />,
    },
    {
      name: 'cache',
      label: 'Cache',
      isText: true,
      isExtra: true,
      value: ({ cache }) => cache,
      cell: ({ cache }) => cache ?? '–',
    },
    {
      name: 'prompt',
      label: 'Prompt',
      hint: 'Tokens',
      value: ({ promptTokens }) => promptTokens,
      cell: ({ promptTokens }) => formatCount(promptTokens),
    },
    {
      name: 'completion',
      label: 'Answer',
      hint: 'Tokens',
      value: ({ completionTokens }) => completionTokens,
      cell: ({ completionTokens }) => formatCount(completionTokens),
    },
    {
      name: 'cost',
      label: 'Cost',
      value: ({ costNano }) => costNano,
      cell: ({ costNano }) => formatMoney(costNano),
    },
    {
      name: 'first',
      label: 'First token',
      value: ({ firstTokenMs }) => firstTokenMs,
      cell: ({ firstTokenMs }) => formatMs(firstTokenMs),
    },
    {
      name: 'total',
      label: 'Total',
      value: ({ totalMs }) => totalMs,
      cell: ({ totalMs }) => formatMs(totalMs),
    },
    {
      name: 'added',
      label: 'Added',
      hint: 'What the relay itself took',
      isExtra: true,
      value: ({ addedUs }) => addedUs,
      cell: ({ addedUs }) => formatUs(addedUs),
    },
  ]
  return session.role === 'operator' ? columns : columns.filter(({ name }) => name !== 'owner')
}

function End({ row: { status, end, isError } }: { readonly row: RequestRow }) {
  return <Badge tone={isError ? 'bad' : 'good'}>{`${status ?? '–'} ${end}`}</Badge>
}
