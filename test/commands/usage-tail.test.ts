import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { appendText, recordOf } from '../support/ledger.js'
import { clear, open, type Place, runUsage, Thinwire } from '../support/thinwire.js'
import { until, wait } from '../support/until.js'

const test = suite<Place>('usage tail')

test.before.each(open)
test.after.each(clear)

const DAY = 'usage-2026-01-01.jsonl'

/** A tail that is known to follow: it has printed a record. Records of `w-ready` are not what a test is about. */
async function tailing(place: Place, ...args: string[]): Promise<Thinwire> {
  appendText(place, DAY, '')
  const tail = new Thinwire(place, ['usage', 'tail', ...args])
  for (let seq = 1; tail.out === ''; seq++) {
    assert.is(tail.code, null, tail.err)
    const fields = { writer: 'w-ready', seq, team: 'ready', user: 'ready', model: 'ready', status: 500 }
    appendText(place, DAY, recordOf(fields))
    await wait(50)
  }
  return tail
}

/** Lines of a tail that a test is about. */
function shown(tail: Thinwire): string[] {
  return tail.out.split('\n').filter((line) => line !== '' && !line.includes('ready'))
}

async function stopped(tail: Thinwire): Promise<void> {
  tail.child.kill('SIGINT')
  assert.is(await tail.ended(), 0)
  assert.is(tail.err, '')
}

test('records are printed as they are written, without colours outside of a terminal', async (place) => {
  const tail = await tailing(place)
  const used = { prompt_tokens: 1_234, completion_tokens: 56, ttft_ms: 250, total_ms: 1_800 }
  appendText(place, DAY, recordOf({ seq: 2, team: 'a', user: 'alice', model: 'gpt', ...used }))
  appendText(place, DAY, recordOf({ seq: 3, status: null, end: 'upstream_failed' }))
  appendText(
    place,
    DAY,
    recordOf({ seq: 4, stream_error: 'overloaded_error', cost_usd: 0.0123, tags: 'project=a' }),
  )
  await until(() => shown(tail).length === 3, 'three records')
  await stopped(tail)
  assert.equal(shown(tail), [
    '09:00:00 a/alice          gpt              200             1.2k/56 250ms  1.8s',
    '09:00:00 -                -                upstream_failed         -/-     -     -',
    '09:00:00 -                -                overloaded_error         -/-     -     -  $0.0123 project=a',
  ])
})

/** The models of what a tail that does not follow prints. */
async function last(place: Place, ...args: string[]): Promise<unknown[]> {
  const { code, out, err } = await runUsage(place, ['tail', '--no-follow', '--json', ...args])
  assert.is(err, '')
  assert.is(code, 0)
  return out
    .split('\n')
    .slice(0, -1)
    .map((line) => JSON.parse(line).model)
}

test('the last ten records come first, the oldest first, and then new ones', async (place) => {
  const before = Array.from({ length: 12 }, (_, i) => recordOf({ seq: i + 1, model: `m${i + 1}` }))
  appendText(place, DAY, before.join(''))
  const tail = new Thinwire(place, ['usage', 'tail', '--json'])
  const models = (): string[] => shown(tail).map((line) => JSON.parse(line).model)
  await until(() => models().length === 10, 'ten records')
  appendText(place, DAY, recordOf({ seq: 13, model: 'm13' }))
  await until(() => models().length === 11, 'the next')
  await stopped(tail)
  assert.equal(
    models(),
    Array.from({ length: 11 }, (_, i) => `m${i + 3}`),
  )
})

test('the last records come from as many files as needed, each record once', async (place) => {
  const record = (seq: number): string => recordOf({ seq, model: `m${seq}` })
  appendText(place, DAY, record(1) + record(2))
  appendText(place, 'usage-2026-01-01.2.jsonl', record(3))
  appendText(place, 'usage-2026-01-02.jsonl', `${record(3)}\n{"v":1,"seq":4,"wri\n${record(4)}{"v":1,"se`)
  assert.equal(await last(place, '--lines', '3'), ['m2', 'm3', 'm4'])
  assert.equal(await last(place, '-n', '1'), ['m4'])
  assert.equal(await last(place, '-n', '0'), [])
  assert.equal(await last(place), ['m1', 'm2', 'm3', 'm4'])
})

test('matching records may be far back', async (place) => {
  const records = Array.from({ length: 3_000 }, (_, i) =>
    recordOf({ seq: i + 1, model: `m${i + 1}`, team: i < 2_990 ? 'a' : 'b', user_agent: 'x'.repeat(100) }),
  )
  appendText(place, DAY, records.join(''))
  assert.equal(await last(place, '-n', '2', '--team', 'a'), ['m2989', 'm2990'])
  assert.equal(await last(place, '--team', 'nobody'), [])
})

test('errors are those that reports count, and filters have patterns, keys and tags', async (place) => {
  const records = [
    { model: 'gpt-5', key: 'k1', tags: 'project=a,ticket=7', team: 'web' },
    { model: 'gpt-5-mini', key: 'k2', stream_error: 'overloaded_error', team: 'web' },
    { model: 'claude', key: 'k1', tags: 'project=b', status: 500, team: 'data' },
    { model: 'old', end: 'upstream_cut', tags: 'ticket=7', team: 'data' },
  ]
  appendText(place, DAY, records.map((fields, i) => recordOf({ seq: i + 1, ...fields })).join(''))
  assert.equal(await last(place, '--errors'), ['gpt-5-mini', 'claude', 'old'])
  assert.equal(await last(place, '--model', 'gpt-*'), ['gpt-5', 'gpt-5-mini'])
  assert.equal(await last(place, '--model', 'old', '--model', 'claude'), ['claude', 'old'])
  assert.equal(await last(place, '--key', 'k1'), ['gpt-5', 'claude'])
  assert.equal(await last(place, '--tag', 'project=*'), ['gpt-5', 'claude'])
  assert.equal(await last(place, '--tag', 'project=a', '--tag', 'ticket=7'), ['gpt-5'])
  assert.equal(await last(place, '--tag', 'project=a', '--team', 'data'), [])
})

