import type { Distribution, Results, Series, Verdict } from './results.js'
import { largest, median, smallest } from './statistics.js'
import { digits, show } from './table.js'

const TITLE = 'Thinwire bench'

/** Plot area in user units. */
const WIDTH = 720
const HEIGHT = 300
const LEFT = 64
const RIGHT = 28
const TOP = 12
const BOTTOM = 36

/** The quantiles that are named under a plot. Each gets the same width, although each is ten times rarer. */
const MARKS = [0, 0.5, 0.9, 0.99, 0.999]

const STYLE = `
:root { color-scheme: light dark; --ink: #1c2430; --soft: #667080; --line: #d9dee5; --paper: #fff; --bad: #b3261e; --good: #1a7f37 }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4e8ee; --soft: #98a2b3; --line: #343c48; --paper: #14181f; --bad: #ff8a80; --good: #6fdc8c }
}
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem auto; max-width: 920px; padding: 0 1rem }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.1rem; margin: 2.5rem 0 .5rem } h3 { font-size: .95rem; margin: 1.5rem 0 .25rem }
p { margin: .25rem 0 } .soft, td.soft { color: var(--soft) }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums }
th, td { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); white-space: nowrap }
th { font-weight: 600; color: var(--soft); font-size: .85rem } td.n, th.n { text-align: right }
.broken { color: var(--bad); font-weight: 600 } .held { color: var(--good) } .skipped { color: var(--soft) }
.thinwire td:first-child { font-weight: 600 }
svg { width: 100%; height: auto; display: block } svg text { font: 12px system-ui, sans-serif; fill: var(--soft) }
.grid { stroke: var(--line) } .curve { fill: none; stroke-width: 1.6 } .curve.thinwire { stroke-width: 3 }
.key { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; font-size: .85rem; margin: .25rem 0 }
.key i { display: inline-block; width: 1.1em; height: .25em; vertical-align: middle; margin-right: .4em }
`

/** Colours that can be distinguished with red-green blindness, on white and on black. */
const COLOURS: Readonly<Record<string, string>> = {
  direct: '#8a929e',
  tunnel: '#56b4e9',
  nginx: '#009e73',
  bare: '#cc79a7',
  express: '#b08a00',
  last: '#a3562b',
  constant: '#8c6bb1',
  thinwire: '#d55e00',
}

/** A self-contained page: budgets, distributions of the single samples, and every figure. */
export function report(results: Results): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${TITLE}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${TITLE}</h1>
${about(results)}
<h2>Budgets</h2>
${verdicts(results.verdicts)}
<h2>Distributions</h2>
${plots(results.distributions)}
<h2>Figures</h2>
<p class="soft">Medians of the rounds, and the smallest and the largest.</p>
${figures(results.series)}
</body>
</html>
`
}

function about({ takenAt, mode, rounds, machine, missing, noVerdict }: Results): string {
  const commit = machine.commit === null ? '' : `, commit ${text(machine.commit)}`
  const absent = Object.entries(missing).map(
    ([name, why]) => `<p class="broken">Without ${text(name)}: ${text(why)}</p>`,
  )
  const meaning = mode === 'smoke' ? '<p class="broken">A smoke run: its figures mean nothing.</p>' : ''
  const busy = noVerdict === null ? '' : `<p class="broken">No verdict: ${text(noVerdict)}.</p>`
  return `<p>${text(takenAt)}, ${mode} run of ${rounds} rounds${commit}</p>
<p class="soft">${text(machine.cpu)}, ${machine.cores} cores, ${text(machine.pinning)}; Node ${text(machine.node)}, ${text(machine.kernel)}</p>
${meaning}${busy}${absent.join('\n')}`
}

function verdicts(all: readonly Verdict[]): string {
  if (all.length === 0) return '<p class="soft">None of them was measured.</p>'
  const rows = all.map((verdict) => {
    const { baseline, bound, unit } = verdict
    const sign = bound === 'atMost' ? '≤' : '≥'
    const amount = (value: number): string => (baseline === null ? show(value, unit) : `${digits(value)}x`)
    return `<tr title="${text(verdict.note ?? '')}"><td>${text(verdict.what)}</td><td class="n">${show(verdict.value, unit)}</td>
