import type { ComponentChildren } from 'preact'

/** A column of a table of rows. */
export interface Column<Row> {
  readonly name: string
  readonly label: string
  /** What the label leaves out. */
  readonly hint?: string
  /** For sorting, and for CSV and JSON. */
  readonly value: (row: Row) => string | number | null
  readonly cell: (row: Row) => ComponentChildren
  /** On the left side; numbers are on the right. */
  readonly isText?: boolean
  /** Left out where there is little width. */
  readonly isExtra?: boolean
  /** It has nothing to sort by. */
  readonly isFixed?: boolean
}

export interface Sort {
  readonly name: string
  readonly isDescending: boolean
}

export interface TableProps<Row> {
  /** Says what the table is, also to a screen reader. */
  readonly caption: string
  readonly columns: readonly Column<Row>[]
  readonly rows: readonly Row[]
  readonly keyOf: (row: Row) => string
  /** A row below the others, not sorted with them. */
  readonly sum?: Row | null
  /** What is said in place of rows. */
  readonly empty: string
  readonly sort?: Sort | null
  /** Without it, the table is as it is. */
  readonly onSort?: (sort: Sort) => void
}

/** A table. It holds no state, so a report on paper can use it, too. */
export function Table<Row>({
  caption,
  columns,
  rows,
  keyOf,
  sum = null,
  empty,
  sort = null,
  onSort,
}: TableProps<Row>) {
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard
    <section class="scroll" aria-label={caption} tabIndex={0}>
      <table>
        <caption class="unseen">{caption}</caption>
        <thead>
          <tr>
            {columns.map((column) => (
              <Head key={column.name} column={column} sort={sort} onSort={onSort} />
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.length === 0 && (
            <tr>
              <td class="empty" colSpan={columns.length}>
                {empty}
              </td>
            </tr>
          )}
          {rows.map((row) => (
            <Row key={keyOf(row)} columns={columns} row={row} />
          ))}
        </tbody>
        {sum !== null && rows.length > 0 && (
          <tfoot>
            <Row columns={columns} row={sum} />
          </tfoot>
        )}
      </table>
    </section>
  )
}

function Row<Row>({ columns, row }: { readonly columns: readonly Column<Row>[]; readonly row: Row }) {
  return (
    <tr>
      {columns.map((column) => (
        <td key={column.name} class={classOf(column)}>
          {column.cell(row)}
        </td>
      ))}
    </tr>
  )
}

interface HeadProps<Row> {
  readonly column: Column<Row>
  readonly sort: Sort | null
  readonly onSort: ((sort: Sort) => void) | undefined
}

function Head<Row>({ column, sort, onSort }: HeadProps<Row>) {
  const { name, label, hint, isText = false, isFixed = false } = column
  const isSorted = sort?.name === name
  const direction = isSorted ? (sort.isDescending ? 'descending' : 'ascending') : undefined
  return (
    <th scope="col" class={classOf(column)} title={hint} aria-sort={direction}>
      {onSort === undefined || isFixed ? (
        label
      ) : (
        <button
          type="button"
          class="sort"
          onClick={() => onSort({ name, isDescending: isSorted ? !sort.isDescending : !isText })}
        >
          {label}
          {isSorted && (
            <span class="arrow" aria-hidden="true">
              {sort.isDescending ? '▾' : '▴'}
            </span>
          )}
        </button>
      )}
    </th>
  )
}

function classOf<Row>({ isText = false, isExtra = false }: Column<Row>): string | undefined {
  return [isText ? 'text' : 'number', ...(isExtra ? ['extra'] : [])].join(' ')
}

/** Sorts rows by a column. What is unknown is last in either direction; equal rows stay in their order. */
export function sortRows<Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  sort: Sort | null,
): readonly Row[] {
  const column = columns.find(({ name }) => name === sort?.name)
  if (sort === null || column === undefined) return rows
  const direction = sort.isDescending ? -1 : 1
  return rows.toSorted((a, b) => {
    const [one, other] = [column.value(a), column.value(b)]
    if (one === null || other === null) return one === other ? 0 : one === null ? 1 : -1
    return one === other ? 0 : one < other ? -direction : direction
  })
}
