import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
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

test('the table has columns for reasoning tokens and searches where there are some, within 80 columns', async (place) => {
  const used = { prompt_tokens: 1_200_000, cached_tokens: 900_000, completion_tokens: 5_000, cost_usd: 12.5 }
  append(place, FIRST, [
    { seq: 1, team: 'platform', ...used, reasoning_tokens: 4_000, ttft_ms: 250, overhead_us: 90 },
    { seq: 2, team: 'web', ...used, reasoning_tokens: null, ttft_ms: 250, overhead_us: 90 },
  ])
  assert.equal((await runUsage(place, [])).out.split('\n'), [
    '                       prompt        compl. reason    cost  ttft  ttft relay',
    'team       reqs errors tokens cached tokens tokens     USD   p50   p99   p99',
    'platform      1      0   1.2M   900k   5.0k   4.0k   12.50 250ms 250ms  90us',
    'web           1      0   1.2M   900k   5.0k      -   12.50 250ms 250ms  90us',
    'total         2      0   2.4M   1.8M  10.0k   4.0k   25.00 250ms 250ms  90us',
    '',
  ])
  append(place, FIRST, [{ seq: 3, team: 'data', ...used, searches: 7 }])
  assert.equal((await runUsage(place, [])).out.split('\n').slice(0, 3), [
    '                       prompt        compl. reason           cost  ttft  ttft',
    'team       reqs errors tokens cached tokens tokens search     USD   p50   p99',
    'data          1      0   1.2M   900k   5.0k      -      7   12.50     -     -',
  ])
})

const GROUPED: readonly Record<string, unknown>[] = [
  {
    seq: 1,
    team: 'a',
    user: 'x',
    model: 'gpt-5',
    ts: '2026-01-01T22:30:00.000Z',
    tags: 'project=p',
    cost_usd: 0.1,
  },
  {
    seq: 2,
    team: 'a',
    user: 'x',
    model: 'gpt-5',
    ts: '2026-01-01T23:30:00.000Z',
    tags: 'project=p,z=1',
    cost_usd: 0.2,
  },
  {
    seq: 3,
    team: 'a',
    user: 'y',
    model: 'claude',
    ts: '2026-01-31T23:30:00.000Z',
    cost_usd: 5,
    prompt_tokens: 9,
  },
  { seq: 4, team: 'b', user: 'x', model: 'gpt-5-mini', ts: '2026-01-31T23:30:00.000Z', tags: 'project=q' },
]

function appendGrouped(place: Place): void {
  append(place, FIRST, GROUPED.slice(0, 2))
  append(place, 'usage-2026-01-31.jsonl', GROUPED.slice(2))
}

/** The groups of a report as `name=requests`, with several names as `name/name=requests`. */
async function groupsOf(place: Place, ...args: string[]): Promise<string[]> {
  const { code, out, err } = await runUsage(place, ['--json', ...args])
  assert.is(code, 0, err)
  const { by, groups } = JSON.parse(out)
  const names = String(by).split(',')
  return groups.map(
    (group: Record<string, unknown>) =>
      `${names.map((name) => String(group[name])).join('/')}=${group.requests}`,
  )
}

test('requests are grouped by several dimensions, tags, and times of a zone', async (place) => {
  appendGrouped(place)
  for (const [args, groups] of [
    [
      ['--by', 'user,model'],
      ['a/x/gpt-5=2', 'a/y/claude=1', 'b/x/gpt-5-mini=1'],
    ],
    [
      ['--by', 'tag:project'],
      ['p=2', 'null=1', 'q=1'],
    ],
    [
      ['--by', 'tag:Z'],
      ['null=3', '1=1'],
    ],
    [
      ['--by', 'day'],
      ['2026-01-01=2', '2026-01-31=2'],
    ],
    [
      ['--by', 'day,team', '--timezone', 'Europe/Berlin'],
      ['2026-01-01/a=1', '2026-01-02/a=1', '2026-02-01/a=1', '2026-02-01/b=1'],
    ],
    [
      ['--by', 'month', '--timezone', 'Europe/Berlin'],
      ['2026-01=2', '2026-02=2'],
    ],
    [['--by', 'hour', '--timezone', 'Asia/Kolkata', '--team', 'b'], ['2026-02-01 05:00+05:30=1']],
  ] as const) {
    assert.equal(await groupsOf(place, ...args), [...groups], args.join(' '))
    assert.equal(await groupsOf(place, ...args, '--no-rollups'), [...groups], args.join(' '))
  }
})