<td>${baseline === null ? '' : `${text(baseline.name)} ${show(baseline.value, unit)}`}</td>
<td class="n">${baseline === null ? '' : amount(verdict.ratio)}</td><td class="n soft">${baseline === null ? '' : verdict.spread.map(digits).join(' .. ')}</td>
<td class="n">${sign} ${amount(verdict.limit)}</td><td class="n soft">${sign} ${amount(verdict.goal)}</td><td class="${verdict.outcome}">${verdict.outcome}</td></tr>`
  })
  return `<div class="wide"><table><tr><th>figure</th><th class="n">Thinwire</th><th>baseline</th><th class="n">ratio</th><th class="n">of one round</th><th class="n">limit</th><th class="n">goal</th><th></th></tr>
${rows.join('\n')}</table></div>`
}

function plots(all: readonly Distribution[]): string {
  const titles = new Set(all.map((one) => `${one.scenario}: ${one.what}`))
  if (titles.size === 0) return '<p class="soft">No scenario that was measured has one.</p>'
  return [...titles]
    .map((title) =>
      plot(
        title,
        all.filter((one) => `${one.scenario}: ${one.what}` === title),
      ),
    )
    .join('\n')
}

/** Plots time over quantile, with scales that give the rare and slow samples as much room as the others. */
function plot(title: string, curves: readonly Distribution[]): string {
  const values = curves.flatMap(({ points }) => points.map(([, value]) => value)).filter((value) => value > 0)
  if (values.length === 0) return ''
  const low = Math.floor(Math.log10(smallest(values)))
  const high = Math.max(low + 1, Math.ceil(Math.log10(largest(values))))
  const x = (q: number): number => LEFT + (WIDTH - LEFT - RIGHT) * place(q)
  const y = (us: number): number =>
    TOP + ((HEIGHT - TOP - BOTTOM) * (high - Math.log10(Math.max(us, 10 ** low)))) / (high - low)
  const grid: string[] = []
  for (let power = low; power <= high; power++) {
    const at = y(10 ** power)
    grid.push(
      `<line class="grid" x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${at}" y2="${at}"/><text x="${LEFT - 8}" y="${at + 4}" text-anchor="end">${show(10 ** power, 'us')}</text>`,
    )
  }
  for (const mark of MARKS) {
    const at = x(mark)
    const name = mark === 0 ? 'fastest' : mark === 0.5 ? 'median' : `p${digits(mark * 100)}`
    grid.push(
      `<line class="grid" x1="${at}" x2="${at}" y1="${TOP}" y2="${HEIGHT - BOTTOM}"/><text x="${at}" y="${HEIGHT - BOTTOM + 18}" text-anchor="middle">${name}</text>`,
    )
  }
  const lines = curves.map(({ contestant, points }) => {
    const path = points
      .filter(([q]) => q <= (MARKS.at(-1) as number))
      .map(([q, us]) => `${x(q).toFixed(1)},${y(us).toFixed(1)}`)
    return `<polyline class="curve ${text(contestant)}" stroke="${colour(contestant)}" points="${path.join(' ')}"/>`
  })
  const keys = curves.map(
    ({ contestant, count }) =>
      `<span><i style="background:${colour(contestant)}"></i>${text(contestant)} <span class="soft">${count.toLocaleString('en')}</span></span>`,
  )
  return `<h3>${text(title)}</h3>
<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${text(title)}">${grid.join('')}${lines.join('')}</svg>
<div class="key">${keys.join('')}</div>`
}

/** The place of a quantile between 0 and 1: linear up to the median, then one step for each factor of ten. */
function place(q: number): number {
  const half = 0.28
  if (q <= 0.5) return (q / 0.5) * half
  const span = Math.log10(0.5 / (1 - (MARKS.at(-1) as number)))
  return half + (1 - half) * (Math.log10(0.5 / (1 - q)) / span)
}

function figures(all: readonly Series[]): string {
  const groups = new Set(all.map((series) => `${series.scenario}: ${series.figure}`))
  return [...groups]
    .map((group) => {
      const rows = all
        .filter((series) => `${series.scenario}: ${series.figure}` === group)
        .map(
          ({ contestant, values, unit }) =>
            `<tr class="${text(contestant)}"><td>${text(contestant)}</td><td class="n">${show(median(values), unit)}</td><td class="n soft">${show(smallest(values), unit)} .. ${show(largest(values), unit)}</td></tr>`,
        )
      return `<h3>${text(group)}</h3><div class="wide"><table>${rows.join('')}</table></div>`
    })
    .join('\n')
}

function colour(contestant: string): string {
  return COLOURS[contestant] ?? '#7a6ff0'
}

function text(plain: string): string {
  return plain
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
}
