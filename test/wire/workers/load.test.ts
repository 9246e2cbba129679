import { writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket } from 'ws'
import { selfSigned } from '../../../scripts/certificate.js'
import { readLedger } from '../../support/ledger.js'
import { configure, UPSTREAM_KEY } from '../../support/start.js'
import { open, type Place, runRestart, runUsage, Thinwire } from '../../support/thinwire.js'
import { type Gate, gate, until, wait } from '../../support/until.js'
import { CHUNKED, head, ScriptedUpstream, SSE, whole } from '../../support/upstream.js'
import { answer, codeOf, create, Peer, SocketUpstream } from '../websocket/sockets.js'
import { clearWorkers, isAlive, Load, PATIENT, readyPids, SLOW_MS, untilGone, untilReady } from './scene.js'

const STREAMS = 200
const CLIENTS = 4
const RESTARTS = 3

/** Of each stream, between two chunks; milliseconds. */
const CHUNK_MS = 2_000

/** Of each client, between two requests; milliseconds. */
const PAUSE_MS = 40

interface LoadPlace extends Place {
  sockets: SocketUpstream
  peers: Peer[]
  last: Gate
}

const test = suite<LoadPlace>('workers under load')

test.before.each((place) => {
  open(place)
  place.sockets = new SocketUpstream()
  place.peers = []
  place.last = gate()
})
test.after.each(async (place) => {
  for (const { socket } of place.peers) socket.terminate()
  // A test that has failed leaves streams.
  place.last.open()
  place.sockets.close()
  await clearWorkers(place)
})

/** A relay of two workers that speaks TLS. Its streams get chunks until the gate is open. */
async function start(place: LoadPlace) {
  const { last } = place
  let isOver = false
  const count = { chunks: 0 }
  void last.opened.then(() => {
    isOver = true
  })
  const upstream = await ScriptedUpstream.start(async (received) => {
    if (received.target !== '/v1/held') {
      await received.write(whole('200 OK', '{}'))
      return
    }
    await received.write(head('200 OK', SSE, CHUNKED))
    await received.chunk('data: first\n\n')
    while (!isOver) {
      await Promise.race([last.opened, wait(CHUNK_MS)])
      if (isOver) break
      await received.chunk('data: more\n\n')
      count.chunks++
    }
    await received.chunk('data: last\n\n')
    await received.lastChunk()
  })
  place.upstreams.push(upstream)
  const { cert, key } = selfSigned('localhost')
  writeFileSync(join(place.folder, 'cert.pem'), cert)
  writeFileSync(join(place.folder, 'key.pem'), key)
  const credential = { apiKey: { env: 'UPSTREAM_KEY' }, warm: false }
  configure(place, {
    workers: 2,
    listen: { address: '127.0.0.1:0', tls: { cert: 'cert.pem', key: 'key.pem' } },
    upstreams: {
      up: { baseUrl: upstream.url, ...credential },
      sockets: { baseUrl: await place.sockets.start(), ...credential },
    },
    // However slow the machine is, the old workers keep their streams.
    timeouts: PATIENT,
    models: { m: { upstream: 'sockets', model: 'm' } },
    limits: {
      connections: 2_000,
      maxConcurrentRequestsPerKey: 1_000,
      rules: [
        { name: 'one', match: { model: 'm' }, concurrent: 1, tokens: { month: 1_000_000 } },
        { name: 'all', per: 'pool', tokens: { month: 1_000_000 } },
      ],
    },
  })
  const thinwire = new Thinwire(place, ['start', '--listen', '127.0.0.1:0'], { UPSTREAM_KEY })
  await until(() => thinwire.err.includes('see README') || thinwire.code !== null, 'the banner', SLOW_MS)
  assert.is(thinwire.code, null, thinwire.err)
  await untilReady(thinwire, 2)
  return { thinwire, last, count }
}

