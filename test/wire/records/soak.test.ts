import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { listLedgerNames } from '../../../src/ledger/files.js'
import { randomFrom, SEED } from '../../support/random.js'
import { clear, open, type Place, runUsage, started, type Thinwire } from '../../support/thinwire.js'
import { ENDLESS, type Sent, Traffic } from '../../support/traffic.js'
import { wait } from '../../support/until.js'
import { ScriptedUpstream } from '../../support/upstream.js'

/**
 * To run it longer or to replay a run:
 * `SOAK_SECONDS=600 TEST_SEED=7 node dist/test/wire/records/soak.test.js`
 */
const SECONDS = Number(process.env.SOAK_SECONDS ?? 6)

const CLIENTS = 12

/** A request that ended this long ago is in the file: the relay writes after 20 ms, and a busy machine later. */
const WRITTEN_MS = 520

/** A second signal that follows sooner counts as a repetition of the first. */
const SECOND_SIGNAL_MS = 900

const ENDINGS = ['SIGTERM', 'SIGTERM twice', 'SIGKILL'] as const

/** One run of the relay. */
interface Life {
  readonly ending: (typeof ENDINGS)[number]
  /** Its name in the ledger; null if it wrote nothing. */
  writer: string | null
  /** For SIGKILL: when the relay was killed, and how many records `/readyz` had reported as written. */
  killedAt: number
  written: number
}

type Json = Readonly<Record<string, unknown>>

const test = suite<Place>('soak')

test.before.each(open)
test.after.each(clear)

async function writtenBy(thinwire: Thinwire): Promise<number> {
  const answer = await fetch(`${thinwire.url}/readyz`)
  return ((await answer.json()) as { ledger: { written: number } }).ledger.written
}

/** Runs a relay under traffic and ends it while the traffic goes on. @returns the clients' key */
async function live(place: Place, traffic: Traffic, life: Life, n: number, ms: number, known: string) {
  const thinwire = await started(place)
  const key = known === '' ? thinwire.key : known
  const { port } = thinwire
  let goesOn = true
  const clients = Array.from({ length: CLIENTS }, () => traffic.keepSending(port, key, n, () => goesOn))
  // These two streams stay open until the relay ends.
  const held = await Promise.all([traffic.hold(port, key, n), traffic.hold(port, key, n)])
  await wait(ms)
  switch (life.ending) {
    case 'SIGTERM':
      thinwire.child.kill('SIGTERM')
      assert.is(await thinwire.ended(), 0, thinwire.err)
      break
    case 'SIGTERM twice':
      thinwire.child.kill('SIGTERM')
      await wait(SECOND_SIGNAL_MS)
      assert.is(thinwire.code, null, 'it did not wait for the open streams')
      thinwire.child.kill('SIGTERM')
      assert.is(await thinwire.ended(), 143, thinwire.err)
      break
    case 'SIGKILL':
      life.written = await writtenBy(thinwire)
      life.killedAt = performance.now()
      thinwire.child.kill('SIGKILL')
      await thinwire.ended()
      assert.is(thinwire.signal, 'SIGKILL')
  }
  goesOn = false
  await Promise.all([...clients, ...held.map(({ over }) => over)])
  assert.not.match(thinwire.out, 'the ledger cannot be written')
  assert.not.match(thinwire.out, 'could not be written')
  assert.not.match(thinwire.out, '"end":"crashed"')
  return key
}

/** @returns all records without repetitions, and how many repetitions each writer has */
function readLedger(place: Place): { records: Json[]; twice: Map<string, number> } {
  const folder = join(place.folder, 'data')
  const records = new Map<string, Json>()
  const twice = new Map<string, number>()
  for (const { name } of listLedgerNames(readdirSync(folder))) {
    for (const line of readFileSync(join(folder, name), 'utf8').split('\n')) {
      const record = parse(line)
      if (record === null) continue
      const id = `${record.writer} ${record.seq}`
      if (records.has(id)) twice.set(String(record.writer), (twice.get(String(record.writer)) ?? 0) + 1)
      records.set(id, record)
    }
  }
  return { records: [...records.values()], twice }
}

/** @returns null for a line that a kill has torn; `usage verify` counts these */
function parse(line: string): Json | null {
  try {
    return JSON.parse(line) as Json
  } catch {
    return null
  }
}

/** Whether the ledger must have a record of this request. */
function mustBeThere(sent: Sent, life: Life): boolean {
  // The relay may not have seen a request whose client left early.
  if (!sent.reached && !sent.answered) return false
  return life.ending !== 'SIGKILL' || (sent.endedAt > 0 && sent.endedAt < life.killedAt - WRITTEN_MS)
}

