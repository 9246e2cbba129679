import type { Results, Series, Unit, Verdict } from './results.js'
import { largest, median, smallest } from './statistics.js'

/**
 * Fits 80 columns. `goal`: the figure is not only within its limit, but as good as it should become.
 * @param isBusy the machine was busy, so that what is within a limit or beyond it says nothing
 */
export function verdictTable(verdicts: readonly Verdict[], isBusy = false): string[] {
  const rows = verdicts.map((verdict) => [
    verdict.what,
    show(verdict.value, verdict.unit),
    verdict.baseline === null
      ? '-'
      : `${verdict.baseline.name} ${show(verdict.baseline.value, verdict.unit)}`,
    verdict.baseline === null ? '' : `${digits(verdict.ratio)}x`,
    limitOf(verdict),
    wordFor(verdict, isBusy),
  ])
  return align([['figure', 'thinwire', 'baseline', 'ratio', 'limit', ''], ...rows])
}

function wordFor(verdict: Verdict, isBusy: boolean): string {
  if (isBusy) return 'busy'
  return verdict.outcome === 'held' && reachesGoal(verdict) ? 'goal' : verdict.outcome
}

function reachesGoal({ bound, ratio, goal }: Verdict): boolean {
  return bound === 'atMost' ? ratio <= goal : ratio >= goal
}

/** One line for each breach: what, how much, against what. */
export function breaches(verdicts: readonly Verdict[]): string[] {
  return verdicts
    .filter((verdict) => verdict.outcome === 'broken')
    .map((verdict) => {
      const than =
        verdict.baseline === null
          ? ''
          : ` (${baseName(verdict.baseline, verdict.figure)}: ${show(verdict.baseline.value, verdict.unit)})`
      const figure =
        verdict.baseline === null ? show(verdict.ratio, verdict.unit) : `${digits(verdict.ratio)}x`
      return `budget ${verdict.name} broken: ${verdict.figure} is ${show(verdict.value, verdict.unit)}${than}, ${figure}, limit ${limitOf(verdict)}`
    })
}

/** All figures of all contestants: medians, and the spread of the rounds. */
export function figureTable(results: Pick<Results, 'series'>): string[] {
  const lines: string[] = []
  const scenarios = [...new Set(results.series.map((series) => series.scenario))]
  for (const scenario of scenarios) {
    lines.push('', scenario)
    const of = results.series.filter((series) => series.scenario === scenario)
    for (const figure of new Set(of.map((series) => series.figure))) {
      const those = of.filter((series) => series.figure === figure)
      lines.push(`  ${figure}`)
      const rows = those.map((series) => [
        `    ${series.contestant}`,
        show(median(series.values), series.unit),
        series.values.length > 1 ? spread(series) : '',
      ])
      lines.push(...align(rows))
    }
  }
  return lines
}

/** Formats a value with three digits and its unit. 1,000 microseconds and more become milliseconds. */
export function show(value: number, unit: Unit): string {
  if (!Number.isFinite(value)) return 'none'
  if (unit === 'us' && Math.abs(value) >= 1_000) return `${digits(value / 1_000)} ms`
  const joined = unit === '' || unit === 'x' || unit.startsWith('/')
  return `${digits(value)}${joined ? '' : ' '}${unit}`
}

export function digits(value: number): string {
  if (!Number.isFinite(value)) return 'none'
  if (Math.abs(value) >= 100) return Math.round(value).toLocaleString('en')
  return String(Number(value.toPrecision(3)))
}

function spread(series: Series): string {
  return `${show(smallest(series.values), series.unit)} .. ${show(largest(series.values), series.unit)}`
}

function limitOf(verdict: Verdict): string {
  const { limit } = verdict
  const sign = verdict.bound === 'atMost' ? '<=' : '>='
  return verdict.baseline === null ? `${sign} ${show(limit, verdict.unit)}` : `${sign} ${digits(limit)}x`
}

/** Names the contestant, and its figure if that is another one. */
function baseName(baseline: NonNullable<Verdict['baseline']>, figure: string): string {
  return baseline.figure === figure ? baseline.name : `${baseline.name}, ${baseline.figure}`
}

export function align(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const row of rows)
    row.forEach((cell, i) => {
      widths[i] = Math.max(widths[i] ?? 0, cell.length)
    })
  return rows.map((row) =>
    row
      .map((cell, i) => cell.padEnd(widths[i] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}
