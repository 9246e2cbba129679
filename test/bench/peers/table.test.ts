import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { wordOf } from '../../../bench/peers/scenarios.js'
import { better, type Comparison, comparisonTables, type Row } from '../../../bench/peers/table.js'
import type { Series, Unit } from '../../../bench/results.js'

const UNTOUCHED = { prompt: 'unchanged', stream: 'unchanged', json: 'unchanged' }

const ROWS: readonly Row[] = [
  { name: 'bare', title: 'bare', version: null, bytes: null },
  {
    name: 'slow',
    title: 'Slow (Python)',
    version: '1.2.3',
    bytes: { prompt: 'rebuilt: adds user', stream: 'rebuilt: drops comments', json: 'unchanged' },
  },
  { name: 'thinwire', title: '**Thinwire**', version: 'abc', bytes: UNTOUCHED },
]

function series(scenario: string, figure: string, unit: Unit, values: Record<string, number[]>): Series[] {
  return Object.entries(values).map(([contestant, of]) => ({
    scenario,
    figure,
    unit,
    contestant,
    values: of,
  }))
}

function comparison(given: Partial<Comparison>): Comparison {
  return {
    date: '2026-11-29',
    machine: { cpu: 'EPYC', cores: 2, pinning: 'pinned', node: 'v20.18.1', kernel: '6', commit: 'abc' },
    rounds: 3,
    rows: ROWS,
    series: [],
    failures: new Map(),
    skipped: new Map(),
    busy: null,
    ...given,
  }
}

test('the tables name date, machine, versions, figures, bytes and what is left out', () => {
  const lines = comparisonTables(
    comparison({
      series: [
        ...series('requests', 'cpu_per_request', 'us', {
          bare: [50, 52, 51],
          slow: [12_000, 12_500, 11_000],
          thinwire: [60, 61, 58],
        }),
        ...series('agent-prompt', 'first_byte_1m_p50', 'us', { bare: [2_200], thinwire: [2_400] }),
      ],
      failures: new Map([['slow', new Map([['agent-prompt', 'refused (413)']])]]),
      skipped: new Map([['Busbar', 'unpublished']]),
    }),
  )
  assert.equal(lines, [
    '2026-11-29, EPYC, 2 cores (pinned), Node v20.18.1; medians of 3 rounds.',
    '',
    '|  | version | CPU a request |',
    '| --- | --- | --- |',
    '| bare |  | 51 us |',
    '| Slow (Python) | 1.2.3 | 12 ms |',
    '| **Thinwire** | abc | 60 us |',
    '',
    'First byte with an agent’s prompt:',
    '',
    '|  | 1 MB, p50 |',
    '| --- | --- |',
    '| bare | 2.2 ms |',
    '| Slow (Python) | refused (413) |',
    '| **Thinwire** | 2.4 ms |',
    '',
    'What each does to the bytes:',
    '',
    '|  | prompt | stream | JSON response |',
    '| --- | --- | --- | --- |',
    '| Slow (Python) | rebuilt: adds user | rebuilt: drops comments | unchanged |',
    '| **Thinwire** | unchanged | unchanged | unchanged |',
    '',
    'Left out: Busbar (unpublished).',
    'No gateway here is better than Thinwire in CPU a request, chunk p99 or memory a stream.',
  ])
})

test('a gateway that is better is named, with both figures; a floor is no gateway', () => {
  const found = [
    ...series('peer-memory', 'rss_per_stream', 'KiB', { bare: [8], slow: [10], thinwire: [12] }),
    // No request was responded to in that round.
    ...series('requests', 'cpu_per_request', 'us', { slow: [Number.POSITIVE_INFINITY], thinwire: [60] }),
  ]
  assert.equal(better({ rows: ROWS, series: found }), [
    'Better than Thinwire: Slow (Python) in memory a stream, 10 KiB against 12 KiB.',
  ])
})

test('on a busy machine there is no verdict', () => {
  assert.is(
    comparisonTables(comparison({ busy: 'other programs took 30 % of a core' })).at(-1),
    'No verdict: other programs took 30 % of a core.',
  )
})

test('a failure is a word or two', () => {
  const words: readonly (readonly [string, string])[] = [
    ['slow: answered HTTP/1.1 413 Payload Too Large', 'refused (413)'],
    ['slow: 3 wrong answers, 0 failed', 'errors'],
    ['slow: 0 wrong answers, 16 failed', 'no response'],
    ['slow: 3 events came, of 50', 'events lost'],
    ['slow: the connection was closed', 'closed'],
    ['it never responded: loading', 'no response'],
    ['it ended at once: no such option', 'ended'],
    ['what else', 'failed'],
  ]
  for (const [message, word] of words) assert.is(wordOf(new Error(message)), word)
})

test.run()
