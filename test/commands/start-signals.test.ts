import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { parseResponses } from '../support/client.js'
import { configure, openStream, status, streaming } from '../support/start.js'
import { clear, open, type Place, started, Thinwire } from '../support/thinwire.js'
import { until, wait } from '../support/until.js'

// As a user starts it: most other tests leave the warm-up out.
process.env.THINWIRE_WARM_UP = 'on'

const test = suite<Place>('signals')

test.before.each(open)
test.after.each(clear)

test('SIGTERM lets an open stream end, refuses new connections, and ends with exit code 0', async (place) => {
  const { thinwire, last } = await streaming(place)
  const client = await openStream(place, thinwire)
  const idle = await thinwire.client(place)
  idle.send('GET /healthz HTTP/1.1\r\nhost: relay\r\n\r\n')
  await idle.response()
  await thinwire.drains('SIGTERM', 1)
  await idle.closed()
  await refuses(place, thinwire)
  assert.is(thinwire.code, null)
  last.open()
  const response = await client.response()
  assert.ok(response.complete)
  assert.is(response.body.toString(), 'data: first\n\ndata: last\n\n')
  assert.is(await client.closed(), 'fin')
  assert.is(await thinwire.ended(), 0)
  assert.equal(
    thinwire.requests.map((line) => line.end),
    ['done'],
  )
  assert.is(thinwire.lines.at(-1)?.msg, 'ended')
})

/** Waits until connections are refused: idle ones are closed a moment before the listener is. */
async function refuses(place: Place, thinwire: Thinwire): Promise<void> {
  const deadline = performance.now() + 30_000
  for (;;) {
    try {
      await thinwire.client(place)
    } catch (error) {
      assert.is((error as NodeJS.ErrnoException).code, 'ECONNREFUSED')
      return
    }
    if (performance.now() > deadline) throw new Error('connections are still taken')
    await wait(5)
  }
}

test('SIGTERM without open requests ends the relay at once, although connections are idle', async (place) => {
  const { thinwire, last } = await streaming(place)
  last.open()
  const client = await openStream(place, thinwire)
  assert.ok((await client.response()).complete)
  await thinwire.drains('SIGTERM', 0)
  assert.is(await thinwire.ended(), 0)
  assert.is(await client.closed(), 'fin')
})

test('a signal right after the banner ends the relay with exit code 0', async (place) => {
  const relays = Array.from({ length: 6 }, () => new Thinwire(place, ['start', '--listen', '127.0.0.1:0']))
  for (const { child } of relays) child.stderr?.once('data', () => child.kill('SIGTERM'))
  const codes = await Promise.all(relays.map((thinwire) => thinwire.ended()))
  assert.equal(codes, Array(relays.length).fill(0))
})

test('a request on a kept connection gets 503 while the relay drains', async (place) => {
  const { thinwire, last } = await streaming(place)
  const streamed = await openStream(place, thinwire)
  const kept = await thinwire.client(place)
  // Begun before the signal, so that the connection is not idle and stays: behind a request whose answer tells that it has come.
  const health = 'GET /healthz HTTP/1.1\r\nhost: relay\r\n\r\n'
  kept.send(`${health}GET /v1/x HTTP/1.1\r\nhost: relay\r\n`)
  await kept.response()
  await thinwire.drains('SIGTERM', 1)
  kept.send(`authorization: Bearer ${thinwire.key}\r\n\r\n`)
  const response = await kept.response(1)
  assert.is(response.status, 503)
  assert.match(response.body.toString(), '"code":"draining"')
  await kept.closed()
  last.open()
  assert.ok((await streamed.response()).complete)
  assert.is(await thinwire.ended(), 0)
})

test('two SIGINTs at once count as one: the open stream still reaches its end', async (place) => {
  const { thinwire, last } = await streaming(place)
  const client = await openStream(place, thinwire)
  thinwire.child.kill('SIGINT')
  // Far enough apart that the system delivers both, near enough that the relay takes them for one.
  await wait(100)
  thinwire.child.kill('SIGINT')
  await wait(100)
  assert.is(thinwire.code, null)
  last.open()
  const response = await client.response()
  assert.ok(response.complete)
  assert.is(response.body.toString(), 'data: first\n\ndata: last\n\n')
  assert.is(await thinwire.ended(), 0)
  assert.equal(
    thinwire.requests.map((line) => line.end),
    ['done'],
  )
})

for (const [signal, number] of [
  ['SIGINT', 2],
  ['SIGTERM', 15],
] as const) {
  test(`a second ${signal} one second later ends the relay at once, and the cut stream is logged`, async (place) => {
    const { thinwire } = await streaming(place)
    const client = await openStream(place, thinwire)
    await thinwire.drains(signal, 1)
    await wait(1_100)
    assert.is(thinwire.code, null)
    thinwire.child.kill(signal)
    assert.is(await thinwire.ended(), 128 + number)
    await client.closed()
    assert.is((await client.response()).complete, false)
    assert.match(thinwire.out, `"signal":"${signal}","cut":1,`)
    assert.equal(
      thinwire.requests.map((line) => line.end),
      ['shutdown'],
    )
  })
}

test('a stream that is still open after timeouts.drainMs is cut and logged', async (place) => {
  const { thinwire, upstream } = await streaming(place, { timeouts: { drainMs: 200 } })
  const client = await openStream(place, thinwire)
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0)
  await client.closed()
  assert.is((await client.response()).complete, false)
  assert.equal(
    thinwire.requests.map((line) => line.end),
    ['shutdown'],
  )
  assert.ok(thinwire.lines.some((line) => line.cut === 1))
  const asked = upstream.requests.filter((request) => request.method === 'GET')
  await until(() => asked.every((request) => request.closed), 'the upstream connection to close')
})

test('a log reader that goes away ends neither the relay nor a stream', async (place) => {
  const { thinwire, last } = await streaming(place)
  const client = await openStream(place, thinwire)
  thinwire.child.stdout?.destroy()
  for (let i = 0; i < 20; i++) assert.is(await status(thinwire, 'sk-wrong'), 401)
  assert.is(thinwire.code, null, thinwire.err)
  last.open()
  assert.ok((await client.response()).complete)
  assert.is(await status(thinwire, thinwire.key), 200)
  assert.is(thinwire.code, null, thinwire.err)
  client.destroy()
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0, thinwire.err)
})

test('a relay ends although its log reader has gone away', async (place) => {
  const thinwire = await started(place)
  assert.is(await status(thinwire, thinwire.key), 200)
  await until(() => thinwire.requests.length === 1, 'the line of the request')
  // Its next line is the one that says that it ends.
  thinwire.child.stdout?.destroy()
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0, thinwire.err)
})

test('a log reader that has stopped delays neither a request nor the end', async (place) => {
  configure(place, { limits: { refusalsPerAddressPerMinute: 10_000 } })
  const thinwire = await started(place)
  thinwire.child.stdout?.pause()
  // More lines than the pipe and the buffers at both ends hold.
  const client = await thinwire.client(place)
  for (let i = 0; i < 1_000; i++) client.send('GET /v1/x HTTP/1.1\r\nhost: relay\r\n\r\n')
  await until(() => parseResponses(client.bytes, false).length === 1_000, 'all answers')
  assert.is(await status(thinwire, thinwire.key), 200)
  thinwire.child.kill('SIGTERM')
  await until(() => thinwire.code !== null, 'thinwire to end')
  assert.is(thinwire.code, 0, thinwire.err)
})

test.run()