function checkRecord(record: Json, sent: Sent, life: Life): void {
  const what = `${JSON.stringify(sent)} has the record ${JSON.stringify(record)}`
  if (sent.status === 200) assert.is(record.end, 'done', what)
  if (sent.status === 401) assert.is(record.end, 'refused', what)
  if (sent.status !== null) assert.is(record.status, sent.status, what)
  if (ENDLESS.has(sent.kind)) assert.is.not(record.end, 'done', what)
  if (record.end !== 'done' || sent.prompt === null) return
  // After a second signal the relay does not wait for the thread that decompresses.
  if (sent.kind === 'gzip' && life.ending === 'SIGTERM twice') return
  assert.is(record.prompt_tokens, sent.prompt, what)
  assert.is(record.completion_tokens, sent.completion, what)
  assert.is(record.usage_source, 'upstream', what)
}

const sum = (values: readonly unknown[]): number =>
  values.reduce<number>((all, value) => all + Number(value ?? 0), 0)

test('the ledger has one record for each request, over relays that are ended by signals and kills', async (place) => {
  const random = randomFrom(SEED)
  const traffic = new Traffic(SEED)
  const upstream = await ScriptedUpstream.start(traffic.script)
  place.upstreams.push(upstream)
  const lives: Life[] = []
  let key = ''
  const first = Math.floor(random() * ENDINGS.length)
  const deadline = performance.now() + SECONDS * 1_000
  for (let n = 0; n < ENDINGS.length || performance.now() < deadline; n++) {
    const ending = ENDINGS[(first + n) % ENDINGS.length] ?? 'SIGTERM'
    const settings = {
      upstreams: { up: { baseUrl: upstream.url, warm: false } },
      timeouts: { drainMs: ending === 'SIGTERM' ? 300 : 20_000 },
      // Small enough for several files in each life.
      ledger: { rotateBytes: 64 * 1024 },
    }
    writeFileSync(join(place.folder, 'thinwire.json'), JSON.stringify(settings))
    const life: Life = { ending, writer: null, killedAt: 0, written: 0 }
    lives.push(life)
    key = await live(place, traffic, life, n, 700 + random() * 700, key)
  }

  const { records, twice } = readLedger(place)
  const byTrace = new Map<string, Json>()
  for (const record of records) {
    const trace = String(record.trace_id)
    const sent = traffic.sent.get(trace)
    assert.ok(sent !== undefined, `nobody has sent ${JSON.stringify(record)}`)
    const other = byTrace.get(trace)
    assert.is(other, undefined, `two records of one request: ${JSON.stringify([other, record])}`)
    byTrace.set(trace, record)
    const life = lives[sent.life] as Life
    if (record.recovered_from !== undefined) {
      // The next life has written it.
      assert.is(life.ending, 'SIGKILL')
      assert.is(record.end, 'crashed')
      life.writer ??= String(record.recovered_from)
      assert.is(record.recovered_from, life.writer)
      continue
    }
    life.writer ??= String(record.writer)
    assert.is(record.writer, life.writer)
    checkRecord(record, sent, life)
  }
  const told = { prompt: 0, completion: 0 }
  let notSeen = 0
  let killed = 0
  for (const sent of traffic.sent.values()) {
    const life = lives[sent.life] as Life
    const record = byTrace.get(sent.trace)
    if (mustBeThere(sent, life)) {
      assert.ok(record, `${life.ending} ${life.killedAt}: no record of ${JSON.stringify(sent)}`)
    }
    if (record === undefined) {
      if (sent.reached || sent.answered) killed++
      else notSeen++
    }
    if (record?.end !== 'done' || record.usage_source !== 'upstream') continue
    told.prompt += sent.prompt ?? 0
    told.completion += sent.completion ?? 0
  }
  const counted = records.filter(({ end, usage_source }) => end === 'done' && usage_source === 'upstream')
  assert.is(sum(counted.map(({ prompt_tokens }) => prompt_tokens)), told.prompt)
  assert.is(sum(counted.map(({ completion_tokens }) => completion_tokens)), told.completion)
  for (const { ending, writer, written } of lives) {
    const count = records.filter((record) => record.writer === writer).length
    assert.ok(count >= written, `${written} records were written, and ${count} are there`)
    // A batch that is being written when a second signal comes is written again.
    if (ending !== 'SIGTERM twice') assert.is(twice.get(String(writer)) ?? 0, 0, `${ending}: records twice`)
  }

  const verified = await runUsage(place, ['verify', '--json'])
  assert.is(verified.code, 0, verified.out + verified.err)
  const { files, gaps } = JSON.parse(verified.out) as { files: { torn: number; records: number }[]; gaps: [] }
  assert.equal(gaps, [])
  assert.is(sum(files.map((file) => file.records)), records.length)
  const torn = sum(files.map((file) => file.torn))
  assert.ok(torn <= lives.filter(({ ending }) => ending === 'SIGKILL').length, `${torn} torn lines`)
  const reported = JSON.parse((await runUsage(place, ['report', '--json'])).out)
  assert.is(reported.total.requests, records.length)
  process.stdout.write(
    `${lives.length} lives, ${traffic.sent.size} requests, of which ${notSeen} never arrived and ${killed} lost by a kill; ` +
      `${records.length} records in ${files.length} files, ${sum([...twice.values()])} twice, ${torn} torn, ${told.prompt + told.completion} tokens\n`,
  )
})

test.run()
