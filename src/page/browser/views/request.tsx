import type { RequestDetail, RequestRow } from '../../shapes.js'
import { useApi } from '../asking.js'
import { formatCount, formatMoney, formatMs, formatUs } from '../format.js'
import { usePage } from '../page-context.js'
import { AnswerView } from '../parts/answer-view.js'
import { Link } from '../parts/link.js'
import { Card, type Tile, Tiles } from '../parts/tiles.js'
import { Waterfall } from '../parts/waterfall.js'

/** One request, whole: where its time went, what was tried, and the record that the ledger has. */
export function RequestView({ id }: { readonly id: string }) {
  const { times } = usePage()
  const answer = useApi<RequestDetail>(`/api/requests/${encodeURIComponent(id)}`, 0)
  return (
    <>
      <p class="back">
        <Link to={{ request: null }}>← All requests</Link>
      </p>
      <AnswerView answer={answer} lines={16}>
        {(detail) => (
          <>
            <p class="request-head">
              <span class="name">{detail.row.id}</span>
              <span>{`${times.formatMoment(detail.row.at)}:${times.formatClock(detail.row.at).slice(-2)}`}</span>
              <span class="name">{detail.row.owner ?? detail.row.key ?? 'unknown key'}</span>
            </p>
            <Tiles label="This request" tiles={tilesOf(detail)} />
            <Card title="Where its time went">
              {detail.spans.length > 0 ? (
                <Waterfall spans={detail.spans} />
              ) : (
                <p class="empty">No times were measured</p>
              )}
            </Card>
            <Card title="Record">
              <Record record={detail.record} />
            </Card>
          </>
        )}
      </AnswerView>
    </>
  )
}

function tilesOf({ row, attempts, failedAttempts }: RequestDetail): Tile[] {
  return [
    { label: 'End', value: String(row.status ?? 'no status'), note: row.end, isBad: row.isError },
    { label: 'Model', value: row.model ?? '–', note: row.upstream ?? 'no upstream' },
    {
      label: 'Attempts',
      value: formatCount(attempts),
      note: failedAttempts === null ? 'none failed' : `failed: ${failedAttempts}`,
      isBad: failedAttempts !== null,
    },
    { label: 'First token', value: formatMs(row.firstTokenMs), note: `of ${formatMs(row.totalMs)} in all` },
    { label: 'Added by the relay', value: formatUs(row.addedUs) },
    {
      label: 'Tokens',
      value: formatCount(tokensOf(row)),
      note:
        tokensOf(row) === null
          ? ''
          : `${formatCount(row.promptTokens)} prompt, ${formatCount(row.completionTokens)} answer`,
    },
    {
      label: 'Cost',
      value: formatMoney(row.costNano),
      note: row.cache === null ? '' : `cache: ${row.cache}`,
    },
  ]
}

function tokensOf({ promptTokens, completionTokens }: RequestRow): number | null {
  return promptTokens === null && completionTokens === null
    ? null
    : (promptTokens ?? 0) + (completionTokens ?? 0)
}

/** What is known, in the order of the ledger. */
function Record({ record }: { readonly record: RequestDetail['record'] }) {
  const known = Object.entries(record).filter(([, value]) => value !== null)
  return (
    <dl class="record">
      {known.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{typeof value === 'string' ? value : JSON.stringify(value)}</dd>
        </div>
      ))}
    </dl>
  )
}
