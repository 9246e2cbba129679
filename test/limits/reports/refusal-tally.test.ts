import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { LimitRule } from '../../../src/config/limit-rules.js'
import { LimitClaim } from '../../../src/exchange/limit-ticket.js'
import type { LimitExcess } from '../../../src/limits/counters/store.js'
import { RefusalTally } from '../../../src/limits/reports/refusal-tally.js'
import { load } from '../../config/load.js'

interface Line {
  readonly fields: Readonly<Record<string, unknown>>
  readonly message: string
}

function rulesOf(...names: string[]): LimitRule[] {
  const rules = names.map((name) => ({
    name,
    per: 'user',
    concurrent: 1,
    requestsPerMinute: 1,
    observe: true,
  }))
  return [...load({ limits: { rules } }).limitRules.rules]
}

function excess(rule: LimitRule, kind: LimitExcess['kind'] = 'requests'): LimitExcess {
  return { rule, kind, budget: null, limit: 1, used: 1, retryMs: 1, resetsAt: null }
}

function open() {
  const lines: Line[] = []
  const tally = new RefusalTally({ info: (fields, message) => void lines.push({ fields, message }) })
  return { lines, tally }
}

const [RULE] = rulesOf('everyone') as [LimitRule]

test('a thousand observed refusals a minute are two lines, with their number', () => {
  const { tally, lines } = open()
  const claims = [new LimitClaim(RULE, 'team1/alice')]
  for (let n = 0; n < 1_000; n++) {
    tally.observe([excess(RULE)], claims, n * 59)
    tally.tick(n * 59)
  }
  assert.equal(lines, [
    {
      fields: { rule: 'everyone', owner: 'team1/alice', kind: 'requests', refused: 1 },
      message: 'rule everyone only observes: it would have refused a request of team1/alice (requests)',
    },
  ])
  tally.tick(59_999)
  assert.is(lines.length, 1)
  tally.tick(60_000)
  assert.equal(lines.slice(1), [
    {
      fields: { rule: 'everyone', owner: 'team1/alice', refused: 999 },
      message: 'rule everyone only observes: it would have refused 999 more requests of team1/alice',
    },
  ])
  tally.tick(120_000)
  assert.is(lines.length, 2, 'a minute without a refusal has no line')
  tally.observe([excess(RULE)], claims, 120_001)
  assert.is(lines.length, 3, 'the next one has a line at once')
})

test('between two lines of one rule and owner lies a minute, however refusals come', () => {
  const { tally, lines } = open()
  const claims = [new LimitClaim(RULE, 'team1/alice')]
  const loggedAt: number[] = []
  for (let now = 0; now < 600_000; now += 250) {
    const before = lines.length
    if (now % 40_000 < 15_000) tally.observe([excess(RULE)], claims, now)
    tally.tick(now)
    if (lines.length > before) loggedAt.push(now)
    assert.ok(lines.length <= before + 1)
  }
  for (const [i, at] of loggedAt.slice(1).entries()) assert.ok(at - (loggedAt[i] as number) >= 60_000)
  assert.ok(loggedAt.length >= 9)
  tally.flush(600_000)
  const refused = lines.reduce((sum, { fields }) => sum + Number(fields.refused), 0)
  assert.is(refused, 600 * 4 * (15 / 40), 'every refusal is in one line')
})

test('each rule and owner has lines of its own; a pool has no owner', () => {
  const { tally, lines } = open()
  const [a, b] = rulesOf('a', 'b') as [LimitRule, LimitRule]
  tally.observe([excess(a), excess(b)], [new LimitClaim(a, 'x/y'), new LimitClaim(b, '')], 0)
  assert.equal(
    lines.map(({ fields }) => [fields.rule, fields.owner]),
    [
      ['a', 'x/y'],
      ['b', null],
    ],
  )
})

test('a request that exceeds several amounts of one rule is counted once', () => {
  const { tally } = open()
  tally.observe([excess(RULE, 'concurrent'), excess(RULE, 'requests')], [new LimitClaim(RULE, '')], 0)
  assert.equal([...tally.list()], [{ rule: 'everyone', kind: 'concurrent', observed: true, count: 1 }])
})

test('owners beyond two hundred share a line a minute for each rule', () => {
  const { tally, lines } = open()
  for (let n = 0; n < 10_000; n++) tally.observe([excess(RULE)], [new LimitClaim(RULE, `team1/user${n}`)], 0)
  assert.is(lines.length, 200)
  tally.tick(60_000)
  assert.is(lines.length, 201)
  assert.equal(lines[200], {
    fields: { rule: 'everyone', owner: null, refused: 9_800 },
    message: 'rule everyone only observes: it would have refused 9800 more requests of other owners',
  })
  assert.equal([...tally.list()], [{ rule: 'everyone', kind: 'requests', observed: true, count: 10_000 }])
})

test('ten thousand rules of keys need no more lines and labels than a thousand', () => {
  const { tally, lines } = open()
  for (let n = 0; n < 10_000; n++) {
    const rule = { ...RULE, id: `id${n}`, name: `rule${n}` }
    tally.observe([excess(rule)], [new LimitClaim(rule, 'k_0123456789')], 0)
    tally.refuse({ ...rule, observe: false }, 'budget')
  }
  tally.flush(0)
  assert.is(lines.length, 401)
  const counts = [...tally.list()]
  assert.is(counts.length, 2 * 1_001)
  assert.is(
    counts.reduce((sum, { count }) => sum + count, 0),
    20_000,
  )
})

test('what was refused is counted by rule and kind, apart from what was only observed', () => {
  const { tally, lines } = open()
  const refusing = { ...RULE, observe: false }
  tally.refuse(refusing, 'budget')
  tally.refuse(refusing, 'budget')
  tally.refuse(refusing, 'model')
  tally.observe([excess(RULE, 'budget')], [], 0)
  assert.equal(
    [...tally.list()],
    [
      { rule: 'everyone', kind: 'budget', observed: false, count: 2 },
      { rule: 'everyone', kind: 'model', observed: false, count: 1 },
      { rule: 'everyone', kind: 'budget', observed: true, count: 1 },
    ],
  )
  assert.is(lines.length, 1, 'a refused request has a line of its own')
})

test.run()
