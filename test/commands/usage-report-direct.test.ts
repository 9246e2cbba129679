import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { appendText, recordOf } from '../support/ledger.js'
import { clear, open, type Place, runUsage } from '../support/thinwire.js'

const test = suite<Place>('usage report, direct traffic')

test.before.each(open)
test.after.each(clear)

test('requests that went directly to the provider are counted, and their unknown use is never 0', async (place) => {
  const direct = { upstream: 'direct', usage_source: 'none', import_id: '0'.repeat(32) }
  const records = [
    { seq: 1, team: 'a', upstream: 'openai', prompt_tokens: 10, completion_tokens: 2, cost_usd: 1 },
    { seq: 2, team: 'a', ...direct },
    { seq: 3, team: 'b', ...direct },
    { seq: 4, team: 'b', ...direct, status: 401, end: 'refused' },
    { seq: 5, team: 'c', upstream: 'direct', prompt_tokens: 1, completion_tokens: 1, cost_usd: 0.5 },
  ]
  appendText(place, 'usage-2026-01-01.jsonl', records.map(recordOf).join(''))
  for (const args of [['--no-rollups'], [], []]) {
    const { out } = await runUsage(place, args)
    assert.equal(out.split('\n').slice(2), [
      'a          2      0     10      -      2   1.00+     -     -     -',
      'b          2      1      -      -      -       -     -     -     -',
      'c          1      0      1      -      1    0.50     -     -     -',
      'total      5      1     11      -      3   1.50+     -     -     -',
      '',
      '+ 2 of 5 requests have no usage (direct): unknown tokens and cost',
      '',
    ])
    const { groups, total } = JSON.parse((await runUsage(place, [...args, '--json'])).out)
    assert.is(total.direct, 2)
    assert.equal(
      groups.map((group: Record<string, unknown>) => [group.direct, group.prompt_tokens, group.cost_usd]),
      [
        [1, 10, 1],
        [1, null, null],
        [0, 1, 0.5],
      ],
    )
    const csv = (await runUsage(place, [...args, '--csv'])).out
    assert.match(csv, /,direct\r\na,2,.*,1\r\nb,2,1,,,,,,,0,,,,0,,1\r\nc,1,.*,0\r\n$/)
  }
  const { out } = await runUsage(place, ['--by', 'user,upstream'])
  assert.match(out, /\n- +direct +4 /)
})

test.run()
