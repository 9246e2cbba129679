import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { report } from '../../bench/report.js'
import type { Results } from '../../bench/results.js'

const RESULTS: Results = {
  v: 1,
  takenAt: '2026-01-01T00:00:00.000Z',
  mode: 'quick',
  machine: { cpu: 'a <fast> one', cores: 2, pinning: 'apart', node: 'v20', kernel: 'Linux', commit: 'abc' },
  rounds: 2,
  missing: { nginx: 'not installed' },
  noVerdict: 'others <took> it',
  series: [
    { scenario: 'chunks', figure: 'delay', unit: 'us', contestant: 'nginx', values: [100, 300] },
    { scenario: 'chunks', figure: 'delay', unit: 'us', contestant: 'thinwire', values: [150, 2_450] },
  ],
  distributions: ['nginx', 'thinwire'].map((contestant, i) => ({
    scenario: 'chunks',
    what: 'chunk delay',
    unit: 'us',
    contestant,
    count: 1_000,
    points: [
      [0, 50 + i],
      [0.5, 100 + i],
      [0.99, 900 + i],
      [1, 4_000],
    ],
  })),
  verdicts: [
    {
      name: 'chunk-delay',
      what: 'chunk delay',
      scenario: 'chunks',
      figure: 'delay',
      unit: 'us',
      value: 1_300,
      baseline: { name: 'nginx', figure: 'delay', value: 200 },
      ratio: 6.5,
      spread: [1.5, 8.2],
      bound: 'atMost',
      limit: 2,
      goal: 1.25,
      outcome: 'broken',
      note: 'because',
    },
  ],
}

test('the report tells the budgets, draws each distribution once, and lists every figure', () => {
  const page = report(RESULTS)
  assert.match(page, 'a &lt;fast&gt; one')
  assert.match(page, 'Without nginx: not installed')
  assert.match(page, 'No verdict: others &lt;took&gt; it.')
  assert.match(page, /chunk delay<\/td><td class="n">1.3 ms<\/td>/)
  assert.match(page, 'class="broken">broken')
  assert.is(page.match(/<svg /g)?.length, 1)
  assert.is(page.match(/<polyline /g)?.length, 2)
  assert.match(page, '100 us .. 300 us')
  // Opens without a network, and without anything to run.
  assert.not.match(page, /<script|https?:\/\/|src=|@import/)
})

test('every point of a plot is within it', () => {
  const numbers = [...report(RESULTS).matchAll(/points="([^"]+)"/g)].flatMap(([, points = '']) =>
    points.split(' ').map((point) => point.split(',').map(Number)),
  )
  assert.ok(numbers.length > 4)
  for (const [x = -1, y = -1] of numbers) {
    assert.ok(x >= 64 && x <= 692, `x ${x}`)
    assert.ok(y >= 12 && y <= 264, `y ${y}`)
  }
})

test('a report of nothing is a page, too', () => {
  const page = report({ ...RESULTS, series: [], distributions: [], verdicts: [], missing: {} })
  assert.match(page, 'None of them was measured')
  assert.match(page, '</html>')
})

test.run()
