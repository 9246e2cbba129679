import { execFileSync, spawn } from 'node:child_process'
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readLedger, readLedgerAfterKills } from '../support/ledger.js'
import { clear, open, type Place, run, runUsage, started } from '../support/thinwire.js'
import { until } from '../support/until.js'

const test = suite<Place>('usage import-direct')

test.before.each(open)
test.after.each(clear)

/** A line of a front's log. */
function lineOf(fields: Readonly<Record<string, unknown>> = {}): string {
  return `${JSON.stringify({
    ...{ thinwire: 'direct', v: 1, time: Date.UTC(2026, 0, 1, 9) / 1_000, request_id: '' },
    ...{ key_id: 'k_1', env: 'prod', team: 'web', user: 'ann', model: 'gpt-5-mini', method: 'POST' },
    ...{ path: '/v1/chat/completions', status: '200', bytes_in: '84', bytes_out: '5000' },
    ...{
      duration: '1.250',
      first_byte: '0.004',
      client: '192.0.2.7',
      upstream: '192.0.2.1:443',
      ended: 'OK',
    },
    ...fields,
  })}\n`
}

/** A line with an id that no other one has. */
function uniqueLine(number: number, fields: Readonly<Record<string, unknown>> = {}): string {
  return lineOf({ request_id: String(number).padStart(32, '0'), ...fields })
}

const DAY_1 = Date.UTC(2026, 0, 1, 9) / 1_000
const DAY_2 = DAY_1 + 86_400
const REFUSED = { status: '401', upstream: '', first_byte: '', key_id: '', env: '', team: '', user: '' }

function write(place: Place, name: string, data: string | Buffer): string {
  const path = join(place.folder, name)
  writeFileSync(path, data)
  return path
}

function records(place: Place): Record<string, unknown>[] {
  return readLedger(join(place.folder, 'data'))
}

test('a log is imported once, and the result is said for each day', async (place) => {
  const log = write(
    place,
    'direct.log',
    lineOf() + lineOf() + lineOf({ time: DAY_2 }) + lineOf({ time: DAY_2, ...REFUSED }),
  )
  const first = await runUsage(place, ['import-direct', log])
  assert.is(first.code, 0)
  assert.is(first.err, '')
  assert.equal(first.out.split('\n'), [
    'day            imported      refused there before',
    '2026-01-01            2            0            0',
    '2026-01-02            2            1            0',
    'total                 4            1            0',
    '',
  ])
  const second = await runUsage(place, ['import-direct', log, log])
  assert.is(second.code, 0)
  assert.match(second.out, /\ntotal +0 +0 +8\n$/)
  const found = records(place)
  assert.is(found.length, 4)
  assert.ok(found.every(({ usage_source, upstream }) => usage_source === 'none' && upstream === 'direct'))
  assert.equal(
    found.map(({ end }) => end),
    ['done', 'done', 'done', 'refused'],
  )
  const verified = await runUsage(place, ['verify'])
  assert.is(verified.code, 0)
  assert.match(verified.out, /\n4 records of 2 imports of direct traffic, without a gap\n/)
})

test('--dry-run says what would be imported, and leaves the ledger as it is', async (place) => {
  const log = write(place, 'direct.log', lineOf() + lineOf({ time: DAY_2 }))
  const { code, out } = await runUsage(place, ['import-direct', '--dry-run', log])
  assert.is(code, 0)
  assert.match(out, /^day +to import +refused/)
  assert.match(out, /\ntotal +2 +0 +0\n$/)
  assert.not.ok(existsSync(join(place.folder, 'data')))
})

test('a rotated log that is compressed, and standard input, are logs too', async (place) => {
  const old = write(
    place,
    'direct.log.1.gz',
    Buffer.concat([gzipSync(uniqueLine(1)), gzipSync(uniqueLine(2))]),
  )
  const text = uniqueLine(2) + uniqueLine(3)
  assert.is((await runUsage(place, ['import-direct', write(place, 'direct.log', text), old])).code, 0)
  const child = spawn(process.execPath, [CLI, 'usage', 'import-direct', '-'], { cwd: place.folder })
  const ended = new Promise<number | null>((resolve) => child.on('exit', resolve))
  let out = ''
  child.stdout.on('data', (data) => {
    out += data
  })
  child.stdin.end(text + uniqueLine(4))
  assert.is(await ended, 0)
  assert.match(out, /\ntotal +1 +0 +2\n/)
  assert.is(records(place).length, 4)
})

