/** First characters that make a spreadsheet run a cell as a formula. A client chooses the model name freely. */
const FORMULA = /^[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/

/** What stands in a cell. Null: it is empty, as the value is not known. */
export type CsvValue = string | number | boolean | null

/**
 * Formats a table as CSV (RFC 4180) with exact numbers. A text that a spreadsheet would run as a formula gets a ' in
 * front (OWASP, "CSV Injection").
 */
export function formatCsvTable(columns: readonly string[], rows: Iterable<readonly CsvValue[]>): string {
  let text = ''
  for (const line of listCsvLines(columns, rows)) text += line
  return text
}

/** The same line by line, the names of the columns first. Each has its end. */
export function* listCsvLines(
  columns: readonly string[],
  rows: Iterable<readonly CsvValue[]>,
): Generator<string> {
  yield `${columns.join(',')}\r\n`
  for (const row of rows) yield `${row.map(formatCell).join(',')}\r\n`
}

function formatCell(value: CsvValue): string {
  if (typeof value === 'string') return formatText(value)
  return typeof value === 'number' ? formatNumber(value) : String(value ?? '')
}

function formatText(value: string): string {
  const text = FORMULA.test(value) ? `'${value}` : value
  // Semicolon and tab separate fields, too: where the comma is a decimal point, and in a pasted table.
  return /[",\r\n;\t]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}

/** Without an exponent, which would be a text to some programs: 1e-9 is 0.000000001. */
function formatNumber(value: number): string {
  return value > 0 && value < 1e-6 ? value.toFixed(9).replace(/0+$/, '') : String(value)
}
