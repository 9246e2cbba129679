import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createResponseFacts } from '../../src/http/response-headers.js'
import { createMeter } from '../../src/metering/create-meter.js'
import type { Meter } from '../../src/metering/meter.js'
import type { ResponseStats } from '../../src/metering/response-stats.js'
import { CHAT_SHAPES } from './forms/chats.js'
import type { Json, Shape } from './forms/form.js'
import { OTHER_API_SHAPES } from './forms/other-apis.js'
import { OWN_API_SHAPES } from './forms/own-apis.js'
import { cutAt, cutsOf, MIB, READINGS, scan } from './meters.js'

const SHAPES = [...CHAT_SHAPES, ...OWN_API_SHAPES, ...OTHER_API_SHAPES]

/** How the head of a response may call its body. */
const STREAM_TYPES = { eventStream: true, json: false, untyped: false, jsonLines: false }
const LINES_TYPES = { eventStream: false, json: false, untyped: false, jsonLines: true }
const JSON_TYPES = { eventStream: false, json: true, untyped: false, jsonLines: false }
const NO_TYPES = { eventStream: false, json: false, untyped: true, jsonLines: false }
type Types = typeof STREAM_TYPES

function meterFor({ preset }: Shape, types: Types, encoding: string | null = null): Meter {
  const asksStream = types === NO_TYPES || types === STREAM_TYPES
  const meter = createMeter({ ...createResponseFacts(), ...types, encoding }, preset, asksStream)
  assert.ok(meter)
  return meter
}

function write(events: readonly Json[], { isLines }: Shape): Buffer {
  const lines = events.map((event) => {
    const text = JSON.stringify(event)
    if (isLines) return `${text}\n`
    return typeof event.type === 'string' ? `event: ${event.type}\ndata: ${text}\n\n` : `data: ${text}\n\n`
  })
  return Buffer.from(lines.join(''))
}

const FILLER = `"filler":"${'{\\"usage\\":{\\"prompt_tokens\\":1}} '.repeat((MIB * 1.1) / 34)}"`

/** Puts a member that nothing reads, longer than what is kept, ahead of all others or behind them. */
function lengthen(value: Json | readonly Json[], place: 'ahead' | 'behind'): string {
  if (Array.isArray(value)) {
    const texts = value.map((one, i) => (i === 0 ? lengthen(one, place) : JSON.stringify(one)))
    return `[${texts.join(',')}]`
  }
  const text = JSON.stringify(value)
  return place === 'ahead' ? `{${FILLER},${text.slice(1)}` : `${text.slice(0, -1)},${FILLER}}`
}

async function readAll(meter: Meter, bytes: Buffer): Promise<ResponseStats> {
  for (let at = 0; at < bytes.length; at += 700) meter.push(bytes.subarray(at, at + 700))
  meter.end()
  await new Promise<void>((resolve) => meter.whenRead(resolve))
  return meter.readStats()
}

for (const shape of SHAPES) {
  const { name, whole, events, isLines, usage } = shape
  const types = isLines ? LINES_TYPES : STREAM_TYPES

  if (events !== null) {
    test(`usage of a stream is the same wherever it is cut: ${name}`, () => {
      const bytes = write(events, shape)
      assert.equal(scan(meterFor(shape, types), [bytes]).usage, usage, 'in one chunk')
      for (const reading of READINGS)
        for (const cut of cutsOf(bytes, reading))
          assert.equal(
            scan(meterFor(shape, types), cutAt(bytes, [cut]), reading).usage,
            usage,
            `cut at ${cut}, read ${reading}`,
          )
      const single = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))
      assert.equal(scan(meterFor(shape, types), single).usage, usage, 'byte by byte')
      if (!isLines) assert.equal(scan(meterFor(shape, NO_TYPES), single).usage, usage, 'without a type')
    })

    test(`usage of a stream is the same if its events are very long: ${name}`, () => {
      for (const place of ['ahead', 'behind'] as const) {
        const texts = events.map((event) => lengthen(event, place))
        const bytes = Buffer.from(texts.map((text) => (isLines ? `${text}\n` : `data: ${text}\n\n`)).join(''))
        for (const size of [bytes.length, 65_536, 16_384 - 1]) {
          const meter = meterFor(shape, types)
          for (let at = 0; at < bytes.length; at += size) meter.push(bytes.subarray(at, at + size))
          meter.end()
          const stats = meter.readStats()
          assert.equal(stats.usage, usage, `${place}, pieces of ${size}`)
          assert.is(stats.unparsed, events.length)
        }
      }
    })

    test(`usage of a stream is the same if it is compressed: ${name}`, async () => {
      const bytes = write(events, shape)
      for (const [coding, compress] of Object.entries({
        gzip: gzipSync,
        br: brotliCompressSync,
        deflate: deflateSync,
      }))
        assert.equal((await readAll(meterFor(shape, types, coding), compress(bytes))).usage, usage, coding)
    })
  }

  if (whole !== null) {
    test(`usage of a whole response is the same wherever it is cut: ${name}`, () => {
      const bytes = Buffer.from(JSON.stringify(whole, null, 1))
      for (let cut = 0; cut < bytes.length; cut++)
        assert.equal(scan(meterFor(shape, JSON_TYPES), cutAt(bytes, [cut])).usage, usage, `cut at ${cut}`)
      assert.equal(scan(meterFor(shape, NO_TYPES), [bytes]).usage, usage, 'without a type')
    })

    test(`usage of a whole response is the same if it is very long: ${name}`, () => {
      for (const place of ['ahead', 'behind'] as const) {
        const bytes = Buffer.from(lengthen(whole, place))
        for (const size of [bytes.length, 65_536, 1_000]) {
          const meter = meterFor(shape, JSON_TYPES)
          for (let at = 0; at < bytes.length; at += size) meter.push(bytes.subarray(at, at + size))
          meter.end()
          assert.equal(meter.readStats().usage, usage, `${place}, pieces of ${size}`)
        }
      }
    })

    test(`usage of a whole response is the same if it is compressed: ${name}`, async () => {
      const bytes = gzipSync(JSON.stringify(whole))
      assert.equal((await readAll(meterFor(shape, JSON_TYPES, 'gzip'), bytes)).usage, usage)
    })
  }
}

test.run()
