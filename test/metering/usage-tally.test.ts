import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { JsonMeter } from '../../src/metering/json-meter.js'
import { StreamMeter } from '../../src/metering/stream-meter.js'
import { fc } from '../support/property.js'
import { cutAt, READING, scan } from './meters.js'

type Json = Readonly<Record<string, unknown>>

const told = (...usages: readonly Json[]): StreamMeter => {
  const meter = new StreamMeter()
  for (const usage of usages) meter.push(Buffer.from(`data: ${JSON.stringify({ usage })}\n\n`))
  meter.end()
  return meter
}

test('a zero, a null or a missing number does not replace a number, and a later number does', () => {
  const first = { prompt_tokens: 100, completion_tokens: 6, prompt_tokens_details: { cached_tokens: 90 } }
  const read = (...usages: readonly Json[]): unknown[] => {
    const { usage } = told(first, ...usages).readStats()
    return [usage?.prompt, usage?.cached, usage?.completion]
  }
  assert.equal(read({ prompt_tokens: 0, completion_tokens: null }), [100, 90, 6])
  assert.equal(read({ prompt_tokens: null, prompt_tokens_details: { cached_tokens: 0 } }), [100, 90, 6])
  assert.equal(read({ prompt_tokens: -5, completion_tokens: 1.5, prompt_tokens_details: [] }), [100, 90, 6])
  assert.equal(read({ prompt_tokens: 101, completion_tokens: 5 }), [101, 90, 5])
  assert.equal(read({ prompt_tokens: 0 }, { completion_tokens: 7 }), [100, 90, 7])
})

test('a number that no batch can use is not read, and all sums are exact', () => {
  const most = 1e12
  const read = (usage: Json): unknown[] => {
    const { usage: found } = told(usage).readStats()
    return [found?.prompt ?? null, found?.completion ?? null]
  }
  for (const wrong of [most + 1, 1e15, Number.MAX_SAFE_INTEGER, 1e300])
    assert.equal(read({ prompt_tokens: wrong, completion_tokens: 5 }), [null, 5], String(wrong))
  assert.equal(read({ prompt_tokens: most, completion_tokens: most }), [most, most])
  const part = { input_tokens: most, cache_read_input_tokens: most, cache_creation_input_tokens: most }
  const passes = Array.from({ length: 200 }, () => Object.assign({ model: 'm', output_tokens: most }, part))
  for (const sum of read(Object.assign({ output_tokens: most, iterations: passes }, part)))
    assert.ok(Number.isSafeInteger(sum) && Number(sum) >= most, String(sum))
  const entries = Array.from({ length: 20_000 }, () => ({ modality: 'IMAGE', tokenCount: most }))
  const meter = new JsonMeter()
  const body = {
    usageMetadata: { promptTokenCount: 5, candidatesTokenCount: 3, promptTokensDetails: entries },
  }
  meter.push(Buffer.from(JSON.stringify(body)))
  meter.end()
  assert.ok(Number(meter.readStats().usage?.details?.imagePrompt) <= most)
})

test('of several names for one number in one object, the largest counts', () => {
  const { usage } = told({
    ...{ prompt_tokens: 0, input_tokens: 70, completion_tokens: 5, output_tokens: 5 },
    ...{ cached_tokens: 3, prompt_cache_hit_tokens: 40, num_cached_tokens: 0 },
    prompt_tokens_details: { cached_tokens: 0 },
  }).readStats()
  assert.equal([usage?.prompt, usage?.cached, usage?.completion], [70, 40, 5])
})

test('a cost that is no number of dollars is not read', () => {
  const costs: unknown[] = [
    '0.1',
    -1,
    null,
    {},
    { total_cost: '1' },
    { currency: 'EUR', total_cost: 1 },
    1e300,
  ]
  for (const cost of [...costs, { total_cost: { total_cost: 1 } }])
    assert.is(told({ prompt_tokens: 1, cost }).readStats().usage?.details, null, JSON.stringify(cost))
  assert.is(told({ cost: { currency: 'USD', total_cost: 1 } }).readStats().usage?.details?.costNano, 1e9)
})

