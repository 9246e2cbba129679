import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Outcome } from '../../src/exchange/outcome.js'
import type { RequestSummary } from '../../src/exchange/summary.js'
import { readEntry } from '../../src/ledger/read/entry.js'
import { formatRecord } from '../../src/ledger/record.js'
import { recordSchema } from '../../src/ledger/schema.js'
import { summarize } from '../support/ledger-disk.js'

const NAMES = ['assumed_usd', 'limit_rule', 'observed_rules', 'limit_reached']

function lineOf(set: (summary: RequestSummary, outcome: Outcome) => void): string {
  const summary = summarize()
  set(summary, summary.outcome as Outcome)
  const line = formatRecord(summary, 'w-1', 1, null)
  assert.is(recordSchema.safeParse(JSON.parse(line)).error, undefined)
  return line
}

test('a record without limits has none of their fields', () => {
  const line = lineOf(() => {})
  for (const name of NAMES) assert.not.match(line, name)
  assert.is(readEntry(line)?.assumed, null)
})

test('a record has what the limits did with the request, and the assumed amount to the nano-dollar', () => {
  const line = lineOf((summary, outcome) => {
    summary.assumedNano = 1_234_567
    summary.reachedLimits = 'team1-month month usd 80%, everyone day tokens 100%'
    outcome.limitRule = 'no-opus'
    outcome.observedRules = 'interns, everyone'
  })
  const fields = JSON.parse(line) as Record<string, unknown>
  assert.equal(
    NAMES.map((name) => fields[name]),
    [0.001_234_567, 'no-opus', 'interns, everyone', 'team1-month month usd 80%, everyone day tokens 100%'],
  )
  assert.is(fields.cost_usd, null)
  assert.match(line, '"assumed_usd":0.001234567,')
  const entry = readEntry(line)
  assert.is(entry?.assumed, 1_234_567)
  assert.is(entry?.cost, null)
})

test('an assumed amount is read as it was written, from none to a million dollars', () => {
  for (const nano of [0, 1, 999_999_999_999_999])
    assert.is(readEntry(lineOf((summary) => Object.assign(summary, { assumedNano: nano })))?.assumed, nano)
})

test('an assumed amount beside a cost, or one that is no amount, counts for nothing', () => {
  const read = (fields: string): unknown => readEntry(`{"writer":"w","seq":1,${fields}}`)?.assumed
  assert.is(read('"cost_usd":0,"assumed_usd":5'), null)
  assert.is(read('"cost_usd":0.1,"assumed_usd":5'), null)
  assert.is(read('"assumed_usd":-1'), null)
  assert.is(read('"assumed_usd":"5"'), null)
  assert.is(read('"cost_usd":null,"assumed_usd":5'), 5_000_000_000)
})

test.run()
