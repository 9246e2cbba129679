import { useState } from 'preact/hooks'
import { downloadTable } from '../download.js'
import { type Column, type Sort, sortRows, Table } from './table.js'

/** A browser takes seconds for tens of thousands of rows, at each answer. */
const MOST = 200

interface DataTableProps<Row> {
  readonly title: string
  readonly columns: readonly Column<Row>[]
  readonly rows: readonly Row[]
  readonly keyOf: (row: Row) => string
  readonly sum?: Row | null
  readonly empty: string
  readonly sort?: Sort
  /** Path and query of the API that has this table whole; null: it is written from what is shown. */
  readonly source: string | null
  /** What chooses this table in the CSV of the API, which is one table. */
  readonly csv?: Readonly<Record<string, string>>
  /** More rows than these are shown when somebody asks for them; by default 200. */
  readonly most?: number
  /** Stands between the title and the links. */
  readonly controls?: preact.ComponentChildren
}

/** A table with a title that can be sorted, and taken along as CSV and JSON. */
export function DataTable<Row>({
  title,
  controls,
  source,
  csv = {},
  sort,
  most = MOST,
  ...table
}: DataTableProps<Row>) {
  const [chosen, setChosen] = useState<Sort | null>(sort ?? null)
  const [isWhole, setWhole] = useState(false)
  const rows = sortRows(table.rows, table.columns, chosen)
  // A button in place of two or three rows would save nothing.
  const isCut = !isWhole && rows.length > most + 3
  return (
    <section class="card">
      <header class="card-head">
        <h2>{title}</h2>
        {controls}
        <span class="exports">
          {source !== null ? (
            <>
              <a href={toCsv(source, csv)} download aria-label={`${title} as CSV`}>
                CSV
              </a>
              <a href={source} target="_blank" rel="noreferrer" aria-label={`${title} as JSON`}>
                JSON
              </a>
            </>
          ) : (
            (['csv', 'json'] as const).map((format) => (
              <button
                key={format}
                type="button"
                class="plain"
                aria-label={`${title} as ${format.toUpperCase()}`}
                onClick={() => downloadTable(title, table.columns, rows, format)}
              >
                {format.toUpperCase()}
              </button>
            ))
          )}
        </span>
      </header>
      <Table
        {...table}
        caption={title}
        rows={isCut ? rows.slice(0, most) : rows}
        sort={chosen}
        onSort={setChosen}
      />
      {isCut && (
        <p class="more">
          <button
            type="button"
            aria-label={`Show all ${rows.length} of ${title}`}
            onClick={() => setWhole(true)}
          >
            Show all {rows.length}
          </button>
        </p>
      )}
    </section>
  )
}

/** `/api/totals?range=2h` to `/api/totals.csv?range=2h`. */
function toCsv(source: string, more: Readonly<Record<string, string>>): string {
  const [path, text = ''] = source.split('?')
  const query = new URLSearchParams(text)
  for (const [name, value] of Object.entries(more)) query.set(name, value)
  return `${path}.csv${query.size === 0 ? '' : `?${query}`}`
}
