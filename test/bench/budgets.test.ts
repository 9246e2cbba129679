import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { judge, readBudgets } from '../../bench/budgets.js'
import type { Series } from '../../bench/results.js'
import { breaches, verdictTable } from '../../bench/table.js'

const BUDGET = {
  name: 'delay',
  what: 'chunk delay',
  scenario: 'chunks',
  figure: 'delay_p50',
  baseline: { contestant: 'nginx' },
  atMost: 1.25,
  goal: 1.25,
}

function series(contestant: string, values: number[], figure = 'delay_p50'): Series {
  return { scenario: 'chunks', figure, unit: 'us', contestant, values }
}

function budgetFile(...entries: unknown[]): string {
  const file = join(mkdtempSync(join(tmpdir(), 'thinwire-test-')), 'budgets.json')
  writeFileSync(file, JSON.stringify(entries))
  return file
}

test('a figure within its budget is held, and one beyond it is broken, by the ratio of medians', () => {
  const held = judge([BUDGET], [series('thinwire', [12, 10, 90]), series('nginx', [10, 10, 80])], {})
  assert.is(held[0]?.outcome, 'held')
  assert.is(held[0]?.ratio, 1.2)
  assert.equal(held[0]?.spread, [1, 1.2])
  const broken = judge([BUDGET], [series('thinwire', [13]), series('nginx', [10])], {})
  assert.is(broken[0]?.outcome, 'broken')
  assert.match(
    breaches(broken).join('\n'),
    /delay broken: delay_p50 is 13 us \(nginx: 10 us\), 1.3x, limit <= 1.25x/,
  )
})

test('a figure or a baseline that was not measured breaks its budget', () => {
  assert.is(judge([BUDGET], [series('nginx', [10])], {})[0]?.outcome, 'broken')
  assert.is(judge([BUDGET], [series('thinwire', [10])], {})[0]?.outcome, 'broken')
})

test('a baseline that could not be started skips its budget', () => {
  const verdicts = judge([BUDGET], [series('thinwire', [10])], { nginx: 'not installed' })
  assert.is(verdicts[0]?.outcome, 'skipped')
  assert.equal(breaches(verdicts), [])
})

test('a budget may set a least ratio, another figure as its baseline, or an absolute limit', () => {
  const { atMost: _, ...least } = { ...BUDGET, atLeast: 0.9, goal: 0.9 }
  const both = [series('thinwire', [80]), series('nginx', [100]), series('thinwire', [40], 'other')]
  assert.is(judge([least], both, {})[0]?.outcome, 'broken')
  const own = { ...BUDGET, baseline: { contestant: 'thinwire', figure: 'other' }, atMost: 3, goal: 3 }
  assert.is(judge([own], both, {})[0]?.ratio, 2)
  const absolute = { ...BUDGET, baseline: null, atMost: 70 }
  assert.is(judge([absolute], both, {})[0]?.outcome, 'broken')
})

test('a limit that is not the goal needs a note, and a budget needs one bound', () => {
  assert.throws(() => readBudgets(budgetFile({ ...BUDGET, atMost: 2 })), /needs a note/)
  assert.throws(() => readBudgets(budgetFile({ ...BUDGET, atMost: undefined })), /atMost or atLeast/)
  assert.throws(() => readBudgets(budgetFile({ ...BUDGET, atmost: 2 })))
  assert.is(readBudgets(budgetFile({ ...BUDGET, atMost: 2, note: 'as far as it goes' })).length, 1)
})

test('the budgets that are kept here are well-formed, and the table of them fits a terminal', () => {
  const budgets = readBudgets(new URL('../../../bench/budgets.json', import.meta.url))
  assert.ok(budgets.length >= 10)
  const wide = budgets.flatMap(({ scenario, figure, baseline }): Series[] => {
    const ours: Series = { scenario, figure, unit: 'us', contestant: 'thinwire', values: [23_456] }
    if (baseline === null) return [ours]
    return [
      ours,
      { ...ours, contestant: baseline.contestant, figure: baseline.figure ?? figure, values: [12_345] },
    ]
  })
  for (const taken of [[], wide]) {
    for (const line of verdictTable(judge(budgets, taken, {}))) assert.ok(line.length <= 80, line)
  }
})

test('on a busy machine the table gives no verdict', () => {
  const verdicts = judge([BUDGET], [series('thinwire', [30]), series('nginx', [10])], {})
  assert.match(verdictTable(verdicts, true)[1] ?? '', /3x +<= 1.25x +busy$/)
})

test('what is as good as it is meant to become is told from what is only within its limit', () => {
  const { atMost: _, ...least } = { ...BUDGET, atLeast: 0.5, goal: 0.9, note: 'as far as it goes' }
  const outcomes = [95, 80, 40].map((value) => {
    const verdicts = judge([least], [series('thinwire', [value]), series('nginx', [100])], {})
    return verdictTable(verdicts)[1]?.split(/\s+/).at(-1)
  })
  assert.equal(outcomes, ['goal', 'held', 'broken'])
})

test.run()
