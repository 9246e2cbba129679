import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readLedger } from '../support/ledger.js'
import { clear, open, type Place, run, runUsage, started, type Thinwire } from '../support/thinwire.js'
import { until, wait } from '../support/until.js'

const test = suite<Place>('usage')

test.before.each(open)
test.after.each(clear)

/** One whole answer of the demo. */
async function ask(thinwire: Thinwire, key: string): Promise<void> {
  const answer = await fetch(`${thinwire.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'demo', messages: [{ role: 'user', content: 'hi' }] }),
  })
  assert.is(answer.status, 200)
  await answer.text()
}

/** All the records in the ledger of a test. */
function records(place: Place): Record<string, unknown>[] {
  return readLedger(join(place.folder, 'data'))
}

/** A ledger with these records, by writer and number. */
function ledger(place: Place, name: string, found: readonly [string, number][], torn = ''): void {
  mkdirSync(join(place.folder, 'data'), { recursive: true })
  const lines = found.map(([writer, seq]) => `${JSON.stringify({ v: 1, seq, writer })}\n`)
  writeFileSync(join(place.folder, 'data', name), lines.join('') + torn)
}

test('a relay that ends loses no record, and the ledger is complete', async (place) => {
  const thinwire = await started(place)
  for (let i = 0; i < 20; i++) await ask(thinwire, thinwire.key)
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0)
  const found = records(place)
  assert.is(found.length, 20)
  assert.ok(found.every(({ end, usage_source }) => end === 'done' && usage_source === 'upstream'))
  const verified = await run(place, ['usage', 'verify'])
  assert.is(verified.code, 0)
  assert.match(verified.out, /\n20 records of 1 start of the relay, without a gap\n$/)
})

test('a second signal, which ends the relay at once, loses no record', async (place) => {
  // Long enough that nothing is written before.
  writeFileSync(join(place.folder, 'thinwire.json'), JSON.stringify({ ledger: { flushMs: 60_000 } }))
  const thinwire = await started(place)
  const { key } = thinwire
  for (let i = 0; i < 3; i++) await ask(thinwire, key)
  const open = await thinwire.client(place)
  const body = JSON.stringify({ model: 'demo', stream: true, messages: [{ role: 'user', content: 'hi' }] })
  open.send(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${key}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  await open.sees('data: ')
  await thinwire.drains('SIGINT', 1)
  await wait(800)
  thinwire.child.kill('SIGINT')
  await thinwire.ended()
  const found = records(place)
  assert.equal(
    found.map(({ seq }) => seq),
    [1, 2, 3, 4],
  )
  assert.ok(['shutdown', 'done'].includes(String(found[3]?.end)))
})

test('an uncaught error ends the relay and loses no record', async (place) => {
  writeFileSync(join(place.folder, 'thinwire.json'), JSON.stringify({ ledger: { flushMs: 60_000 } }))
  const fault = "process.on('SIGUSR2', () => { throw new Error('made up') })"
  const thinwire = await started(place, [], {
    NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(fault)}`,
  })
  for (let i = 0; i < 3; i++) await ask(thinwire, thinwire.key)
  thinwire.child.kill('SIGUSR2')
  assert.is(await thinwire.ended(), 1)
  assert.equal(
    records(place).map(({ seq }) => seq),
    [1, 2, 3],
  )
})

test('a killed relay loses at most the records of one flush, and the next start continues the file', async (place) => {
  const killed = await started(place)
  const { key } = killed
  for (let i = 0; i < 10; i++) await ask(killed, key)
  await until(() => records(place).length === 10, 'ten records on disk')
  await ask(killed, key)
  await killed.kill()
  const next = await started(place)
  await ask(next, key)
  next.child.kill('SIGTERM')
  assert.is(await next.ended(), 0)
  const found = records(place)
  assert.ok(found.length === 11 || found.length === 12, String(found.length))
  assert.is(new Set(found.map(({ writer }) => writer)).size, 2)
  const verified = await runUsage(place, ['verify'])
  assert.is(verified.code, 0)
  assert.match(verified.out, /records of 2 starts of the relay/)
})

test('two relays in one folder keep one ledger, each with its own sequence', async (place) => {
  const first = await started(place)
  const second = await started(place)
  for (let i = 0; i < 10; i++) await Promise.all([ask(first, first.key), ask(second, first.key)])
  for (const thinwire of [first, second]) {
    thinwire.child.kill('SIGTERM')
    assert.is(await thinwire.ended(), 0)
  }
  assert.is(records(place).length, 20)
  const verified = await runUsage(place, ['verify', '--json'])
  assert.is(verified.code, 0)
  const { files, gaps } = JSON.parse(verified.out)
  assert.is(files[0].torn, 0)
  assert.equal(gaps, [])
})

test('missing records are listed by their numbers within 80 columns, with exit code 1', async (place) => {
  ledger(place, 'usage-2026-01-01.jsonl', [
    ['w-aaaaaaaaaaaa', 1],
    ['w-aaaaaaaaaaaa', 2],
    ['w-aaaaaaaaaaaa', 2],
  ])
  ledger(place, 'usage-2026-01-02.jsonl', [['w-aaaaaaaaaaaa', 6]], '{"v":1,"seq":7,"wri')
  const { code, out } = await runUsage(place, ['verify'])
  assert.is(code, 1)
  assert.match(out, /usage-2026-01-01\.jsonl +2 +0 +1\n/)
  assert.match(out, /usage-2026-01-02\.jsonl +1 +1 +0\n/)
  assert.match(out, /\n3 records, 3 missing:\n {2}w-aaaaaaaaaaaa records 3 to 5\n$/)
  for (const line of out.split('\n')) assert.ok(line.length <= 80, line)
})

