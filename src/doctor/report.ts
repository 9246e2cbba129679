import { styleText } from 'node:util'
import { formatUrl } from './base-url.js'
import type { Finding, Outcome } from './finding.js'
import type { ModelFinding } from './model-check.js'
import type { Visit } from './visit.js'

/** Number of findings by outcome. */
export type Counts = Readonly<Record<Outcome, number>>

const WIDTH = 80
const NAME_WIDTH = 12
const INDENT = 7 + NAME_WIDTH + 1

/** How each outcome is written. */
export const MARKS = { ok: 'ok', warning: 'warn', failed: 'FAIL', skipped: '-' } as const
/** Colour of each outcome in a terminal. */
export const COLOURS = { ok: 'green', warning: 'yellow', failed: 'red', skipped: 'dim' } as const

/** Counts findings by outcome. */
export function countOutcomes(findings: readonly Finding[]): Counts {
  const counts = { ok: 0, warning: 0, failed: 0, skipped: 0 }
  for (const { outcome } of findings) counts[outcome]++
  return counts
}

/** Formats a finding for people, within 80 columns unless a word is longer. What to change begins with `>`. */
function formatFinding({ check, outcome, tried, seen, change }: Finding, colours: boolean): string {
  const mark = ` ${MARKS[outcome]}`.padEnd(7)
  const name = check.padEnd(NAME_WIDTH)
  const text = outcome === 'skipped' ? `not tried: ${seen}` : `${tried}: ${seen}`
  const lines = wrapText(text, WIDTH - INDENT)
  for (const each of change) {
    lines.push(...wrapText(each, WIDTH - INDENT - 2).map((line, i) => `${i === 0 ? '>' : ' '} ${line}`))
  }
  // The caller has checked that the output is a terminal.
  const head = colours ? styleText(COLOURS[outcome], mark, { validateStream: false }) : mark
  return `${head}${name} ${lines.join(`\n${' '.repeat(INDENT)}`)}\n`
}

/**
 * Writes findings as they come. Checks that were skipped for the same reason share one line: when a name has no
 * address, that is nearly all of them.
 */
export class Printer {
  private readonly write: (text: string) => void
  private readonly colours: boolean
  private held: Finding[] = []

  constructor(write: (text: string) => void, colours: boolean) {
    this.write = write
    this.colours = colours
  }

  show(finding: Finding): void {
    const [first] = this.held
    if (first !== undefined && (finding.outcome !== 'skipped' || finding.seen !== first.seen)) this.end()
    if (finding.outcome === 'skipped') this.held.push(finding)
    else this.write(formatFinding(finding, this.colours))
  }

  /** Writes what is still held. Call it after the last finding. */
  end(): void {
    const [first, ...others] = this.held
    this.held = []
    if (first === undefined) return
    if (others.length === 0) {
      this.write(formatFinding(first, this.colours))
      return
    }
    const names = [first, ...others].map(({ check }) => check).join(', ')
    const mark = this.colours ? styleText(COLOURS.skipped, ' -', { validateStream: false }) : ' -'
    const lines = wrapText(`not tried: ${names}: ${first.seen}`, WIDTH - 7)
    this.write(`${mark}     ${lines.join(`\n${' '.repeat(7)}`)}\n`)
  }
}

/** What an examination has found. */
export interface Report {
  readonly findings: readonly Finding[]
  /** Null: Cursor was not played. */
  readonly models: readonly ModelFinding[] | null
  readonly elapsedMs: number
  /** In place of the sentence about Cursor. */
  readonly verdict?: string
}

/**
 * Whether Cursor will work: nothing failed, and agent turns with a tool were complete: of each model that was named, or
 * of one of those that are listed.
 */
export function isFine(visit: Visit, { findings, models }: Report): boolean {
  if (countOutcomes(findings).failed > 0 || visit.fault !== null) return false
  return !visit.cursor || worksInAgentMode(visit, models ?? [])
}

function worksInAgentMode({ named }: Visit, models: readonly ModelFinding[]): boolean {
  if (models.length === 0) return false
  return named.length > 0 ? models.every(isWorking) : models.some(isWorking)
}

function isWorking({ works }: ModelFinding): boolean {
  return works
}

/** Formats the last lines: the counts, and what they mean. */
export function formatVerdict(visit: Visit, report: Report): string {
  const { findings, elapsedMs } = report
  const { ok, warning, failed, skipped } = countOutcomes(findings)
  const counts = [`${ok} ok`, `${warning} to look at`, `${failed} failed`, `${skipped} not tried`]
  const seconds = `${(elapsedMs / 1000).toFixed(1)} s`
  const shown = findings.length === 0 ? '' : `${counts.join(', ')}, in ${seconds}. `
  const text = `${shown}${describeVerdict(visit, report)}`
  return `\n${wrapText(text, WIDTH - 1)
    .map((line) => ` ${line}\n`)
    .join('')}`
}

function describeVerdict(visit: Visit, { findings, models, verdict }: Report): string {
  if (verdict !== undefined) return verdict
  const { failed, skipped } = countOutcomes(findings)
  if (failed > 0 || visit.fault !== null)
    return 'Cursor will not work well with this URL until the failures are fixed.'
  if (models !== null && !worksInAgentMode(visit, models)) return describeAgentFailure(visit, models)
  const agent = models === null ? '' : `${describeWorking(models)} `
  if (findings.length === 0) return agent.trim()
  return `${agent}${describeReach(visit, skipped)}`
}

function describeAgentFailure({ named }: Visit, models: readonly ModelFinding[]): string {
  if (models.length === 0) return "Cursor's agent could not be tried: no model is known (--model NAME)."
  const broken = models.filter(({ works }) => !works).map(({ model }) => model)
  return named.length > 1 && broken.length < models.length
    ? `Cursor's agent will not work with ${broken.join(', ')}.`
    : `Cursor's agent will not work with ${models.length === 1 ? 'this model' : 'any of these models'}.`
}

function describeWorking(models: readonly ModelFinding[]): string {
  if (models.length === 1) return 'The model works in Agent mode.'
  return `${models.filter(isWorking).length} of ${models.length} models work in Agent mode.`
}

function describeReach(visit: Visit, skipped: number): string {
  if (visit.reach !== 'public') {
    const where = visit.reach === 'loopback' ? 'on this machine' : 'in its network'
    return `Clients ${where} can use it. Cursor cannot: its own servers make the calls.`
  }
  return skipped > 0 && visit.missing.size > 0
    ? 'Nothing failed, but some checks could not be tried.'
    : 'Cursor will work with this URL.'
}

/** Formats the report as JSON, for programs. */
export function formatJson(visit: Visit, outcome: Report): string {
  const { findings, models, elapsedMs } = outcome
  const { ok, warning, failed, skipped } = countOutcomes(findings)
  const report = {
    v: 1,
    url: formatUrl(visit.base),
    model: visit.model,
    front: visit.front,
    thinwire: visit.thinwire,
    reach: visit.reach,
    verdict: describeVerdict(visit, outcome),
    counts: { ok, warning, failed, skipped },
    elapsed_ms: Math.round(elapsedMs),
    checks: findings.map(({ check, outcome, tried, seen, change }) => ({
      check,
      outcome,
      tried,
      seen,
      change,
    })),
    models,
  }
  return `${JSON.stringify(report, null, 2)}\n`
}

/** Breaks a text at blanks, into lines of at most `width` characters unless a word is longer. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = []
  let line = ''
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line)
      line = word
    } else {
      line = line === '' ? word : `${line} ${word}`
    }
  }
  if (line !== '') lines.push(line)
  return lines
}
