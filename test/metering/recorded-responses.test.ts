import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Exchange } from '../../src/exchange/exchange.js'
import type { RequestSummary } from '../../src/exchange/summary.js'
import { buildResponseHeaders, createResponseFacts } from '../../src/http/response-headers.js'
import { formatRecord } from '../../src/ledger/record.js'
import { createMeter } from '../../src/metering/create-meter.js'
import { PromptSample } from '../../src/metering/prompt-sample.js'
import { ANSWERS, type Answer } from '../support/answers.js'
import { cutAt, LONG, pieceBySize, tellingPlaces, type Way, waysOf, writeIn } from '../support/cuts.js'
import { QUIRKS } from '../support/quirks/quirks.js'
import { type Scene, withRelay } from '../support/scene.js'
import type { Received } from '../support/upstream.js'

type Json = Readonly<Record<string, unknown>>

/** Requests for one response that run at one time. */
const AT_ONCE = 6

const PROMPT = JSON.stringify({ model: 'gpt-x', stream: true, messages: [{ role: 'user', content: 'hi' }] })

/** A record without times and ids, which differ each time; of the first token only whether it came is kept. */
function withoutTimes(record: Json): Json {
  const { id, ts, ttft_ms, upstream_ttfb_ms, total_ms, overhead_us, gap_max_ms, ...rest } = record
  return { ...rest, hasFirstToken: ttft_ms !== null }
}

/** The fields of a record that the response decides. */
function pickDecided(record: Json | undefined, { decided }: Answer): Json {
  return Object.fromEntries(Object.keys(decided).map((name) => [name, record?.[name]]))
}

/** The record of a response that comes in these chunks, made as the relay makes it. */
async function recordOf({ status, headers }: Answer, pieces: readonly Buffer[]): Promise<Json> {
  const facts = createResponseFacts()
  buildResponseHeaders(
    headers.flatMap((line) => line.split(/: (.*)/).slice(0, 2)),
    'id',
    '',
    false,
    facts,
  )
  const exchange = new Exchange({ rawHeaders: [] } as unknown as IncomingMessage, {} as ServerResponse, 0)
  const meter = createMeter(facts, null, true)
  exchange.setTarget({ path: '/chat/completions', query: '', cursor: false, deployment: null })
  exchange.startResponse(Number.parseInt(status, 10), null, 0)
  exchange.setMeter(meter)
  exchange.setPrompt(PromptSample.of([Buffer.from(PROMPT)]))
  for (const piece of pieces) {
    exchange.countBytesOut(piece.length)
    meter?.push(piece)
  }
  meter?.end()
  exchange.conclude('done')
  const summary = exchange.close(performance.now()) as RequestSummary
  if (meter !== null && !meter.isRead) await new Promise<void>((resolve) => meter.whenRead(resolve))
  return JSON.parse(formatRecord(summary, 'w-0', 1, null)) as Json
}

for (const answer of [...ANSWERS, ...QUIRKS]) {
  const { name, body } = answer
  const isLong = body.length > LONG

  test(`the record of ${name} is the same wherever the response is cut`, async () => {
    const whole = await recordOf(answer, [body])
    assert.equal(pickDecided(whole, answer), answer.decided)
    const wanted = withoutTimes(whole)
    const places = isLong ? tellingPlaces(body, 6) : Array.from({ length: body.length - 1 }, (_, i) => i + 1)
    const text = JSON.stringify(wanted)
    for (const place of places) {
      const record = withoutTimes(await recordOf(answer, cutAt(body, [place])))
      // The same text is the same record: to compare all fields of each costs as much as to make it.
      if (JSON.stringify(record) !== text) assert.equal(record, wanted, `cut at ${place}`)
    }
    const size = isLong ? 1_000 : 1
    assert.equal(
      withoutTimes(await recordOf(answer, pieceBySize(body, size))),
      wanted,
      `in pieces of ${size}`,
    )
  })
}

function traceOf(n: number): string {
  return n.toString(16).padStart(32, '0')
}

function post(scene: Scene, n: number): string {
  return (
    `POST /v1/chat/completions?n=${n} HTTP/1.1\r\n${scene.auth}traceparent: 00-${traceOf(n)}-00f067aa0ba902b7-01\r\n` +
    `content-length: ${PROMPT.length}\r\n\r\n${PROMPT}`
  )
}

for (const answer of ANSWERS) {
  test(`the client gets the bytes of ${answer.name} over the wire, and the ledger gets its record`, () => {
    const ways = waysOf(answer.body)
    const script = (request: Received): Promise<void> => {
      const n = Number(request.target.split('?n=')[1])
      return writeIn(request, answer, ways[n] as Way)
    }
    return withRelay(
      script,
      async (scene) => {
        const queue = [...ways.keys()]
        const work = async (): Promise<void> => {
          for (let n = queue.shift(); n !== undefined; n = queue.shift()) {
            const response = await scene.ask(post(scene, n))
            assert.ok(response.complete)
            assert.is(response.status, answer.decided.status)
            assert.ok(response.body.equals(answer.body), `other bytes: ${JSON.stringify(ways[n])}`)
          }
        }
        await Promise.all(Array.from({ length: AT_ONCE }, work))
        const records = await scene.relay.records(ways.length)
        assert.is(records.length, ways.length)
        for (const [n, way] of ways.entries()) {
          const [record, ...others] = records.filter(({ trace_id }) => trace_id === traceOf(n))
          assert.is(others.length, 0)
          assert.equal(pickDecided(record, answer), answer.decided, JSON.stringify(way))
        }
      },
      { ledger: { flushMs: 1, fsync: 'never' } },
    )
  })
}

test.run()
