import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket } from 'ws'
import {
  chat,
  chatting,
  data,
  get,
  journals,
  OPEN,
  records,
  UPSTREAM_KEY,
  untilJournaled,
} from '../../support/crashes.js'
import { readLedgerAfterKills } from '../../support/ledger.js'
import { configure, openStream, streaming } from '../../support/start.js'
import { clear, open, type Place, runUsage, started, Thinwire } from '../../support/thinwire.js'
import { until, wait } from '../../support/until.js'
import { ScriptedUpstream } from '../../support/upstream.js'
import { answer, create, Peer, SocketUpstream } from '../websocket/sockets.js'

const test = suite<Place>('crash')

test.before.each(open)
test.after.each(clear)

const DAY_MS = 86_400_000

test('a killed relay leaves one record for each open stream: the next start writes it as crashed', async (place) => {
  const { thinwire } = await chatting(place)
  for (let i = 0; i < 5; i++) await chat(place, thinwire)
  await get(thinwire, 'x')
  await untilJournaled(place, 5)
  await thinwire.kill()
  const before = await runUsage(place, ['verify'])
  assert.is(before.code, 1)
  assert.match(before.out, /did not end well:\n.*last 20 ms may be missing\n.*\(up to 5 requests\)\n/)

  const next = await started(place, [], { UPSTREAM_KEY })
  await until(() => records(place).length === 6, 'the records of the killed start')
  const crashed = records(place).filter(({ end }) => end === 'crashed')
  assert.is(crashed.length, 5)
  const [killed] = records(place).filter(({ end }) => end === 'done')
  for (const record of crashed) {
    assert.is(record.recovered_from, killed?.writer)
    assert.is.not(record.writer, killed?.writer)
    assert.is(record.phase, 'respond')
    assert.is(record.upstream_model, 'm-1')
    assert.is(record.usage_source, 'estimated')
    assert.is(record.completion_tokens, 3)
    assert.ok(Number(record.prompt_tokens) > 0)
    assert.ok(Number(record.bytes_out) > 0)
    assert.ok(Number(record.total_ms) > 0)
  }
  await until(() => journals(place).length === 1, 'the journal of the killed start to be removed')
  await next.drains('SIGTERM', 0)
  assert.is(await next.ended(), 0)
  assert.equal(journals(place), [])
  const after = await runUsage(place, ['verify'])
  assert.is(after.code, 0, after.out)
  assert.match(after.out, /\n6 records of 2 starts of the relay, without a gap\n/)
  assert.match(after.out, /did not end well:\n.*last 20 ms may be missing\n {2}5 requests under way are/)
})

test('a request that waits for its upstream is recorded as crashed with its prompt', async (place) => {
  const upstream = await ScriptedUpstream.start((request) => request.hang())
  place.upstreams.push(upstream)
  configure(place, {
    upstreams: { up: { baseUrl: upstream.url, apiKey: { env: 'UPSTREAM_KEY' }, warm: false } },
    ...OPEN,
  })
  const thinwire = await started(place, [], { UPSTREAM_KEY })
  const client = await thinwire.client(place)
  const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: 'Hello there' }] })
  client.send(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  await untilJournaled(place, 1)
  await thinwire.kill()
  await started(place, [], { UPSTREAM_KEY })
  await until(() => records(place).length === 1, 'the record')
  const [record] = records(place)
  assert.is(record?.end, 'crashed')
  assert.is(record?.phase, 'attempt')
  assert.is(record?.status, null)
  assert.is(record?.usage_source, 'estimated')
  assert.ok(Number(record?.prompt_tokens) > 0)
})