test('passes that are less than the whole do not replace it, and one pass alone is none', () => {
  const iterations = [{ type: 'message', input_tokens: 5, output_tokens: 5 }]
  const whole = { input_tokens: 100, output_tokens: 50, cache_read_input_tokens: 0 }
  for (const list of [iterations, [...iterations, ...iterations], [], 'x', [null, 7]]) {
    const { usage } = told({ ...whole, iterations: list }).readStats()
    assert.equal([usage?.prompt, usage?.completion, usage?.details], [100, 50, null])
  }
})

test('passes within passes are not read, however deep they are', () => {
  const depth = 50_000
  const nested = (filler: string): Buffer =>
    Buffer.from(
      `data: {"filler":"${filler}","usage":{"input_tokens":7,"output_tokens":1,${'"iterations":[{'.repeat(depth)}${'}]'.repeat(depth)}}}\n\n`,
    )
  assert.is(scan(new StreamMeter(), [nested('')]).usage?.prompt, 7)
  const { unparsed } = scan(new StreamMeter(), [nested('x'.repeat(2_000_000))])
  assert.is(unparsed, 1)
})

test('events of any JSON are read without an error', () => {
  const name = fc.constantFrom(
    ...[
      'usage',
      'choices',
      'delta',
      'message',
      'response',
      'x_groq',
      'timings',
      'meta',
      'type',
      'error',
      'content',
    ],
    ...[
      'iterations',
      'prompt_tokens',
      'input_tokens',
      'output',
      'item',
      'tool_calls',
      'function',
      'candidates',
      'cost',
    ],
  )
  const leaf = fc.constantFrom<unknown>(
    null,
    0,
    7,
    -1,
    1.5,
    '',
    'x',
    'message-end',
    'content_block_start',
    true,
    [],
    {},
  )
  const { any } = fc.letrec((tie) => ({
    any: fc.oneof(
      { depthSize: 'medium', withCrossShrink: true },
      leaf,
      fc.dictionary(name, tie('any'), { maxKeys: 4 }),
      fc.array(tie('any'), { maxLength: 3 }),
    ),
  }))
  fc.assert(
    fc.property(fc.array(any, { maxLength: 4 }), (events) => {
      const bytes = Buffer.from(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''))
      const { unparsed } = scan(new StreamMeter(), [bytes])
      // Values that are no objects are unparsed, and nothing else is.
      const isObject = (event: unknown): boolean => typeof event === 'object' && event !== null
      const others = (event: unknown): number =>
        Array.isArray(event) ? event.reduce((sum, one) => sum + others(one), 0) : isObject(event) ? 0 : 1
      assert.is(
        unparsed,
        events.reduce((sum: number, event) => sum + others(event), 0),
      )
      for (const event of events) scan(new JsonMeter(), [Buffer.from(JSON.stringify(event))])
    }),
    { numRuns: 3_000 },
  )
})

// What follows is for any order of events, with repeats, zeros and nulls between them.

const number = fc.constantFrom(0, 1, 7, 40, 900)
const maybe = fc.oneof(number, fc.constantFrom(null, undefined))

/** A usage in one form, with the numbers that a meter must never lose. */
interface Told {
  readonly event: Json
  readonly prompt: number
  readonly cached: number
  readonly completion: number
}

const chatUsage = fc
  .record({ prompt: maybe, cached: maybe, completion: maybe, place: fc.nat(4) })
  .map(({ prompt, cached, completion, place }): Told => {
    const usage = {
      ...{ prompt_tokens: prompt, completion_tokens: completion },
      prompt_tokens_details: { cached_tokens: cached },
    }
    const events: Json[] = [
      { choices: [], usage },
      { choices: [{ index: 0, delta: {}, usage }] },
      { choices: [], x_groq: { usage } },
      { type: 'response.completed', response: { usage } },
      { type: 'message-end', delta: { usage } },
    ]
    return {
      event: events[place] as Json,
      prompt: prompt ?? 0,
      cached: cached ?? 0,
      completion: completion ?? 0,
    }
  })

