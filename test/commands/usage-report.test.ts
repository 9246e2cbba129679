import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { appendText, recordOf } from '../support/ledger.js'
import { clear, open, type Place, run, runUsage } from '../support/thinwire.js'

const test = suite<Place>('usage report')

test.before.each(open)
test.after.each(clear)

/** Appends records with these fields to a file of the ledger. */
function append(place: Place, name: string, records: readonly Record<string, unknown>[]): void {
  appendText(place, name, records.map(recordOf).join(''))
}

const FIRST = 'usage-2026-01-01.jsonl'
const SECOND = 'usage-2026-01-02.jsonl'

test('the table has the usage of each team and the total', async (place) => {
  const used = { prompt_tokens: 1_200_000, completion_tokens: 500, ttft_ms: 250, overhead_us: 90 }
  append(place, FIRST, [
    { seq: 1, team: 'a', ...used, cached_tokens: 0, cost_usd: 1.5 },
    { seq: 2, team: 'a', ...used, cost_usd: null },
    { seq: 3, team: 'b', status: 429 },
  ])
  const { code, out, err } = await run(place, ['usage'])
  assert.is(code, 0)
  assert.is(err, '')
  assert.equal(out.split('\n'), [
    '                    prompt        compl.    cost  ttft  ttft relay',
    'team    reqs errors tokens cached tokens     USD   p50   p99   p99',
    'a          2      0   2.4M      0   1.0k   1.50+ 250ms 250ms  90us',
    'b          1      1      -      -      -       -     -     -     -',
    'total      3      1   2.4M      0   1.0k   1.50+ 250ms 250ms  90us',
    '',
  ])
  assert.is((await runUsage(place, ['report'])).out, out)
})

test('the table fits 80 columns with any names and numbers', async (place) => {
  const most = Number.MAX_SAFE_INTEGER
  const huge = {
    prompt_tokens: most,
    cached_tokens: most,
    completion_tokens: most,
    cost_usd: 999.99,
    ttft_ms: most,
    overhead_us: most,
  }
  append(place, FIRST, [
    { seq: 1, team: 't'.repeat(32), user: 'u'.repeat(32), model: 'm'.repeat(200), ...huge },
    { seq: 2, team: 't'.repeat(32), user: 'u'.repeat(32), model: 'm'.repeat(200), prompt_tokens: 1 },
    { seq: 3, team: 'a', user: 'b', model: 'c', ...huge },
  ])
  for (const by of ['team', 'user', 'key', 'model', 'day', 'upstream', 'end']) {
    const { code, out } = await runUsage(place, ['--by', by])
    assert.is(code, 0)
    for (const line of out.split('\n')) assert.ok(line.length <= 80, line)
  }
  const { out } = await runUsage(place, ['--by', 'user'])
  assert.match(out, /\nt{32}\/u{32}\n +2 /)
})

test('duplicate records are counted once, and torn lines are reported', async (place) => {
  append(place, FIRST, [{ seq: 1 }, { seq: 2 }, { seq: 2 }])
  appendText(place, FIRST, '{"v":1,"seq":3,"wri\n\n')
  append(place, SECOND, [{ seq: 2 }, { seq: 3, writer: 'w-2' }])
  const { code, out } = await runUsage(place, ['--json'])
  assert.is(code, 0)
  const { total, torn, duplicates } = JSON.parse(out)
  assert.is(total.requests, 3)
  assert.is(duplicates, 2)
  assert.is(torn, 1)
  assert.is((await runUsage(place, [])).err, '1 torn line is not counted\n')
})

test('json and csv have exact numbers, and unknown is not zero', async (place) => {
  append(place, FIRST, [
    { seq: 1, model: 'a "b", c', prompt_tokens: 1_234_567, cached_tokens: 0, cost_usd: 0.1 },
    { seq: 2, model: 'a "b", c', prompt_tokens: 1, cost_usd: 0.2 },
    { seq: 3, model: null },
  ])
  const json = JSON.parse((await runUsage(place, ['--by', 'model', '--json'])).out)
  assert.is(json.by, 'model')
  assert.is(json.since, null)
  assert.is(json.groups[0].model, 'a "b", c')
  assert.is(json.groups[0].prompt_tokens, 1_234_568)
  assert.is(json.groups[0].cost_usd, 0.3)
  assert.is(json.groups[1].model, null)
  assert.is(json.groups[1].prompt_tokens, null)
  assert.is(json.total.requests, 3)
  const csv = await runUsage(place, ['--by', 'model', '--csv'])
  assert.is(
    csv.out,
    'model,requests,errors,prompt_tokens,cached_tokens,completion_tokens,reasoning_tokens,searches,cost_usd,unpriced,ttft_ms_p50,ttft_ms_p99,' +
      'overhead_us_p99,estimated\r\n"a ""b"", c",2,0,1234568,0,,,,0.3,0,,,,0\r\n,1,0,,,,,,,0,,,,0\r\n',
  )
})