for (const waits of [false, true])
  test(`each open response on a WebSocket is recorded as crashed, beside its connection: ${waits ? 'it waits' : 'it streams'}`, async (place) => {
    const up = new SocketUpstream()
    const peers: Peer[] = []
    try {
      const settings = { baseUrl: await up.start(), apiKey: { env: 'UPSTREAM_KEY' }, warm: false }
      configure(place, { upstreams: { up: settings }, ...OPEN })
      const thinwire = await started(place, [], { UPSTREAM_KEY })
      const client = new Peer(new WebSocket(`${thinwire.url.replace('http', 'ws')}/v1/responses`))
      peers.push(client)
      await client.opened()
      client.send(create('m'))
      const { peer } = await up.connection(0)
      await peer.event(0)
      peer.send(...answer('resp_1', 'm-1'))
      await client.event(3)
      client.send(create('m', { stream_id: 'a' }), create('m', { stream_id: 'b' }))
      await peer.event(2)
      if (!waits) {
        peer.send(...answer('resp_2', 'm-1', null, { stream_id: 'a' }))
        await client.event(6)
      }
      await untilJournaled(place, 3)
      await thinwire.kill()
    } finally {
      for (const { socket } of peers) socket.terminate()
      up.close()
    }
    await started(place, [], { UPSTREAM_KEY })
    await until(() => records(place).length === 4, 'the records')
    await until(() => journals(place).length === 1, 'the journal to be removed')
    const all = records(place)
    const connection = all.find(({ id, connection_id }) => id === connection_id)
    assert.equal([connection?.end, connection?.status], ['crashed', 101])
    assert.ok(all.every(({ connection_id }) => connection_id === connection?.id))
    const responses = all.filter((record) => record !== connection)
    assert.equal(responses.map(({ end, model, status }) => `${end} ${model} ${status}`).sort(), [
      waits ? 'crashed m null' : 'crashed m 200',
      'crashed m null',
      'done m 200',
    ])
    for (const record of responses.filter(({ end }) => end === 'crashed')) {
      assert.is(record.usage_source, 'estimated')
      assert.ok(Number(record.prompt_tokens) > 0)
      assert.is(record.phase, record.status === 200 ? 'respond' : 'attempt')
      assert.is(Number(record.completion_tokens) > 0, record.status === 200)
    }
    assert.is((await runUsage(place, ['verify'])).code, 0)
  })

test('a stream that ends before the kill has its own record, and no second one', async (place) => {
  const { thinwire, last } = await chatting(place)
  await chat(place, thinwire)
  await untilJournaled(place, 1)
  last.open()
  await until(() => records(place).length === 1, 'the record of the stream')
  await thinwire.kill()
  const next = await started(place, [], { UPSTREAM_KEY })
  await until(() => journals(place).length === 1, 'the journal to be removed')
  next.child.kill('SIGTERM')
  await next.ended()
  assert.equal(
    records(place).map(({ end }) => end),
    ['done'],
  )
})

test('kills again and again, also of a start that completes records, double none and lose no stream', async (place) => {
  let { thinwire } = await chatting(place)
  let streams = 0
  for (let round = 0; round < 4; round++) {
    for (let i = 0; i < 3; i++) await chat(place, thinwire)
    streams += 3
    await until(() => journals(place).length > 0, 'a journal')
    await untilJournaled(place, 3)
    await thinwire.kill()
    // The next one is killed while it starts, at another moment in each round.
    const hasty = new Thinwire(place, ['start', '--listen', '127.0.0.1:0'], { UPSTREAM_KEY })
    await wait(200 + round * 200)
    await hasty.kill()
    thinwire = await started(place, [], { UPSTREAM_KEY })
    await until(() => journals(place).length === 1, 'all to be completed')
    assert.is(records(place).length, streams)
  }
  assert.is(new Set(records(place).map(({ id }) => id)).size, streams)
  assert.is((await runUsage(place, ['verify'])).code, 0)
})

test('two relays in one folder leave each other’s open requests alone', async (place) => {
  const { thinwire: first, last } = await chatting(place)
  await chat(place, first)
  await untilJournaled(place, 1)
  const second = await started(place, [], { UPSTREAM_KEY })
  const third = await started(place, [], { UPSTREAM_KEY })
  await second.kill()
  const fourth = await started(place, [], { UPSTREAM_KEY })
  last.open()
  await until(() => records(place).length === 1, 'the record of the stream')
  for (const thinwire of [first, third, fourth]) {
    thinwire.child.kill('SIGTERM')
    assert.is(await thinwire.ended(), 0)
  }
  assert.equal(
    records(place).map(({ end }) => end),
    ['done'],
  )
  assert.equal(journals(place), [])
})

