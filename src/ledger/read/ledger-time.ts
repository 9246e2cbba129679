/** Length of the text up to the minute: `2026-03-01T09:00:`. */
const MINUTE_LENGTH = 17

/** The format in which the ledger writes times. */
const LEDGER_TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:[0-5]\d\.\d{3}Z$/

/** Other times have a year of four digits too: at the ends of what `Date` can tell, no time zone can be applied. */
const YEAR = /^\d{4}-/

/** Records come in the order of their ends, so that most have the minute of the one before. */
let minuteText = ''

let minuteMs = 0

/** Parses the time of a record. @returns epoch milliseconds; null if it is no time */
export function parseLedgerTime(ts: string): number | null {
  if (!LEDGER_TIME.test(ts)) {
    const at = YEAR.test(ts) ? Date.parse(ts) : Number.NaN
    return Number.isNaN(at) ? null : at
  }
  if (!ts.startsWith(minuteText) || minuteText === '') {
    const text = ts.slice(0, MINUTE_LENGTH)
    const at = Date.parse(`${text}00.000Z`)
    if (Number.isNaN(at)) return null
    minuteText = text
    minuteMs = at
  }
  return minuteMs + Number(ts.slice(MINUTE_LENGTH, MINUTE_LENGTH + 6)) * 1_000
}