test('a month and a range follow the zone, and filters have patterns', async (place) => {
  appendGrouped(place)
  for (const [args, groups] of [
    [
      ['--month', '2026-01'],
      ['a=3', 'b=1'],
    ],
    [['--month', '2026-01', '--timezone', 'Europe/Berlin'], ['a=2']],
    [
      ['--from', '2026-01-31', '--to', '2026-01-31'],
      ['a=1', 'b=1'],
    ],
    [['--from', '2026-01-02', '--to', '2026-01-03', '--timezone', 'Europe/Berlin'], ['a=1']],
    [['--from', '2026-01-02 00:15', '--timezone', 'Europe/Berlin', '--to', '2026-01-02 00:31'], ['a=1']],
    [
      ['--model', 'gpt-*'],
      ['a=2', 'b=1'],
    ],
    [
      ['--user', 'x'],
      ['a=2', 'b=1'],
    ],
    [['--user', 'a/*'], ['a=3']],
    [['--tag', 'project=*', '--team', 'b'], ['b=1']],
    [['--tag', 'project=p', '--tag', 'z=1'], ['a=1']],
    [['--key', 'k_*'], []],
  ] as const) {
    assert.equal(await groupsOf(place, ...args), [...groups], args.join(' '))
  }
})

test('groups are sorted by what is asked for, and those behind the top are one', async (place) => {
  appendGrouped(place)
  assert.equal(await groupsOf(place, '--by', 'model', '--sort', 'cost'), [
    'claude=1',
    'gpt-5=2',
    'gpt-5-mini=1',
  ])
  assert.equal(await groupsOf(place, '--by', 'model', '--sort', 'tokens'), [
    'claude=1',
    'gpt-5=2',
    'gpt-5-mini=1',
  ])
  assert.equal(await groupsOf(place, '--by', 'model', '--top', '1'), ['gpt-5=2', '(others)=2'])
  assert.equal(await groupsOf(place, '--by', 'model,user', '--top', '1'), ['gpt-5/a/x=2', '(others)/null=2'])
  assert.equal(await groupsOf(place, '--by', 'model', '--top', '3'), ['gpt-5=2', 'claude=1', 'gpt-5-mini=1'])
  assert.equal(await groupsOf(place, '--by', 'hour', '--team', 'a', '--top', '1', '--sort', 'cost'), [
    '2026-01-31 23:00=1',
    '(others)=2',
  ])
  assert.equal(await groupsOf(place, '--by', 'day,model', '--top', '1'), [
    '2026-01-01/gpt-5=2',
    '(others)/null=2',
  ])
  const { total } = JSON.parse((await runUsage(place, ['--json', '--top', '1'])).out)
  assert.is(total.requests, 4)
  assert.is(total.cost_usd, 5.3)
})

test('names of several dimensions stand in columns, or in a line of their own', async (place) => {
  append(place, FIRST, [
    { seq: 1, user: 'x', team: 'a', model: 'gpt-5', env: 'prod' },
    { seq: 2, user: 'x', team: 'a', model: 'claude-sonnet-5-20260801', env: 'dev' },
  ])
  assert.equal((await runUsage(place, ['--by', 'user,env'])).out.split('\n').slice(1, 4), [
    'user  env    reqs errors tokens cached tokens     USD   p50   p99   p99',
    'a/x   dev       1      0      -      -      -       -     -     -     -',
    'a/x   prod      1      0      -      -      -       -     -     -     -',
  ])
  // The last columns go where the names need their place.
  assert.equal((await runUsage(place, ['--by', 'user,model'])).out.split('\n').slice(1, 4), [
    'user  model                      reqs errors tokens cached tokens     USD   p99',
    'a/x   claude-sonnet-5-20260801      1      0      -      -      -       -     -',
    'a/x   gpt-5                         1      0      -      -      -       -     -',
  ])
  append(place, FIRST, [{ seq: 3, user: 'x', team: 'a', model: 'm'.repeat(60) }])
  const { out } = await runUsage(place, ['--by', 'user,model'])
  for (const line of out.split('\n')) assert.ok(line.length <= 80, line)
  assert.match(out, /\na\/x m{60}\n +1 /)
  assert.match(out, /\na\/x +gpt-5 +1 /)
  const csv = (await runUsage(place, ['--by', 'user,env', '--csv'])).out.split('\r\n')
  assert.match(csv[0] ?? '', /^user,env,requests,/)
  assert.ok(
    csv.some((row) => row.startsWith('a/x,dev,1,')),
    csv[1],
  )
})

