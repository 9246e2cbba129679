import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OK, type Scene, withRelay } from '../../support/scene.js'
import { until } from '../../support/until.js'
import { CHUNKED, chunk, head, LAST_CHUNK, SSE, whole } from '../../support/upstream.js'

/** The phases of a `Server-Timing`, in their order, and the milliseconds of each. */
function readTiming(text: string): { names: string; of: Record<string, number> } {
  assert.match(text, /^[a-z]+;dur=\d+(?:\.\d{1,3})?(?:, [a-z]+;dur=\d+(?:\.\d{1,3})?)*$/)
  const parts = text.split(', ').map((part) => part.split(';dur=') as [string, string])
  return {
    names: parts.map(([name]) => name).join(' '),
    of: Object.fromEntries(parts.map(([name, ms]) => [name, Number(ms)])),
  }
}

const SHARES = ['admit_us', 'read_us', 'plan_us', 'cache_us', 'attempt_us', 'respond_us']

/** The relay's own share of each phase that a record knows; they add up to its overhead. */
function readShares(record: Record<string, unknown> | undefined): Record<string, number | null> {
  const shares = SHARES.map((name) => [name, record?.[name] as number | null] as const)
  for (const [name, us] of shares) assert.ok(us === null || (Number.isInteger(us) && us >= 0), name)
  assert.is(
    shares.reduce((sum, [, us]) => sum + (us ?? 0), 0),
    record?.overhead_us,
  )
  return Object.fromEntries(shares)
}

/** The names of the phases whose share a record does not know. */
function unknownOf(record: Record<string, unknown> | undefined): string {
  return SHARES.filter((name) => record?.[name] === null).join(' ')
}

test("server-timing shows the duration of each phase, and the record the relay's own share", () =>
  withRelay(OK, async (scene) => {
    const client = await scene.client()
    client.send(`POST /v1/chat/completions HTTP/1.1\r\n${scene.auth}content-length: 13\r\n\r\n{"model":`)
    await new Promise((resolve) => setTimeout(resolve, 60))
    client.send('"m"}')
    const response = await client.response()
    const { names, of } = readTiming(response.header('server-timing') ?? '')
    assert.is(names, 'admit read plan cache attempt respond upstream upload')
    const { read = 0, upload = 0, attempt = 0, upstream = 0 } = of
    assert.ok(upload >= 20 && upload <= read && upstream <= attempt, JSON.stringify(of))
    const [record] = await scene.relay.records(1)
    assert.is(record?.read_ms, read)
    // The relay's own time and its waits are parts of the whole. Each of the times is rounded.
    const partsMs = Number(record?.overhead_us) / 1_000 + upload + upstream
    assert.ok(partsMs <= Number(record?.total_ms) + 0.01, JSON.stringify(record))
    assert.ok(Number(record?.overhead_us) > 0)
    const { admit_us, read_us, attempt_us } = readShares(record)
    assert.is(unknownOf(record), '')
    // Header and record have the same times. Each of two is rounded.
    assert.is(admit_us, Math.round((of.admit ?? 0) * 1_000))
    assert.ok(Math.abs(Number(read_us) - Math.round((read - upload) * 1_000)) <= 1)
    assert.ok(Math.abs(Number(attempt_us) - Math.round((attempt - upstream) * 1_000)) <= 1)
  }))

test("an upstream's own server-timing header is kept", () =>
  withRelay(
    (request) => request.write(whole('200 OK', 'ok', 'server-timing: db;dur=1')),
    async (scene) => {
      const response = await scene.ask(`GET /v1/models/x HTTP/1.1\r\n${scene.auth}\r\n`)
      const timings = response.headers.filter(([name]) => name.toLowerCase() === 'server-timing')
      assert.is(timings.length, 2)
      assert.is(timings[0]?.[1], 'db;dur=1')
      assert.is(readTiming(timings[1]?.[1] ?? '').names, 'admit plan attempt respond upstream')
      const [record] = await scene.relay.records(1)
      readShares(record)
      assert.is(unknownOf(record), 'read_us cache_us')
    },
  ))

test('responses that the relay makes itself have a server-timing header too', () =>
  withRelay(OK, async (scene) => {
    for (const [request, names] of [
      ['GET /readyz', 'admit'],
      ['GET /v1/models', 'admit'],
      ['POST /v1/./x', 'admit'],
    ])
      assert.is(
        readTiming(
          (await scene.ask(`${request} HTTP/1.1\r\nhost: relay\r\n\r\n`)).header('server-timing') ?? '',
        ).names,
        names,
      )
  }))

test('a request whose response comes before the end of its body has no read_ms and no overhead_us', () =>
  withRelay(
    (request) => request.write(`${head('200 OK', SSE, CHUNKED)}${chunk('data: {}\n\n')}${LAST_CHUNK}`),
    async (scene) => {
      const client = await scene.client()
      client.send(
        `POST /v1/chat/completions HTTP/1.1\r\n${scene.auth}content-length: 100\r\n\r\n{"model":"m",`,
      )
      await new Promise((resolve) => setTimeout(resolve, 20))
      client.destroy()
      const [record] = await scene.relay.records(1)
      assert.is(record?.read_ms, null)
      assert.is(record?.overhead_us, null)
      assert.ok(Number(record?.admit_us) > 0)
    },
  ))

const COMPLETION = '{"model":"m","prompt":"a"}'