const CLI = new URL('../../src/cli.js', import.meta.url).pathname

test('lines that cannot be read are counted and named, and the others are imported', async (place) => {
  const bad = 'junk\n'.repeat(7)
  const text = `${lineOf()}${bad}{"level":"info"}\n\n${lineOf({ time: DAY_2 })}{"thinwire":"dir`
  const log = write(place, 'direct.log', text)
  const { code, out, err } = await runUsage(place, ['import-direct', log])
  assert.is(code, 0)
  assert.match(out, /\ntotal +2 +0 +0\n1 line of other requests: not imported\n$/)
  assert.match(err, /direct.log: 7\s+lines\s+cannot\s+be\s+read:\n {2}line 2: it has no JSON object\n/)
  assert.match(err, /\n {2}line 6: .*\n {2}and 2 more\n/)
  assert.match(err, /the\s+last\s+line\s+has\s+no\s+end\s+yet/)
  for (const line of [...out.split('\n'), ...err.split('\n')])
    assert.ok(line.length <= 80 || line.includes(place.folder), line)
})

test('no long text of a client hides its request', async (place) => {
  // Caddy takes a query of 1 MiB, and writes each byte that is no UTF-8 in six.
  const query = '\\ufffd'.repeat(1_048_576)
  const caddy = JSON.stringify({
    ...{ ts: DAY_1, status: 200, size: 5, request: { method: 'POST', uri: '/v1/chat/completions?QUERY' } },
    resp_headers: { Date: ['x'], 'X-Thinwire-Direct': ['1'], 'X-Thinwire-Direct-Key': ['k_1:e:t:u'] },
  })
  const log = `${lineOf({ model: 'm'.repeat(2_000_000) })}${caddy.replace('QUERY', query)}\n${uniqueLine(1)}`
  const { code, out, err } = await runUsage(place, ['import-direct', write(place, 'direct.log', log)])
  assert.is(code, 0)
  assert.is(err, '')
  assert.match(out, /\ntotal +3 +0 +0\n/)
  assert.equal(
    records(place).map(({ route }) => route),
    Array(3).fill('/v1/chat/completions'),
  )
})

test('what is at fault is said, with an exit code as the other commands have it', async (place) => {
  const log = write(place, 'direct.log', lineOf())
  const pipe = join(place.folder, 'pipe')
  execFileSync('mkfifo', [pipe])
  const cases: readonly (readonly [readonly string[], number, RegExp])[] = [
    [[], 2, /import-direct needs the access log of a front/],
    [['-', '-'], 2, /standard input \(-\) can be read once/],
    [[join(place.folder, 'missing.log'), log], 2, /missing\.log cannot be read \(ENOENT\)/],
    [[place.folder], 2, /is a folder; name the files in it/],
    [[pipe], 2, /pipe is no file; name a log, or - to read standard input/],
    [['/dev/zero'], 2, /zero is no file/],
    [['--nonsense', log], 2, /nonsense/],
    [[write(place, 'junk', 'junk\njunk\n')], 1, /2\s+lines\s+cannot\s+be\s+read/],
    [
      [write(place, 'cut.gz', gzipSync(lineOf({ time: DAY_2 })).subarray(0, 60))],
      1,
      /cannot\s+be\s+read\s+to\s+its\s+end/,
    ],
    [[write(place, 'no.gz', 'plain')], 1, /cannot\s+be\s+read\s+to\s+its\s+end/],
  ]
  for (const [args, code, message] of cases) {
    const found = await runUsage(place, ['import-direct', ...args])
    assert.is(found.code, code, args.join(' '))
    assert.match(found.err, message)
  }
  assert.not.ok(existsSync(join(place.folder, 'data', 'usage-2026-01-01.jsonl')))
  const { code, err } = await runUsage(place, ['report', log])
  assert.is(code, 2)
  assert.match(err, /Unexpected argument/)
})

