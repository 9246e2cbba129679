import type { Column } from './parts/table.js'

/** First characters that make a spreadsheet run a cell as a formula: clients choose names. */
const FORMULA = /^[=+\-@\t\r\n＝＋－＠]/

/** Hands a table to the browser as a file. */
export function downloadTable<Row>(
  title: string,
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  format: 'csv' | 'json',
): void {
  const text = format === 'csv' ? toCsv(columns, rows) : toJson(columns, rows)
  const type = format === 'csv' ? 'text/csv' : 'application/json'
  const url = URL.createObjectURL(new Blob([text], { type }))
  const link = document.createElement('a')
  link.href = url
  link.download = `${title.toLowerCase().replace(/[^a-z0-9]+/g, '-')}.${format}`
  link.click()
  window.setTimeout(() => URL.revokeObjectURL(url), 10_000)
}

function toCsv<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const lines = rows.map((row) => columns.map(({ value }) => formatField(value(row))))
  return [columns.map(({ name }) => name), ...lines].map((line) => `${line.join(',')}\r\n`).join('')
}

function formatField(value: string | number | null): string {
  if (value === null) return ''
  if (typeof value === 'number') return String(value)
  const text = FORMULA.test(value) ? `'${value}` : value
  return /[",\r\n;\t]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

function toJson<Row>(columns: readonly Column<Row>[], rows: readonly Row[]): string {
  const list = rows.map((row) => Object.fromEntries(columns.map(({ name, value }) => [name, value(row)])))
  return `${JSON.stringify(list, null, 2)}\n`
}
