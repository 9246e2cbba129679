import { styleText } from 'node:util'
import { formatUrl } from './base-url.js'
import type { Finding, Outcome } from './finding.js'
import type { Visit } from './visit.js'

/** Number of findings by outcome. */
export type Counts = Readonly<Record<Outcome, number>>

const WIDTH = 80
const NAME_WIDTH = 12
const INDENT = 7 + NAME_WIDTH + 1

const MARKS = { ok: 'ok', warning: 'warn', failed: 'FAIL', skipped: '-' } as const
const COLOURS = { ok: 'green', warning: 'yellow', failed: 'red', skipped: 'dim' } as const

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

/** Formats the last lines: the counts, and what they mean. */
export function formatVerdict(visit: Visit, findings: readonly Finding[], elapsedMs: number): string {
  const { ok, warning, failed, skipped } = countOutcomes(findings)
  const counts = [`${ok} ok`, `${warning} to look at`, `${failed} failed`, `${skipped} not tried`]
  const text = `${counts.join(', ')}, in ${(elapsedMs / 1000).toFixed(1)} s. ${describeVerdict(visit, findings)}`
  return `\n${wrapText(text, WIDTH - 1)
    .map((line) => ` ${line}\n`)
    .join('')}`
}

function describeVerdict(visit: Visit, findings: readonly Finding[]): string {
  const { failed, skipped } = countOutcomes(findings)
  if (failed > 0) return 'Cursor will not work well with this URL until the failures are fixed.'
  if (visit.reach !== 'public') {
    const where = visit.reach === 'loopback' ? 'on this machine' : 'in its network'
    return `Clients ${where} can use it. Cursor cannot: its own servers make the calls.`
  }
  return skipped > 0 && visit.missing.size > 0
    ? 'Nothing failed, but some checks could not be tried.'
    : 'Cursor will work with this URL.'
}

/** Formats the report as JSON, for programs. */
export function formatJson(visit: Visit, findings: readonly Finding[], elapsedMs: number): string {
  const { ok, warning, failed, skipped } = countOutcomes(findings)
  const report = {
    v: 1,
    url: formatUrl(visit.base),
    model: visit.model,
    front: visit.front,
    thinwire: visit.thinwire,
    reach: visit.reach,
    verdict: describeVerdict(visit, findings),
    counts: { ok, warning, failed, skipped },
    elapsed_ms: Math.round(elapsedMs),
    checks: findings.map(({ check, outcome, tried, seen, change }) => ({
      check,
      outcome,
      tried,
      seen,
      change,
    })),
  }
  return `${JSON.stringify(report, null, 2)}\n`
}

function wrapText(text: string, width: number): string[] {
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