test('a ledger that cannot be written is said, and nothing is lost', async (place) => {
  const log = write(place, 'direct.log', lineOf())
  mkdirSync(join(place.folder, 'data', 'usage-2026-01-01.jsonl'), { recursive: true })
  const { code, err } = await runUsage(place, ['import-direct', log])
  assert.is(code, 2)
  assert.match(
    err,
    /usage-2026-01-01\.jsonl cannot be read or written \(EISDIR\)|data cannot be read or written \(EISDIR\)/,
  )
  assert.equal(readdirSync(join(place.folder, 'data')), ['usage-2026-01-01.jsonl'])
})

test('a rollup of an old day is made again after an import into it', async (place) => {
  const log = write(place, 'direct.log', uniqueLine(1))
  await runUsage(place, ['import-direct', log])
  const count = async (args: readonly string[] = []): Promise<number[]> => {
    const { total } = JSON.parse((await runUsage(place, ['--json', ...args])).out)
    return [total.requests, total.direct, total.prompt_tokens, total.cost_usd]
  }
  assert.equal(await count(), [1, 1, null, null])
  assert.ok(existsSync(join(place.folder, 'data', 'rollup-2026-01-01.jsonl')))
  appendFileSync(log, uniqueLine(2) + uniqueLine(3, REFUSED) + uniqueLine(4, { time: DAY_2 }))
  await runUsage(place, ['import-direct', log])
  for (const args of [[], [], ['--no-rollups']]) assert.equal(await count(args), [4, 3, null, null])
  assert.is((await runUsage(place, ['verify'])).code, 0)
})

test('files of other days may be removed after an import of many days, and nothing is missing', async (place) => {
  const days = Array.from({ length: 5 }, (_, day) => uniqueLine(day, { time: DAY_1 + day * 86_400 }))
  await runUsage(place, ['import-direct', write(place, 'direct.log', days.join(''))])
  for (const day of ['01', '02']) rmSync(join(place.folder, 'data', `usage-2026-01-${day}.jsonl`))
  const verified = await runUsage(place, ['verify'])
  assert.is(verified.code, 0, verified.out)
  // A file that loses its end is noticed.
  writeFileSync(join(place.folder, 'data', 'usage-2026-01-04.jsonl'), '')
  assert.is((await runUsage(place, ['verify'])).code, 1)
})

test('an import into a day whose file was removed long ago makes no gap in the records of relays', async (place) => {
  mkdirSync(join(place.folder, 'data'))
  const end = { v: 1, flush_ms: 20, records: 5, lost: 0, chain: null, found_by: null }
  const times = { started: '2026-01-02T08:00:00.000Z', ended: '2026-01-02T18:00:00.000Z' }
  writeFileSync(
    join(place.folder, 'data', 'starts.jsonl'),
    `${JSON.stringify({ ...end, writer: 'w-a', ...times })}\n`,
  )
  const record = { v: 1, id: 'x', seq: 1, writer: 'w-b', ts: '2026-01-05T09:00:00.000Z' }
  writeFileSync(join(place.folder, 'data', 'usage-2026-01-05.jsonl'), `${JSON.stringify(record)}\n`)
  assert.is((await runUsage(place, ['verify'])).code, 0)
  await runUsage(place, ['import-direct', write(place, 'direct.log', uniqueLine(1))])
  const verified = await runUsage(place, ['verify'])
  assert.is(verified.code, 0, verified.out)
  assert.match(
    verified.out,
    /2 records of 1 start of the relay and 1 import of direct traffic, without a gap/,
  )
})