test('rollups of days that are over are made in passing and by rollup, and compared by verify', async (place) => {
  append(place, FIRST, [{ seq: 1, team: 'a' }])
  append(place, SECOND, [{ seq: 2, team: 'a', ts: '2026-01-02T09:00:00.000Z' }])
  append(place, 'usage-2026-01-03.jsonl', [{ seq: 3, team: 'a', ts: '2026-01-03T09:00:00.000Z' }])
  const made = await runUsage(place, ['rollup'])
  assert.equal([made.code, made.out, made.err], [0, '3 made, 0 up to date\n', ''])
  assert.is((await runUsage(place, ['rollup'])).out, '0 made, 3 up to date\n')
  const path = join(place.folder, 'data', 'rollup-2026-01-02.jsonl')
  writeFileSync(path, readFileSync(path, 'utf8').replace('"a"', '"b"'))
  assert.equal(await groupsOf(place), ['a=2', 'b=1'])
  assert.equal(await groupsOf(place, '--no-rollups'), ['a=3'])
  const verified = await runUsage(place, ['verify'])
  assert.is(verified.code, 1)
  assert.match(verified.out, / {2}rollup-2026-01-02\.jsonl\n$/)
  append(place, SECOND, [{ seq: 4, team: 'a' }])
  assert.equal(await groupsOf(place), ['a=4'])
  assert.is((await runUsage(place, ['verify'])).code, 0)
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
      'overhead_us_p99,estimated,assumed_usd,direct\r\n"a ""b"", c",2,0,1234568,0,,,,0.3,0,,,,0,,0\r\n,1,0,,,,,,,0,,,,0,,0\r\n',
  )
})

test('what budgets assume for models without a price stands apart from the costs', async (place) => {
  const used = { prompt_tokens: 1_000, completion_tokens: 10 }
  const rows = [
    { seq: 1, team: 'a', ...used, cost_usd: 0.1 },
    { seq: 2, team: 'a', ...used, cost_usd: null, assumed_usd: 0.1 },
    { seq: 3, team: 'a', ...used, cost_usd: null, assumed_usd: 0.2 },
    // A record with both is none of ours: the cost counts.
    { seq: 4, team: 'a', ...used, cost_usd: 0.2, assumed_usd: 5 },
    { seq: 5, team: 'b', ...used, cost_usd: 0.5 },
  ]
  appendText(place, 'usage-2026-01-01.jsonl', rows.map(recordOf).join(''))
  for (const options of [[], ['--no-rollups'], []]) {
    const { out } = await runUsage(place, ['report', '--json', ...options])
    const { groups, total } = JSON.parse(out)
    assert.equal(
      groups.map((group: Record<string, unknown>) => [group.cost_usd, group.assumed_usd, group.unpriced]),
      [
        [0.3, 0.3, 2],
        [0.5, null, 0],
      ],
    )
    assert.is(total.cost_usd, 0.8)
    assert.is(total.assumed_usd, 0.3)
  }
  const { out } = await runUsage(place, ['report'])
  assert.match(out, /0\.30\+/)
  assert.match(out, '\n+ budgets assume 0.30 USD more for models without a price\n')
  const csv = (await runUsage(place, ['report', '--csv'])).out
  assert.match(csv, /,assumed_usd,direct\r\na,4,.*,0\.3,0\r\nb,1,.*,,0\r\n$/)
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
    csv.slice(0, 4).map((row) => row.split(',').at(-3)),
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
    .map((row) => row.replace(/,1,0,,,,,,,0,,,,0,,0$/, ''))
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
    [['--by', 'user,colour'], /^thinwire usage: --by takes one of: .*tag:NAME; or two: user,model\n$/],
    [['--by', 'user,user'], /^thinwire usage: --by has the same value twice\n$/],
    [['--by', 'user,model,team,day'], /^thinwire usage: --by takes at most 3 of its values\n$/],
    [['--by', 'tag:'], /^thinwire usage: --by takes one of: .*\n$/],
    [['--timezone', 'Berlin'], /^thinwire usage: --timezone takes a name .* Europe\/Berlin or UTC\n$/],
    [['--month', '2026-13'], /^thinwire usage: --month takes a month, such as 2026-01\n$/],
    [['--month', '2026-01', '--to', '7d'], /^thinwire usage: --month and --to exclude each other\n$/],
    [
      ['--from', '7d', '--since', '7d'],
      /^thinwire usage: --since and --from are the same: give one of them\n$/,
    ],
    [['--from', '2026-01-02', '--to', '2026-01-01'], /^thinwire usage: --from has to be before --to\n$/],
    [['--sort', 'name'], /^thinwire usage: --sort takes one of: cost, tokens, requests\n$/],
    [['--top', '0'], /^thinwire usage: --top takes a number of groups, from 1\n$/],
    [['--tag', 'project'], /^thinwire usage: --tag takes a name and a value, such as .*\n$/],
    [['tail', '--tag', '=a'], /^thinwire usage: --tag takes a name and a value, such as .*\n$/],
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
