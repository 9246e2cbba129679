import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RawClient } from '../../support/client.js'
import { randomFrom, SEED } from '../../support/random.js'
import { auth, startRelay } from '../../support/relay.js'
import { until, wait } from '../../support/until.js'
import { CHUNKED, chunk, head, ScriptedUpstream, SSE, whole } from '../../support/upstream.js'

const CONNECTIONS = 1500
const AT_ONCE = 30

const random = randomFrom(SEED)
const below = (n: number): number => Math.floor(random() * n)
const oneOf = <T>(list: readonly T[]): T => list[below(list.length)] as T

const ANSWERS = [
  whole('200 OK', 'ok'),
  Buffer.concat([Buffer.from(head('200 OK', SSE, CHUNKED)), chunk('data: 1\n\n'), Buffer.from('0\r\n\r\n')]),
  Buffer.from(head('204 No Content')),
  Buffer.from(head('304 Not Modified', 'content-length: 9')),
  Buffer.from('garbage\r\n\r\n'),
  Buffer.from(head('103 Early Hints') + whole('200 OK', 'ok').toString('latin1')),
  Buffer.from(`${head('101 Switching Protocols', 'connection: upgrade', 'upgrade: websocket')}frame`),
  whole('426 Upgrade Required', 'no', 'connection: close'),
  whole('200 O\x01K', 'ok'),
  Buffer.from('HTTP/1.0 200 OK\r\n\r\nuntil it closes'),
]

/** Valid and invalid requests. @param key header lines with a valid key */
function requests(key: string): string[] {
  const post = `POST /v1/x HTTP/1.1\r\n${key}`
  return [
    `GET /v1/x HTTP/1.1\r\n${key}\r\n`,
    `GET /v1/x HTTP/1.0\r\n${key}\r\n`,
    `HEAD /v1/x HTTP/1.1\r\n${key}\r\n`,
    `OPTIONS /v1/x HTTP/1.1\r\n${key}\r\n`,
    `CONNECT a:1 HTTP/1.1\r\n${key}\r\n`,
    `POST /v1/messages HTTP/1.1\r\n${key}content-length: 13\r\n\r\n{"model":"m"}`,
    `${post}transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
    `${post}expect: 100-continue\r\ncontent-length: 3\r\n\r\nabc`,
    `${post}expect: odd\r\ncontent-length: 3\r\n\r\nabc`,
    `${post}content-length: 200000\r\n\r\n${'x'.repeat(below(200_000))}`,
    `GET /v1/realtime HTTP/1.1\r\n${key}connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-key: x\r\n\r\nframe`,
    `GET /v1/x HTTP/1.1\r\n${key}connection: upgrade, http2-settings\r\nupgrade: h2c\r\n\r\n`,
    'GET /readyz HTTP/1.1\r\nhost: x\r\n\r\n',
    'GET /v1/x HTTP/1.1\r\nhost: x\r\n\r\n',
    'garbage\r\n\r\n',
  ]
}

test('the relay survives random clients and upstreams and has no request open afterwards', async () => {
  const upstream = await ScriptedUpstream.start(async (request) => {
    const answer = oneOf(ANSWERS)
    const end = below(3) > 0 ? answer.length : below(answer.length)
    for (let from = 0; from < end && !request.closed; ) {
      const to = Math.min(end, from + 1 + below(60))
      await request.write(answer.subarray(from, to))
      from = to
      if (below(3) === 0) await wait(below(5))
    }
    const after = below(5)
    if (after === 0) request.end()
    if (after === 1) request.reset()
  })
  const relay = await startRelay(upstream.url, {
    limits: { bodyBytes: 2000 },
    timeouts: {
      connectMs: 500,
      firstByteMs: 300,
      idleMs: 300,
      requestMs: 300,
      headersMs: 500,
      clientStallMs: 500,
      upstreamKeepAliveMs: 300,
    },
  })

  const connection = async (): Promise<void> => {
    const client = await RawClient.connect(relay.port, below(2) === 0)
    let text = ''
    for (let n = 1 + below(3); n > 0; n--) text += oneOf(requests(auth(relay)))
    if (below(4) === 0) text = text.slice(0, below(text.length))
    for (let from = 0; from < text.length && client.ending === null; ) {
      const to = from + 1 + below(below(3) > 0 ? 100_000 : 80)
      client.send(text.slice(from, to))
      from = to
      if (below(3) === 0) await wait(below(4))
    }
    if (below(6) === 0) client.socket.pause()
    await wait(below(40))
    if (below(3) === 0) {
      client.end()
      await wait(20)
    }
    if (below(2) === 0) client.destroy()
    else client.reset()
  }
  let left = CONNECTIONS
  const work = async (): Promise<void> => {
    while (left-- > 0) await connection()
  }
  // An uncaught error would end this process and so fail the test.
  await Promise.all(Array.from({ length: AT_ONCE }, work))

  await until(() => relay.inspect().openCount === 0, 'every exchange to be settled')
  let ready = { in_flight: -1, buffered_bytes: -1 }
  // Bytes that a client sent before it left may still be on their way to the relay.
  for (let i = 0; i < 500 && ready.in_flight !== 0; i++) {
    const client = await relay.client()
    client.send('GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
    await client.closed()
    const response = await client.response()
    // On a busy machine this request itself may exceed the short timeouts.
    if (response.status === 200) ready = JSON.parse(response.body.toString())
    await wait(10)
  }
  assert.is(ready.in_flight, 0)
  // Log and ledger are written a moment after a request has ended.
  relay.app.flush()
  assert.is(ready.buffered_bytes, 0)
  assert.equal(
    relay.lines.filter((line) => line.end === 'crashed'),
    [],
  )
  // Each request has one record, but probes and bytes that are no request have none.
  // A warning about a slow request has an id, but no end.
  const told = relay.lines.filter(
    (line) => 'id' in line && 'end' in line && !(line.end === 'local' && line.phase === 'admit'),
  )
  const records = await relay.records(told.length)
  assert.equal(
    records.map(({ id, end }) => `${id} ${end}`),
    told.map(({ id, end }) => `${id} ${end}`),
  )
  assert.equal(
    records.map(({ seq }) => seq),
    records.map((_, i) => i + 1),
  )
  await relay.close()
  await upstream.close()
})

test.run()
