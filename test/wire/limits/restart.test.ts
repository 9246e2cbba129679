import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Snapshot } from '../../../src/limits/snapshot/snapshot-file.js'
import {
  BUDGETS,
  checkCommand,
  checkCounters,
  checkReplay,
  untilCounters,
} from '../../support/books/budgets.js'
import { chat, chatting, data, records, UPSTREAM_KEY, untilJournaled } from '../../support/crashes.js'
import { clear, open, type Place, started } from '../../support/thinwire.js'

const test = suite<Place>('restart')

test.before.each(open)
test.after.each(clear)

const heldOf = ({ states }: Snapshot): number => states.reduce((sum, { held }) => sum + held, 0)

const placesOf = ({ states }: Snapshot): number =>
  states.reduce((sum, { kind, used }) => (kind === 'concurrent' ? sum + Number(used) : sum), 0)

test('after kills with requests under way, the counters are what the ledger says, and nothing is held', async (place) => {
  const { thinwire: first, last } = await chatting(place, { limits: BUDGETS })
  let thinwire = first
  let open = 0
  for (let life = 0; life < 3; life++) {
    for (let i = 0; i < 4; i++) await chat(place, thinwire)
    open += 4
    const { pid } = thinwire.child
    const busy = await untilCounters(
      data(place),
      pid,
      (one) => one.restored && placesOf(one) === 4,
      'the requests',
    )
    assert.ok(heldOf(busy) > 0)
    await untilJournaled(place, 4)
    await thinwire.kill()
    thinwire = await started(place, [], { UPSTREAM_KEY })
    const isSo = (one: Snapshot): boolean =>
      one.restored && records(place).length === open && heldOf(one) === 0
    await untilCounters(data(place), thinwire.child.pid, isSo, 'the records of the killed start')
  }
  last.open()
  await thinwire.drains('SIGTERM', 0)
  assert.is(await thinwire.ended(), 0)
  const end = await untilCounters(data(place), thinwire.child.pid, ({ ended }) => ended, 'the last counters')
  const { counters, records: count } = checkCounters(data(place), end)
  assert.is(count, 12)
  // A model without a price is not free, also when the relay is killed.
  for (const { end, cost_usd, assumed_usd } of records(place)) {
    assert.is(end, 'crashed')
    assert.is(cost_usd, null)
    assert.ok(Number(assumed_usd) > 0)
  }
  assert.ok(counters >= 12)
  await checkReplay(data(place), end)
  await checkCommand(place)
})

test('a relay that takes the place of another one counts what that one still records', async (place) => {
  const { thinwire: first, last } = await chatting(place, { limits: BUDGETS })
  for (let i = 0; i < 3; i++) await chat(place, first)
  const second = await started(place, [], { UPSTREAM_KEY })
  await chat(place, second)
  await second.logs('what was used of the budgets was read from the ledger')
  await first.drains('SIGTERM', 3)
  last.open()
  assert.is(await first.ended(), 0)
  const { pid } = second.child
  const isSo = (one: Snapshot): boolean => {
    const used = one.states.find(
      ({ rule, budget }) => rule.name === 'everyone' && budget?.unit === 'tokens',
    )?.used
    const tokens = (record: Record<string, unknown>): number =>
      Number(record.prompt_tokens) + Number(record.completion_tokens)
    const found = records(place)
    return found.length === 4 && used === found.reduce((sum, record) => sum + tokens(record), 0)
  }
  const counters = await untilCounters(data(place), pid, isSo, 'the records of the first relay')
  checkCounters(data(place), counters)
  await checkReplay(data(place), counters)
  await checkCommand(place)
})

test.run()