test('tail --no-follow without a ledger gets one line and exit code 2', async (place) => {
  mkdirSync(join(place.folder, 'data'))
  const { code, err } = await runUsage(place, ['tail', '--no-follow'])
  assert.is(code, 2)
  assert.match(err, /^thinwire usage: there is no usage-YYYY-MM-DD\.jsonl in .*\n$/)
})

test('tail follows numbered files, the next day, and two files at once', async (place) => {
  const tail = await tailing(place)
  const names = [
    'usage-2026-01-01.2.jsonl',
    'usage-2026-01-02.jsonl',
    DAY,
    'usage-2026-01-03.jsonl',
    'usage-2026-01-02.jsonl',
  ]
  for (const [i, name] of names.entries()) {
    appendText(place, name, recordOf({ seq: i + 1, model: `m${i}` }))
    await until(() => shown(tail).length === i + 1, `record ${i + 1}`)
    assert.match(shown(tail)[i] ?? '', new RegExp(` m${i} `))
  }
  await stopped(tail)
})

test('after a file is moved away or emptied, the next one is read from its start', async (place) => {
  const tail = await tailing(place)
  const path = join(place.folder, 'data', DAY)
  renameSync(path, `${path}.moved`)
  appendText(place, DAY, recordOf({ seq: 1, model: 'm1', user_agent: 'x'.repeat(100) }))
  await until(() => shown(tail).length === 1, 'a record of the next file')
  // What is shorter than before was emptied, whether or not it was looked at in between.
  writeFileSync(path, recordOf({ seq: 2, model: 'm2' }))
  await until(() => shown(tail).length === 2, 'a record of the emptied file')
  await stopped(tail)
})

test('torn lines are skipped, and a record that comes in parts or twice is printed once', async (place) => {
  const tail = await tailing(place, '--json')
  const [first, second] = [recordOf({ seq: 1, model: 'ü' }), recordOf({ seq: 2 })]
  appendText(place, DAY, `${first.slice(0, 40)}\n\n${first.slice(0, 60)}`)
  await wait(500)
  appendText(place, DAY, first.slice(60))
  await until(() => shown(tail).length === 1, 'a record in two pieces')
  appendText(place, 'usage-2026-01-02.jsonl', first + second)
  await until(() => shown(tail).length === 2, 'the next record')
  await stopped(tail)
  assert.equal(
    shown(tail).map((line) => `${line}\n`),
    [first, second],
  )
})

test('a line that is being written when tail starts is printed whole', async (place) => {
  const record = recordOf({ seq: 1, model: 'm1' })
  appendText(place, 'usage-2026-01-02.jsonl', recordOf({ seq: 7 }) + record.slice(0, 30))
  const tail = await tailing(place, '-n', '0')
  appendText(place, 'usage-2026-01-02.jsonl', record.slice(30))
  await until(() => shown(tail).length === 1, 'the record')
  assert.match(shown(tail)[0] ?? '', / m1 /)
  await stopped(tail)
})

test('only matching records are printed', async (place) => {
  const records = [
    { team: 'a', user: 'x', model: 'm' },
    { team: 'b', user: 'x', model: 'm', status: 429 },
    { team: 'a', user: 'y', model: 'n', end: 'upstream_cut' },
  ]
  const cases: [string[], number[]][] = [
    [['--team', 'a', '--errors'], [2]],
    [
      ['--user', 'x', '--model', 'm'],
      [0, 1],
    ],
    [['--user', 'a/x'], [0]],
  ]
  for (const [args, wanted] of cases) {
    rmSync(join(place.folder, 'data'), { recursive: true, force: true })
    appendText(place, DAY, '')
    const tail = new Thinwire(place, ['usage', 'tail', '--json', ...args])
    // All of them over and over, until it follows and has come to the last that is wanted.
    const seqs = (): number[] =>
      tail.out
        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line).seq % 3)
    for (let seq = 3; new Set(seqs()).size < wanted.length; seq += 3) {
      appendText(place, DAY, records.map((fields, i) => recordOf({ ...fields, seq: seq + i })).join(''))
      await wait(50)
    }
    await stopped(tail)
    assert.equal([...new Set(seqs())].sort(), wanted)
  }
})

test('tail ends with exit code 0 when its reader has gone', async (place) => {
  const tail = await tailing(place)
  tail.child.stdout?.destroy()
  for (let seq = 1; tail.code === null; seq++) {
    appendText(place, DAY, recordOf({ seq }))
    await wait(50)
  }
  assert.is(await tail.ended(), 0)
  assert.is(tail.err, '')
})

test('a missing folder gets one line and exit code 2', async (place) => {
  const { code, err } = await runUsage(place, ['tail', '--folder', 'nowhere'])
  assert.is(code, 2)
  assert.is(err, 'thinwire usage: nowhere cannot be read (ENOENT)\n')
})

test.run()