function complete(scene: Scene, framing: string, body: string): string {
  return `POST /v1/completions HTTP/1.1\r\n${scene.auth}${framing}\r\n\r\n${body}`
}

test('the shares of a request add up to its overhead: from the cache, chunked, sent on while it arrived', () =>
  withRelay(
    (request) =>
      request.write(
        whole('200 OK', '{"model":"m","choices":[{"text":"kept words"}]}', 'content-type: application/json'),
      ),
    async (scene) => {
      const whole = complete(scene, `content-length: ${COMPLETION.length}`, COMPLETION)
      const cached = [await scene.ask(whole), await scene.ask(whole)]
      assert.equal(
        cached.map((response) => response.header('x-thinwire-cache')),
        ['miss', 'hit'],
      )
      assert.is(readTiming(cached[1]?.header('server-timing') ?? '').names, 'admit read plan cache upload')
      await scene.ask(complete(scene, 'transfer-encoding: chunked', `d\r\n{"model":"n"}\r\n0\r\n\r\n`))
      const client = await scene.client()
      client.send(
        `POST /v1/responses HTTP/1.1\r\n${scene.auth}x-thinwire-cache: off\r\ncontent-length: 19\r\n\r\n{"model":"m","n":1`,
      )
      await until(() => scene.upstream.arriving.includes('"n":1'), 'the first part at the upstream')
      client.send('}')
      await client.response()
      const records = await scene.relay.records(4)
      const [miss, hit, chunked, early] = records
      for (const record of records) readShares(record)
      assert.is(unknownOf(miss), '')
      assert.is(unknownOf(hit), 'attempt_us')
      assert.is(unknownOf(chunked), 'read_us')
      assert.is(unknownOf(early), '')
      // What the relay did while the client still sent has delayed nothing.
      const { plan_us, cache_us, attempt_us } = readShares(early)
      assert.equal([plan_us, cache_us, attempt_us], [0, 0, 0])
    },
  ))

const EVENT = 'data: {"choices":[{"delta":{"content":"words"}}]}\n\n'
const STREAM = `${head('200 OK', SSE, CHUNKED)}`

/** Responses, each in the parts in which the upstream sends it. */
const RESPONSES: Record<string, { method?: string; parts: (string | Buffer)[] }> = {
  'a body with a length': { parts: [whole('200 OK', 'ok')] },
  'a body without a length': { parts: [head('200 OK', 'connection: close'), 'ok', ''] },
  'no content': { parts: [head('204 No Content')] },
  'not modified': { parts: [head('304 Not Modified', 'etag: "a"')] },
  'an answer to HEAD': { method: 'HEAD', parts: [head('200 OK', 'content-length: 20')] },
  'an empty body': { parts: [whole('200 OK', '')] },
  'an empty chunked body': { parts: [`${STREAM}${LAST_CHUNK}`] },
  'a head, and its chunks later': { parts: [STREAM, chunk(EVENT), LAST_CHUNK] },
  'all chunks at once': { parts: [`${STREAM}${chunk(EVENT)}${LAST_CHUNK}`] },
  'the beginning of a size line with the head': { parts: [`${STREAM}3`, `\r\nabc\r\n`, LAST_CHUNK] },
  trailers: { parts: [`${STREAM}${chunk(EVENT)}`, '0\r\nx-after: 1\r\n\r\n'] },
  'a compressed body': { parts: [whole('200 OK', gzipSync('{"a":1}'), 'content-encoding: gzip')] },
  'a refusal': { parts: [whole('400 Bad Request', '{"error":{"message":"no"}}')] },
}

for (const [name, { method = 'GET', parts }] of Object.entries(RESPONSES)) {
  test(`every share of a response is known: ${name}`, () =>
    withRelay(
      async (request) => {
        for (const [i, part] of parts.entries()) {
          if (i > 0) await new Promise((resolve) => setTimeout(resolve, 20))
          if (part === '') request.end()
          else await request.write(part)
        }
      },
      async (scene) => {
        const client = await scene.client()
        client.send(`${method} /v1/files HTTP/1.1\r\n${scene.auth}\r\n`)
        const [record] = await scene.relay.records(1)
        readShares(record)
        assert.is(unknownOf(record), 'read_us cache_us')
      },
    ))
}

test('every share of a request that waits for its turn on its connection, and of one that joins another, is known', () =>
  withRelay(
    async (request) => {
      await new Promise((resolve) => setTimeout(resolve, 50))
      await request.write(`${STREAM}${chunk(EVENT)}${LAST_CHUNK}`)
    },
    async (scene) => {
      const client = await scene.client()
      const get = `GET /v1/files HTTP/1.1\r\n${scene.auth}\r\n`
      client.send(get + get)
      for (const record of await scene.relay.records(2)) {
        readShares(record)
        assert.is(unknownOf(record), 'read_us cache_us')
      }
      const bytes = complete(scene, `content-length: ${COMPLETION.length}`, COMPLETION)
      const joined = await Promise.all([scene.ask(bytes), scene.ask(bytes)])
      assert.equal(joined.map((response) => response.header('x-thinwire-cache')).sort(), ['joined', 'miss'])
      for (const record of (await scene.relay.records(4)).slice(2)) {
        assert.ok(Number.isInteger(record.respond_us) && Number(record.respond_us) >= 0)
        // One that joins makes no attempt.
        if (record.cache === 'joined') assert.is(record.overhead_us, null)
        else readShares(record)
      }
    },
  ))

test.run()