test('SIGTERM brings the journal up to date at once, for a platform that does not wait', async (place) => {
  const { thinwire } = await streaming(place, { timeouts: { drainMs: 60_000 } })
  await openStream(place, thinwire)
  await openStream(place, thinwire)
  await thinwire.drains('SIGTERM', 2)
  await untilJournaled(place, 2)
  await thinwire.kill()
  assert.ok(readdirSync(data(place)).some((name) => name.startsWith('usage-')))
  await started(place, [], { UPSTREAM_KEY })
  await until(() => records(place).length === 2, 'both records')
  assert.ok(records(place).every(({ end }) => end === 'crashed'))
})

/** Every write to the ledger's file fails with ENOSPC. */
function fillDisk(place: Place): void {
  mkdirSync(data(place))
  for (const at of [Date.now(), Date.now() + DAY_MS])
    symlinkSync('/dev/full', join(data(place), `usage-${new Date(at).toISOString().slice(0, 10)}.jsonl`))
}

if (existsSync('/dev/full')) {
  for (const second of [false, true]) {
    test(`a full disk at ${second ? 'a second signal' : 'SIGTERM'} gives another exit code, and verify finds the loss`, async (place) => {
      fillDisk(place)
      const { thinwire } = await chatting(place, {
        ledger: { fsync: 'never' },
        timeouts: { drainMs: 60_000 },
      })
      for (let i = 0; i < 5; i++) await get(thinwire, 'x')
      if (second) {
        await chat(place, thinwire)
        await thinwire.drains('SIGTERM', 1)
        await wait(800)
      }
      thinwire.child.kill('SIGTERM')
      const lost = second ? 6 : 5
      assert.is(await thinwire.ended(), second ? 143 : 1)
      assert.match(thinwire.err, new RegExp(`thinwire: ${lost} records could not be written to the ledger`))
      assert.match(thinwire.out, new RegExp(`"lost":${lost},`))
      // Once there is room again, nothing but the note tells of them.
      const { code, out } = await verifyElsewhere(place)
      assert.is(code, 1)
      assert.match(
        out,
        new RegExp(`\\n0 records, ${lost} missing:\\n {2}w-[0-9a-f]+ records 1 to ${lost}\\n`),
      )
      assert.match(out, new RegExp(`could not write ${lost} records\\n`))
    })
  }
}

/** Verifies with an empty file in place of the one that is always full, which cannot be read to its end. */
async function verifyElsewhere(place: Place) {
  for (const name of readdirSync(data(place))) {
    if (!name.startsWith('usage-')) continue
    rmSync(join(data(place), name))
    writeFileSync(join(data(place), name), '')
  }
  return runUsage(place, ['verify'])
}

test('a folder that cannot be written gives another exit code, and the fallback folder saves the records', async (place) => {
  // A file in its place: permissions mean nothing to a test that runs as root.
  writeFileSync(data(place), '')
  const { thinwire } = await chatting(place)
  for (let i = 0; i < 3; i++) await get(thinwire, 'x')
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 1)
  assert.match(thinwire.err, /thinwire: 3 records could not be written to the ledger/)

  const saved = await chatting(place, { ledger: { fallbackFolder: 'spare' } })
  for (let i = 0; i < 3; i++) await get(saved.thinwire, 'x')
  saved.thinwire.child.kill('SIGTERM')
  assert.is(await saved.thinwire.ended(), 0, saved.thinwire.err)
  assert.is(readLedgerAfterKills(join(place.folder, 'spare')).length, 3)
  const { code, out } = await runUsage(place, ['verify'])
  assert.is(code, 0)
  assert.match(out, /\n3 records of 1 start of the relay, without a gap\n$/)
})

test.run()
