import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findMost, sizingTable } from '../../bench/capacity.js'

const GOOD_US = 1_000
const BAD_US = 50_000

/** A relay that carries so much. */
const carries = (most: number) => (amount: number) => Promise.resolve(amount <= most ? GOOD_US : BAD_US)

test('the most that a core carries is found to a tenth', async () => {
  for (const most of [70, 100, 130, 999, 3_210]) {
    const found = await findMost(100, 8_000, carries(most))
    assert.ok(found <= most && found >= 0.88 * most, `${found} of ${most}`)
  }
})

test('more than is tried, and nothing, are found, too', async () => {
  assert.is(await findMost(100, 800, carries(10_000)), 800)
  assert.is(await findMost(100, 800, carries(0)), 0)
})

test('one bad trial is a pause of the machine', async () => {
  let trials = 0
  const found = await findMost(100, 200, (amount) => {
    trials++
    return trials === 2 ? Promise.resolve(BAD_US) : carries(5_000)(amount)
  })
  assert.is(found, 200)
})

test('the table says what one core carries, and where the client was the limit', () => {
  const of = (contestant: string, streams: number) => ({
    contestant,
    streams,
    requestsPerSecond: 2 * streams,
    streamCpuUs: 400,
    requestCpuUs: 80,
    held: 10_000,
    restBytes: 80 * 2 ** 20,
    heldBytes: 480 * 2 ** 20,
  })
  const lines = sizingTable([of('direct', 3_000), of('bare', 2_900), of('thinwire', 2_000)])
  assert.match(lines[1] ?? '', /chunk p99 < 10 ms +>= 2,900 +2,000$/)
  assert.match(lines[2] ?? '', /p99 < 10 ms +>= 5,800 +4,000$/)
  assert.match(lines.join('\n'), /^1,000 +0\.5 +0\.8 +120$/m)
})

test.run()