const noise = fc
  .constantFrom<Json>(
    { choices: [{ index: 0, delta: { content: 'word' } }] },
    { choices: [], usage: null },
    { choices: [], usage: {} },
    { choices: [], usage: { prompt_tokens: 0, completion_tokens: 0 } },
    { choices: [], usage: { prompt_tokens: null } },
    { type: 'ping' },
  )
  .map((event): Told => ({ event, prompt: 0, cached: 0, completion: 0 }))

test('in any order of events, no number goes back to nothing, and none is counted twice', () => {
  const events = fc.array(fc.oneof(chatUsage, noise), { maxLength: 12 })
  fc.assert(
    fc.property(events, fc.array(fc.nat(4_000), { maxLength: 8 }), READING, (list, cuts, reading) => {
      const bytes = Buffer.from(list.map(({ event }) => `data: ${JSON.stringify(event)}\n\n`).join(''))
      const { usage } = scan(new StreamMeter(), cutAt(bytes, cuts), reading)
      for (const part of ['prompt', 'cached', 'completion'] as const) {
        const positive = list.map((one) => one[part]).filter((count) => count > 0)
        assert.is(usage?.[part] ?? 0, positive.at(-1) ?? 0, part)
      }
    }),
    { numRuns: 2_000 },
  )
})

test("in any order of Anthropic's events, the parts of the prompt are added once each", () => {
  const part = fc.record({
    input: maybe,
    read: maybe,
    short: maybe,
    hour: maybe,
    output: maybe,
    first: fc.boolean(),
  })
  fc.assert(
    fc.property(fc.array(part, { maxLength: 8 }), fc.array(fc.nat(4_000), { maxLength: 8 }), (list, cuts) => {
      const events = list.map(({ input, read, short, hour, output, first }) => {
        const usage = {
          ...{ input_tokens: input, cache_read_input_tokens: read, output_tokens: output },
          cache_creation: { ephemeral_5m_input_tokens: short, ephemeral_1h_input_tokens: hour },
        }
        return first
          ? { type: 'message_start', message: { usage } }
          : { type: 'message_delta', delta: {}, usage }
      })
      const bytes = Buffer.from(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''))
      const { usage } = scan(new StreamMeter(), cutAt(bytes, cuts))
      const last = (name: 'input' | 'read' | 'short' | 'hour' | 'output'): number =>
        list.map((one) => one[name] ?? 0).findLast((count) => count > 0) ?? 0
      const written = last('short') + last('hour')
      assert.is(usage?.completion ?? 0, last('output'))
      assert.is(usage?.cached ?? 0, last('read'))
      assert.is(usage?.cacheWritten ?? 0, written)
      assert.is(usage?.details?.cacheWrittenHour ?? 0, last('hour'))
      const isInputTold = list.some(({ input }) => input !== null && input !== undefined)
      assert.is(usage?.prompt ?? 0, isInputTold ? last('input') + last('read') + written : 0)
    }),
    { numRuns: 2_000 },
  )
})

test("reasoning beside the completion is added by the total alone, and a total's surplus by the form alone", () => {
  const count = fc.nat(500)
  fc.assert(
    fc.property(count, count, fc.nat(99), fc.nat(99), (prompt, completion, reasoning, hidden) => {
      const usage = (total: number): Json => ({
        ...{ prompt_tokens: prompt, completion_tokens: completion, total_tokens: total },
        completion_tokens_details: { reasoning_tokens: reasoning },
      })
      const read = (total: number): number | null | undefined =>
        told(usage(total)).readStats().usage?.completion
      assert.is(read(prompt + completion + reasoning), completion + reasoning)
      assert.is(read(prompt + completion + reasoning + 1 + hidden), completion)
      if (reasoning > 0) assert.is(read(prompt + completion), completion)
    }),
  )
})

test.run()
