import type { Dimensions, Entry } from './entry.js'
import type { Report } from './report.js'
import type { RollupHead, RollupReader } from './rollup.js'
import type { SumRow } from './sum.js'

/** What days are read into: a report, or several at once. */
export interface DayReader extends RollupReader {
  readonly takesRollups: boolean
  /** @param entry null for a line that is not a record */
  add(entry: Entry | null): void
}

/**
 * Several reports of the same requests, each with groups of its own: the ledger is read once for all. They must have
 * the same period, filter and zone.
 */
export class ReportSet implements DayReader {
  private readonly reports: readonly Report[]

  constructor(reports: readonly Report[]) {
    this.reports = reports
  }

  get takesRollups(): boolean {
    return this.reports.every(({ takesRollups }) => takesRollups)
  }

  add(entry: Entry | null): void {
    for (const report of this.reports) report.add(entry)
  }

  beginRollup(head: RollupHead): 'rows' | 'none' | 'records' {
    // The reports agree: each has seen the same records, and asks for the same ones.
    if (!this.takesRollups) return 'records'
    const [first = 'records'] = this.reports.map((report) => report.beginRollup(head))
    return first
  }

  addRow(of: Dimensions, row: SumRow, from: number): void {
    for (const report of this.reports) report.addRow(of, row, from)
  }
}
