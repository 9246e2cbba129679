import type { UsageReport, UsageRow } from '../../shapes.js'
import { formatCount, formatMoney, formatMs, formatShare, formatShort, formatUs, Times } from '../format.js'
import { DayBars, ShareBar } from '../parts/bars.js'
import { type Column, Table } from '../parts/table.js'
import { Card, type Tile, Tiles } from '../parts/tiles.js'
import { toHtml } from './static-jsx.js'

/** The name for what is unknown, as in the table of the terminal. */
const UNKNOWN = '-'

/**
 * Writes a report as one HTML file: it opens without a network, and has no script, so mail programs show it, too.
 * @param css the style sheet
 * @param cssHash its SHA-256 in base64: no other style, and nothing else at all, may be loaded
 */
export function renderReport(report: UsageReport, css: string, cssHash: string): string {
  const policy = `default-src 'none'; style-src 'sha256-${cssHash}'`
  const title = `Usage ${report.period} - Thinwire`
  return [
    '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
    `<meta http-equiv="Content-Security-Policy" content="${toHtml(policy)}">`,
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${toHtml(title)}</title>`,
    `<style>${css}</style>\n</head>\n<body>`,
    toHtml(<ReportPage report={report} />),
    '</body>\n</html>\n',
  ].join('\n')
}

function ReportPage({ report }: { readonly report: UsageReport }) {
  const { total, days, tables, filters, period, zone, madeAt, version, torn, duplicates } = report
  const times = new Times(zone)
  return (
    <main id="app">
      <div class="view-head">
        <h1>{`Usage ${period}`}</h1>
        {filters.map((filter) => (
          <span key={filter} class="chip">
            <span class="chip-name">{filter}</span>
          </span>
        ))}
      </div>
      <Tiles label="Sums" tiles={tilesOf(total)} />
      {days.length > 1 && (
        <>
          <Card title="Cost by day">
            <DayBars
              title="Cost by day"
              bars={days.map((row) => barOf(row, row.costNano ?? 0, formatMoney(row.costNano)))}
            />
          </Card>
          <Card title="Requests by day">
            <DayBars
              title="Requests by day"
              bars={days.map((row) => barOf(row, row.requests, formatCount(row.requests)))}
            />
          </Card>
        </>
      )}
      {tables.map(({ by, rows }) => (
        <Card key={by} title={`By ${by}`}>
          <Table
            caption={`Usage by ${by}`}
            columns={columnsOf(by, total)}
            rows={rows}
            sum={total}
            keyOf={({ name }) => name ?? UNKNOWN}
            empty="No requests in this period"
          />
        </Card>
      ))}
      {days.length > 1 && (
        <Card title="By day">
          <Table
            caption="Usage by day"
            columns={columnsOf('day', total)}
            rows={days}
            sum={total}
            keyOf={({ name }) => name ?? UNKNOWN}
            empty=""
          />
        </Card>
      )}
      <footer class="note">
        {notesOf(total, torn, duplicates).map((note) => (
          <p key={note}>{note}</p>
        ))}
        <p>{`Days and times in ${zone}. Made ${times.formatMoment(madeAt)} by Thinwire ${version} from its usage ledger.`}</p>
      </footer>
    </main>
  )
}

function barOf({ name }: UsageRow, value: number, text: string) {
  return { label: name === null ? UNKNOWN : shortenDay(name), value, text }
}

const DAY = new Intl.DateTimeFormat('en-GB', { timeZone: 'UTC', day: 'numeric', month: 'short' })

/** `2026-01-31` to `31 Jan`: on a phone there is no room for more below a bar. */
function shortenDay(name: string): string {
  const at = Date.parse(`${name}T00:00:00Z`)
  return Number.isNaN(at) ? name : DAY.format(at)
}

function tilesOf(total: UsageRow): Tile[] {
  const { requests, errors, promptTokens, cachedTokens, completionTokens, ttftMs } = total
  return [
    {
      label: 'Cost',
      value: costOf(total),
      note: total.unpriced > 0 ? `${formatShort(total.unpriced)} requests have no price` : '',
    },
    {
      label: 'Requests',
      value: formatCount(requests),
      note: `${formatCount(errors)} errors, ${formatShare(errors, requests)}`,
    },
    {
      label: 'Prompt tokens',
      value: formatShort(promptTokens),
      note: `${formatShare(cachedTokens ?? 0, promptTokens ?? 0)} from a cache`,
    },
    { label: 'Answer tokens', value: formatShort(completionTokens) },
    { label: 'First token', value: formatMs(ttftMs[0]), note: `p50, p99 ${formatMs(ttftMs[1])}` },
    { label: 'Added by the relay', value: formatUs(total.addedUsP99), note: 'p99' },
  ]
}

/** With a "+" where some of the cost is not known. */
function costOf({ costNano, unpriced, direct }: UsageRow): string {
  return `${formatMoney(costNano)}${costNano !== null && unpriced + direct > 0 ? '+' : ''}`
}

function columnsOf(by: string, total: UsageRow): readonly Column<UsageRow>[] {
  const all = total.costNano ?? 0
  const number = (
    name: string,
    label: string,
    cell: (row: UsageRow) => string,
    isExtra = false,
  ): Column<UsageRow> => ({
    name,
    label,
    isExtra,
    value: () => null,
    cell,
  })
  return [
    {
      name: 'name',
      label: by[0]?.toUpperCase() + by.slice(1),
      isText: true,
      value: ({ name }) => name,
      cell: (row) => <span class="name">{row === total ? 'total' : (row.name ?? UNKNOWN)}</span>,
    },
    number('requests', 'Requests', ({ requests }) => formatCount(requests)),
    number('errors', 'Errors', ({ errors }) => formatCount(errors), true),
    number('prompt', 'Prompt', ({ promptTokens }) => formatShort(promptTokens), true),
    number('cached', 'Cached', ({ cachedTokens }) => formatShort(cachedTokens), true),
    number('completion', 'Answer', ({ completionTokens }) => formatShort(completionTokens), true),
    number('cost', 'Cost', costOf),
    {
      name: 'share',
      label: 'Share',
      value: () => null,
      cell: ({ costNano }) => (
        <span class="with-bar">
          {formatShare(costNano ?? 0, all)} <ShareBar share={all > 0 ? (costNano ?? 0) / all : 0} />
        </span>
      ),
    },
    number('ttft', 'First token p50', ({ ttftMs }) => formatMs(ttftMs[0]), true),
    number('ttft99', 'p99', ({ ttftMs }) => formatMs(ttftMs[1]), true),
    number('added', 'Added p99', ({ addedUsP99 }) => formatUs(addedUsP99), true),
  ]
}

function notesOf(
  { estimated, direct, requests, unpriced }: UsageRow,
  torn: number,
  duplicates: number,
): string[] {
  return [
    ...(unpriced + direct > 0
      ? ['A "+" after a cost: some of its requests have no price, or no usage.']
      : []),
    ...(estimated > 0
      ? [`${formatCount(estimated)} of ${formatCount(requests)} requests have estimated tokens.`]
      : []),
    ...(direct > 0
      ? [`${formatCount(direct)} requests went directly to the provider: their tokens and cost are unknown.`]
      : []),
    ...(torn > 0 ? [`${formatCount(torn)} torn lines are not counted.`] : []),
    ...(duplicates > 0 ? [`${formatCount(duplicates)} repeated records are counted once.`] : []),
  ]
}
