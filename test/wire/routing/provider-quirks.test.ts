import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { PRESETS } from '../../../src/api/presets.js'
import type { Answer } from '../../support/answers.js'
import type { Response } from '../../support/client.js'
import { pieceBySize, tellingPlaces, type Way, writeIn } from '../../support/cuts.js'
import type { Quirk } from '../../support/quirks/quirk.js'
import { QUIRKS } from '../../support/quirks/quirks.js'
import { auth, type LogLine, post, startRelay, type TestRelay } from '../../support/relay.js'
import { OK } from '../../support/scene.js'
import { gate } from '../../support/until.js'
import { CHUNKED, head, type Script, ScriptedUpstream } from '../../support/upstream.js'

interface Stage {
  readonly relay: TestRelay
  /** `first` has the quirk; `second` would get a failover. */
  readonly first: ScriptedUpstream
  readonly second: ScriptedUpstream
  ask(model: string): Promise<Response>
}

/** The base URL of this upstream, with the path of the preset's base URL. */
function baseOf({ preset }: Quirk, upstream: ScriptedUpstream): string {
  const { baseUrl } = PRESETS[preset]
  const path = baseUrl === null ? '' : new URL(baseUrl).pathname
  return `http://127.0.0.1:${upstream.port}${path === '/' ? '' : path}`
}

/** Runs a relay with the quirk's preset and a failover target. Responses for the model `held` are first held back. */
async function withQuirk(quirk: Quirk, script: Script, act: (stage: Stage) => Promise<void>): Promise<void> {
  const first = await ScriptedUpstream.start(script)
  const second = await ScriptedUpstream.start(OK)
  // An account without credit leads to another target, by its status alone.
  const others = quirk.decided.status === 402 ? [] : [{ upstream: 'second' }]
  const targets = [{ upstream: 'first' }, ...others]
  const { keyEnv, keyless } = PRESETS[quirk.preset]
  const relay = await startRelay(
    {
      first: { preset: quirk.preset, baseUrl: baseOf(quirk, first) },
      second: { baseUrl: second.url },
    },
    {
      routes: [
        { model: 'held', targets, failover: true, firstTokenMs: 60_000 },
        // Nothing is held back.
        { model: 'bare', targets, failover: false },
        { targets, failover: true },
      ],
      cache: { enabled: false },
      ledger: { flushMs: 1, fsync: 'never' },
    },
    keyEnv === null || keyless ? {} : { [keyEnv]: 'sk-upstream-secret' },
  )
  const ask = async (model: string): Promise<Response> => {
    const body = JSON.stringify({ model, stream: true, messages: [{ role: 'user', content: 'hi' }] })
    return post(relay, `/v1${quirk.path}`, body)
  }
  try {
    await act({ relay, first, second, ask })
  } finally {
    await relay.close()
    await first.close()
    await second.close()
  }
}

/** Ways to send a body: in one piece, cut at awkward places, and in small pieces. */
function waysOf({ body }: Answer): Way[] {
  const awkward = tellingPlaces(body, 8)
  const small = pieceBySize(body, 23).map((_, i) => i * 23)
  return [
    { places: [], framing: 'one chunk' },
    { places: awkward, framing: 'one chunk' },
    { places: awkward, framing: 'chunk by chunk' },
    { places: awkward, framing: 'length' },
    { places: small.slice(1), framing: 'chunk by chunk' },
  ]
}

/** Reports good responses of the first target, so that errors within streams and cuts do not open its circuit. */
function keepWell(relay: TestRelay, { path }: Quirk): void {
  const breaker = relay.inspect().findRoute(path, 'free', null)?.targets[0]?.breaker
  assert.ok(breaker !== undefined)
  const now = performance.now()
  for (let i = 0; i < 2; i++) {
    const ticket = breaker.begin(now)
    breaker.succeed(ticket, now, null)
    breaker.end(ticket)
    breaker.settle(ticket, now, null)
  }
}

function decidedOf(record: LogLine | undefined, { decided }: Answer): LogLine {
  return Object.fromEntries(Object.keys(decided).map((name) => [name, record?.[name]]))
}

for (const quirk of QUIRKS) {
  const { name, body, headers, decided } = quirk
  const ways = waysOf(quirk)

  test(`the response "${name}" passes unchanged, is recorded, and causes no failover`, () => {
    const left = [...ways, ...ways]
    return withQuirk(
      quirk,
      (request) => writeIn(request, quirk, left.shift() as Way),
      async ({ relay, second, ask }) => {
        for (const model of ['free', 'held']) {
          for (const way of ways) {
            const response = await ask(model)
            keepWell(relay, quirk)
            assert.ok(response.complete)
            assert.is(response.status, decided.status)
            assert.ok(response.body.equals(body), `other bytes: ${model}, ${JSON.stringify(way)}`)
            for (const line of headers) {
              const [key = '', value] = line.split(/: (.*)/)
              assert.is(response.header(key), value, line)
            }
          }
        }
        assert.is(second.requests.length, 0)
        for (const record of await relay.records(2 * ways.length)) {
          assert.equal(decidedOf(record, quirk), decided)
          assert.is(record.upstream, 'first')
          assert.is(record.attempts, 1)
          assert.is(record.failed_attempts, null)
          assert.is(record.error_code, null)
        }
      },
    )
  })

  test(`the response "${name}" that breaks off is cut for the client, wherever that is`, () => {
    const places = [1, body.length >> 1, body.length - 1]
    const left = places.flatMap((place) => [[place, 'end'] as const, [place, 'reset'] as const])
    const cuts = [...left]
    let seen = gate()
    return withQuirk(
      quirk,
      async (request) => {
        const [place, how] = left.shift() ?? [0, 'end']
        await request.write(head(quirk.status, ...headers, CHUNKED))
        await request.chunk(body.subarray(0, place))
        // A reset may discard bytes that were not read yet.
        await seen.opened
        request[how]()
      },
      async ({ relay, second }) => {
        for (const [place, how] of cuts) {
          keepWell(relay, quirk)
          seen = gate()
          const client = await relay.client()
          const prompt = JSON.stringify({ model: 'bare', stream: true })
          client.send(
            `POST /v1${quirk.path} HTTP/1.1\r\n${auth(relay)}content-length: ${prompt.length}\r\n\r\n${prompt}`,
          )
          const size = place.toString(16)
          await client.until((it) => {
            const bodyAt = it.bytes.indexOf(`\r\n\r\n${size}\r\n`, 0, 'latin1')
            return bodyAt !== -1 && it.bytes.length >= bodyAt + 6 + size.length + place
          }, `${place} bytes`)
          seen.open()
          const response = await client.response()
          assert.not(response.complete, `${place}, ${how}`)
          assert.ok(response.body.equals(body.subarray(0, place)), `other bytes: ${place}, ${how}`)
          client.destroy()
        }
        assert.is(second.requests.length, 0)
        const records = await relay.records(cuts.length)
        for (const [i, record] of records.entries()) {
          assert.is(record.end, 'upstream_cut')
          assert.is(record.error_code, 'upstream_cut')
          assert.is(record.bytes_out, cuts[i]?.[0])
          assert.is(record.attempts, 1)
        }
      },
    )
  })
}

test.run()