for (const [what, bytes] of [
  ['compressed', gzipSync('{"v":1,"seq":1,"writer":"w-1"}\n')],
  ['of another program', '{"time":1,"msg":"hello"}\n'],
  ['cut within its first line', '{"v":1,"seq":1,"wri'],
] as const)
  test(`a ledger file that is ${what} does not pass for a complete one`, async (place) => {
    mkdirSync(join(place.folder, 'data'))
    writeFileSync(join(place.folder, 'data', 'usage-2026-01-01.jsonl'), bytes)
    const { code, out } = await runUsage(place, ['verify'])
    assert.is(code, 1)
    assert.match(out, /\nno line of these files is a record\n$/)
  })

test('a name with a Unicode line separator does not tear its record', async (place) => {
  mkdirSync(join(place.folder, 'data'))
  const record = { v: 1, seq: 1, writer: 'w-aaaaaaaaaaaa', model: 'a\u2028b' }
  writeFileSync(join(place.folder, 'data', 'usage-2026-01-01.jsonl'), `${JSON.stringify(record)}\n`)
  const { code, out } = await runUsage(place, ['verify', '--json'])
  assert.is(code, 0)
  assert.is(JSON.parse(out).files[0].torn, 0)
})

test('a folder without a ledger gets one line and exit code 2', async (place) => {
  const missing = await runUsage(place, ['verify', '--folder', 'nowhere'])
  assert.is(missing.code, 2)
  assert.match(missing.err, /^thinwire usage: nowhere cannot be read \(ENOENT\)\n$/)
  mkdirSync(join(place.folder, 'data'))
  const empty = await runUsage(place, ['verify'])
  assert.is(empty.code, 2)
  assert.match(empty.err, /^thinwire usage: there is no usage-YYYY-MM-DD\.jsonl in .*\n$/)
  const odd = await runUsage(place, ['sum'])
  assert.is(odd.code, 2)
  assert.is(odd.err, 'thinwire usage: use report, tail, verify, rollup or import-direct (more: --help)\n')
})

test('no name in the ledger writes to the terminal', async (place) => {
  mkdirSync(join(place.folder, 'data'))
  const names = { model: 'm\u001b[2J', team: 't\n', user: 'u\u202e', end: 'e\u0007', tags: 'a=\u009b1m' }
  const record = { v: 1, seq: 1, writer: 'w-1', ts: '2026-01-01T\u001b[31m:00:00Z', ...names }
  writeFileSync(join(place.folder, 'data', 'usage-2026-01-01.jsonl'), `${JSON.stringify(record)}\n`)
  for (const command of [
    ['report', '--by', 'model,user,end'],
    ['report', '--by', 'tag:a'],
    ['tail', '--no-follow'],
  ]) {
    const { code, out } = await runUsage(place, command)
    assert.is(code, 0)
    assert.match(out, '?')
    assert.not.match(out, /[^\n\x20-\x7e]/)
  }
})

test('a folder or file that cannot be read is named, and no other folder hides it', async (place) => {
  const settings = { ledger: { folder: 'data', fallbackFolder: 'spare' } }
  writeFileSync(join(place.folder, 'thinwire.json'), JSON.stringify(settings))
  mkdirSync(join(place.folder, 'spare'))
  writeFileSync(join(place.folder, 'spare', 'usage-2026-01-01.jsonl'), '{"v":1,"seq":1,"writer":"w-1"}\n')
  const commands = [['report'], ['verify'], ['rollup']]
  // The fallback alone is all there is.
  for (const command of commands) assert.is((await runUsage(place, command)).code, 0, command[0])
  symlinkSync('data', join(place.folder, 'data'))
  for (const command of commands) {
    const { code, err } = await runUsage(place, command)
    assert.is(code, 2, command[0])
    assert.match(err, /^thinwire usage: .*\/data cannot be read \(ELOOP\)\n$/)
  }
  rmSync(join(place.folder, 'data'))
  mkdirSync(join(place.folder, 'data'))
  symlinkSync('nowhere', join(place.folder, 'data', 'usage-2026-01-02.jsonl'))
  for (const command of commands) {
    const { code, err } = await runUsage(place, command)
    assert.is(code, 2, command[0])
    assert.match(err, /\/data\/usage-2026-01-02\.jsonl cannot be read \(ENOENT\)\n$/)
  }
})

test('the help of each usage command fits 80 columns', async (place) => {
  for (const command of [[], ['report'], ['tail'], ['verify'], ['rollup'], ['import-direct']]) {
    const { code, out } = await runUsage(place, [...command, '--help'])
    assert.is(code, 0)
    assert.match(out, new RegExp(`usage ${command[0] ?? 'verify'}`))
    for (const line of out.split('\n')) assert.ok(line.length <= 80, line)
  }
})

test.run()