test('sums with estimated tokens are marked, with the number of these requests', async (place) => {
  const used = { prompt_tokens: 1_200, completion_tokens: 34 }
  append(place, FIRST, [
    { seq: 1, team: 'a', ...used, usage_source: 'estimated' },
    { seq: 2, team: 'a', ...used, usage_source: 'upstream' },
    { seq: 3, team: 'b', ...used, usage_source: 'upstream' },
    { seq: 4, team: 'c', usage_source: 'none' },
  ])
  const { out, err } = await runUsage(place, [])
  assert.is(err, '')
  assert.equal(out.split('\n').slice(2), [
    'a          2      0  ~2.4k      -    ~68       -     -     -     -',
    'b          1      0   1.2k      -     34       -     -     -     -',
    'c          1      0      -      -      -       -     -     -     -',
    'total      4      0  ~3.6k      -   ~102       -     -     -     -',
    '',
    '~ 1 of 4 requests have estimated tokens',
    '',
  ])
  const { groups, total } = JSON.parse((await runUsage(place, ['--json'])).out)
  assert.is(total.estimated, 1)
  assert.equal(
    groups.map((group: Record<string, unknown>) => group.estimated),
    [1, 0, 0],
  )
  const csv = (await runUsage(place, ['--csv'])).out.split('\r\n')
  assert.equal(
    csv.slice(0, 4).map((row) => row.split(',').at(-1)),
    ['estimated', '1', '0', '0'],
  )
})

test('a model name that looks like a formula is not run by a spreadsheet', async (place) => {
  const names = ['=1+2', '+1', '-1', '@SUM(A1)', '\t=1', '\uff1d1', '=a"b', 'a;=1', 'gpt-4=x']
  append(
    place,
    FIRST,
    names.map((model, i) => ({ seq: i + 1, model })),
  )
  const { out } = await runUsage(place, ['--by', 'model', '--csv'])
  const cells = out
    .split('\r\n')
    .slice(1, -1)
    .map((row) => row.replace(/,1,0,,,,,,,0,,,,0$/, ''))
  assert.equal(
    cells.sort(),
    ["'=1+2", "'+1", "'-1", "'@SUM(A1)", '"\'\t=1"', "'\uff1d1", '"\'=a""b"', '"a;=1"', 'gpt-4=x'].sort(),
  )
})

test('a period has all requests of its time, from every file', async (place) => {
  append(place, FIRST, [{ seq: 1 }, { seq: 2, ts: '2026-01-01T23:00:00.000Z' }])
  append(place, SECOND, [
    { seq: 3, ts: '2026-01-01T23:30:00.000Z' },
    { seq: 4, ts: '2026-01-02T00:00:00.000Z' },
  ])
  append(place, 'usage-2026-01-09.jsonl', [{ seq: 5, ts: '2026-01-02T10:00:00.000Z' }])
  const requests = async (...args: string[]): Promise<number> =>
    JSON.parse((await runUsage(place, ['--json', ...args])).out).total.requests
  assert.is(await requests('--since', '2026-01-02'), 2)
  assert.is(await requests('--until', '2026-01-01'), 3)
  assert.is(await requests('--since', '2026-01-01T23:00Z', '--until', '2026-01-02T00:00Z'), 2)
  assert.is(await requests('--since', '7d'), 0)
})

test('wrong options get one line and exit code 2', async (place) => {
  for (const [args, told] of [
    [['--by', 'colour'], /^thinwire usage: --by takes one of: team, user, .*\n$/],
    [['--since', 'soon'], /^thinwire usage: --since takes a day .*\n$/],
    [['--until', '2026-02-30'], /^thinwire usage: --until takes a day .*\n$/],
    [
      ['--since', '2026-01-02', '--until', '2026-01-01'],
      /^thinwire usage: --since has to be before --until\n$/,
    ],
    [['tail', '-n', '-1'], /^thinwire usage: .*\n$/],
    [['tail', '--lines', '100001'], /^thinwire usage: --lines takes a number from 0 to 100000\n$/],
    [['--json', '--csv'], /^thinwire usage: --json and --csv exclude each other\n$/],
    [['--colour'], /^thinwire usage: Unknown option '--colour'.*\n$/],
    [['report', 'twice'], /^thinwire usage: Unexpected argument 'twice'.*\n$/],
  ] as const) {
    const { code, out, err } = await runUsage(place, [...args])
    assert.is(code, 2)
    assert.is(out, '')
    assert.match(err, told)
  }
})

test.run()