/** A stream that is open. @returns its body, when it has ended; rejects if it is cut */
async function openStream({ url, key }: Thinwire): Promise<{ readonly body: Promise<string> }> {
  const response = await new Promise<IncomingMessage>((resolve, reject) => {
    const headers = { authorization: `Bearer ${key}` }
    const options = { agent: false, rejectUnauthorized: false, headers } as const
    request(`${url}/v1/held`, options, resolve).on('error', reject).end()
  })
  assert.is(response.statusCode, 200)
  const body = new Promise<string>((resolve, reject) => {
    let text = ''
    response.on('data', (bytes: Buffer) => {
      text += bytes
    })
    response.on('error', reject)
    response.on('end', () => resolve(text))
  })
  // It is awaited at the end.
  body.catch(() => {})
  return { body }
}

async function openSocket(place: LoadPlace, { url, key }: Thinwire): Promise<Peer> {
  const options = { headers: { authorization: `Bearer ${key}` }, rejectUnauthorized: false }
  const peer = new Peer(new WebSocket(`${url.replace('https:', 'wss:')}/v1/responses`, [], options))
  place.peers.push(peer)
  await peer.opened()
  return peer
}

test('over TLS, a WebSocket at one worker is refused what one at another worker has taken', async (place) => {
  const { thinwire } = await start(place)
  const [first, second] = [await openSocket(place, thinwire), await openSocket(place, thinwire)]
  first.send(create('m'))
  const { peer } = await place.sockets.connection(0)
  await peer.event(0)
  second.send(create('m'))
  const refusal = await second.event(0)
  assert.is(refusal.status, 429, JSON.stringify(refusal))
  assert.is(codeOf(refusal), 'rate_limit_exceeded')
  peer.send(...answer('r1', 'm'))
  await first.event(3)
  // A connection that has opened nothing may be closed with its refusal.
  const third = await openSocket(place, thinwire)
  third.send(create('m'))
  const { peer: again } = await place.sockets.connection(1)
  await again.event(0)
  again.send(...answer('r2', 'm'))
  await third.event(3)
  for (const { socket } of place.peers) socket.close()
  for (const one of place.peers) await one.closed()
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0, thinwire.err)
  const records = readLedger(join(place.folder, 'data'))
  const responses = records.filter(({ id, connection_id }) => id !== connection_id)
  assert.equal(
    responses.map(({ error_code }) => error_code).sort(),
    ['rate_limit_exceeded', null, null].sort(),
  )
  const writers = new Set(records.map(({ writer }) => writer))
  assert.is(writers.size, 2)
  assert.is((await runUsage(place, ['verify', '--limits'])).code, 0)
})

test('three restarts in a row under 200 streams and a steady load lose nothing', async (place) => {
  const { thinwire, last, count } = await start(place)
  const olds = readyPids(thinwire)
  const streams = await Promise.all(Array.from({ length: STREAMS }, () => openStream(thinwire)))
  const load = new Load(thinwire, CLIENTS, true, PAUSE_MS)
  for (let i = 1; i <= RESTARTS; i++) {
    const before = load.answered
    await until(() => load.answered > before + 20, 'answers')
    const { code, err } = await runRestart(place)
    assert.is(code, 0, err)
    await untilReady(thinwire, 2 + 2 * i)
  }
  // They have the streams.
  assert.ok(olds.every(isAlive))
  await until(() => count.chunks >= 2 * STREAMS, 'more chunks of the streams')
  last.open()
  const bodies = await Promise.all(streams.map(({ body }) => body))
  for (const body of bodies) assert.match(body, /^data: first\n\n(data: more\n\n)+data: last\n\n$/)
  await untilGone(olds)
  const before = load.answered
  await until(() => load.answered > before + 20, 'more answers')
  await load.stop()
  assert.equal(load.problems, [])
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0, thinwire.err)
  assert.not.ok(thinwire.out.includes(' died '), thinwire.out)
  await untilGone(readyPids(thinwire))
  const records = readLedger(join(place.folder, 'data'))
  assert.is(records.length, load.answered + STREAMS)
  assert.is(new Set(records.map(({ id }) => id)).size, records.length)
  assert.ok(records.every(({ end }) => end === 'done'))
  const { code, out } = await runUsage(place, ['verify'])
  assert.is(code, 0, out)
  assert.match(
    out,
    new RegExp(`${records.length} records of ${2 + 2 * RESTARTS} starts of the relay .*without a gap`),
  )
})

test.run()