test('imports at one time, beside a relay that is at work, record each request once', async (place) => {
  const thinwire = await started(place)
  const now = Math.floor(Date.now() / 1_000)
  const lines = Array.from({ length: 3_000 }, (_, i) => uniqueLine(i, { time: now - 3 * i * 60 }))
  const log = write(place, 'direct.log', lines.join(''))
  const half = write(place, 'half.log', lines.slice(1_000, 2_500).join(''))
  let asked = 0
  let isOver = false
  const asking = (async () => {
    while (!isOver) {
      const answer = await fetch(`${thinwire.url}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${thinwire.key}`, 'content-type': 'application/json' },
        body: JSON.stringify({ model: 'demo', messages: [{ role: 'user', content: 'hi' }] }),
      })
      await answer.text()
      asked++
    }
  })()
  try {
    const imports = await Promise.all(
      [[log], [half, log], [log, half]].map((names) => run(place, ['usage', 'import-direct', ...names])),
    )
    assert.equal(
      imports.map(({ code }) => code),
      [0, 0, 0],
      imports.map(({ err }) => err).join(''),
    )
  } finally {
    isOver = true
    await asking
  }
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0)
  const found = records(place)
  assert.is(found.filter(({ upstream }) => upstream === 'direct').length, 3_000)
  assert.is(found.filter(({ upstream }) => upstream !== 'direct').length, asked)
  const verified = await runUsage(place, ['verify'])
  assert.is(verified.code, 0, verified.out)
})

test('an import that is killed is completed by the next one', async (place) => {
  const lines = Array.from({ length: 30_000 }, (_, i) => uniqueLine(i))
  const log = write(place, 'direct.log', lines.join(''))
  const file = join(place.folder, 'data', 'usage-2026-01-01.jsonl')
  const child = spawn(process.execPath, [CLI, 'usage', 'import-direct', log], { cwd: place.folder })
  const ended = new Promise((resolve) => child.on('exit', resolve))
  try {
    await until(() => existsSync(file) && statSync(file).size > 1_000, 'the first records')
  } finally {
    child.kill('SIGKILL')
  }
  await ended
  // Whether a kill comes within a write is chance: here one always does.
  truncateSync(file, readFileSync(file).lastIndexOf('\n') - 40)
  const { code, out } = await runUsage(place, ['import-direct', log])
  assert.is(code, 0)
  assert.match(out, /\ntotal/)
  const whole = readLedgerAfterKills(join(place.folder, 'data'))
  assert.is(new Set(whole.map(({ id }) => id)).size, 30_000)
  assert.is(whole.length, 30_000)
  const verified = await runUsage(place, ['verify', '--json'])
  assert.is(verified.code, 0, verified.err)
  assert.is(JSON.parse(verified.out).files[0].torn, 1)
  assert.not.ok(readdirSync(join(place.folder, 'data')).some((name) => name.endsWith('.lock')))
})

test('budgets count nothing of direct traffic, and their check says how much that is', async (place) => {
  const rules = [{ name: 'everyone', per: 'key', usd: { month: 5 }, tokens: { month: 100_000 } }]
  writeFileSync(join(place.folder, 'thinwire.json'), JSON.stringify({ limits: { rules } }))
  const now = Math.floor(Date.now() / 1_000)
  const log = write(place, 'direct.log', uniqueLine(1, { time: now }) + uniqueLine(2, { time: now }))
  const first = await started(place)
  await first.logs('what was used of the budgets was read from the ledger')
  const ask = async (url: string): Promise<void> => {
    const answer = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${first.key}`, 'content-type': 'application/json' },
      body: JSON.stringify({ model: 'demo', messages: [{ role: 'user', content: 'hi' }] }),
    })
    assert.is(answer.status, 200, await answer.text())
  }
  await ask(first.url)
  assert.is((await runUsage(place, ['import-direct', log])).code, 0)
  first.child.kill('SIGTERM')
  assert.is(await first.ended(), 0)
  const check = await runUsage(place, ['verify', '--limits'])
  assert.is(check.code, 0, check.out + check.err)
  assert.match(check.out, /no drift/)
  assert.match(check.out, /Not counted: 2 requests without usage, which went directly to the provider\./)
  assert.not.match(check.out, /Other relays/)
  // A start restores its budgets from the ledger: with the same amounts, and without a problem.
  const second = await started(place)
  await second.logs('what was used of the budgets was read from the ledger')
  await ask(second.url)
  second.child.kill('SIGTERM')
  assert.is(await second.ended(), 0)
  const again = await runUsage(place, ['verify', '--limits', '--json'])
  assert.is(again.code, 0, again.out + again.err)
  assert.is(JSON.parse(again.out).direct, 2)
})

test.run()
