import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isJsonLines, isUntyped } from '../../src/http/media-type.js'
import { createResponseFacts } from '../../src/http/response-headers.js'
import { createMeter } from '../../src/metering/create-meter.js'
import type { ResponseStats } from '../../src/metering/response-stats.js'
import { StreamMeter } from '../../src/metering/stream-meter.js'
import { cutAt, READINGS, scan } from './meters.js'

const TEXT = 'data: {"model":"m","choices":[{"index":0,"delta":{"content":"word"}}]}\n\n'
const USAGE = 'data: {"choices":[],"usage":{"prompt_tokens":7,"completion_tokens":2}}\n\n'
const WHOLE =
  '{"model":"m","choices":[{"message":{"content":"word"}}],"usage":{"prompt_tokens":7,"completion_tokens":2}}'

/** What is to be the same wherever a stream is cut. */
function summary({ events, deltas, error, errors, unparsed, ended, usage }: ResponseStats): unknown {
  return { events, deltas, error, errors, unparsed, ended, prompt: usage?.prompt ?? null }
}

function assertEverywhere(text: string, wanted: object, create = () => new StreamMeter()): void {
  const bytes = Buffer.from(text)
  const all = { deltas: 0, error: null, errors: 0, unparsed: 0, ended: false, prompt: null, ...wanted }
  for (const reading of READINGS)
    for (let cut = 0; cut < bytes.length; cut++)
      assert.equal(summary(scan(create(), cutAt(bytes, [cut]), reading)), all, `cut at ${cut}, ${reading}`)
  const single = Array.from(bytes, (_, i) => bytes.subarray(i, i + 1))
  assert.equal(summary(scan(create(), single)), all)
}

const failed = { error: '502', errors: 1, ended: true }

test('an error without the name of a field is an event, in one line or in several', () => {
  const error = { error: { code: 502, message: 'made up' } }
  for (const text of [JSON.stringify(error), JSON.stringify([error]), JSON.stringify(error, null, 2)]) {
    assertEverywhere(`${TEXT}${TEXT}${text}\n\n`, { events: 3, deltas: 2, ...failed })
    assertEverywhere(`${TEXT}${text}`, { events: 2, deltas: 1, ...failed })
    assertEverywhere(`${text}\n`, { events: 1, ...failed })
  }
})

test('other lines without the name of a field say nothing, and do not hide what follows', () => {
  for (const line of [
    '{"choices":[]}',
    '[]',
    '{',
    '{"error":null}',
    '[1',
    '<html>',
    '}',
    `{"a":"${'x'.repeat(17_000)}`,
  ])
    assert.equal(summary(scan(new StreamMeter(), [Buffer.from(`${line}\n${TEXT}${USAGE}`)])), {
      ...{ events: 2, deltas: 1, error: null, errors: 0, unparsed: 0, ended: false, prompt: 7 },
    })
  assertEverywhere(`{"error":{\n\n${TEXT}`, { events: 1, deltas: 1 })
})

test('an event that is called error is one, whatever its data says', () => {
  const named = { error: 'error', errors: 1, ended: true }
  assertEverywhere(`${TEXT}event: error\ndata: {"message":"made up"}\n\n`, { events: 2, deltas: 1, ...named })
  assertEverywhere(`event:error\ndata: made up\n\n`, { events: 1, unparsed: 1, ...named })
  assertEverywhere(`event: error\ndata: {"error":{"code":502}}\n\n`, { events: 1, ...failed })
  // An event without data is none, and another name is no error.
  assertEverywhere(`event: error\n\n${TEXT}`, { events: 1, deltas: 1 })
  assertEverywhere(`event: errors\n${TEXT}`, { events: 1, deltas: 1 })
})

test('text behind the name of an error event is not counted as another event of text', () => {
  const text = 'data: {"choices":[{"delta":{"content":"word"}}]}\n\n'
  const named = { error: 'error', errors: 1, ended: true }
  assertEverywhere(`${text}${text}event: error\n${text}`, { events: 3, deltas: 3, ...named })
})

test('errors end a stream in every API', () => {
  const errors: readonly [string, string][] = [
    ['{"error":{"code":"server_error"}}', 'server_error'],
    ['{"type":"error","error":{"type":"overloaded_error"}}', 'overloaded_error'],
    ['{"type":"response.failed","response":{"status":"failed","error":null}}', 'failed'],
    ['{"choices":[{"delta":{},"finish_reason":"error","error":{"code":502}}]}', '502'],
    ['{"choices":[],"x_groq":{"error":"over capacity"}}', 'error'],
    ['[{"error":{"code":400,"status":"INVALID_ARGUMENT"}}]', '400'],
  ]
  for (const [data, name] of errors) {
    const { error, ended } = scan(new StreamMeter(), [Buffer.from(`${TEXT}data: ${data}\n\n`)])
    assert.equal([error, ended], [name, true], data)
    // What follows an error is read all the same.
    const more = scan(new StreamMeter(), [Buffer.from(`data: ${data}\n\n${TEXT}${USAGE}`)])
    assert.equal([more.error, more.ended, more.usage?.prompt], [name, false, 7], data)
  }
})

function read(type: string | null, body: string, asksStream: boolean): unknown {
  const facts = createResponseFacts()
  if (type !== null) {
    facts.json = /json$/.test(type)
    facts.jsonLines = isJsonLines(type)
    facts.untyped = isUntyped(type)
  }
  const seen = new Set<string>()
  const bytes = Buffer.from(body)
  for (let cut = 0; cut < bytes.length; cut++) {
    const meter = createMeter(facts, null, asksStream)
    if (meter === null) return null
    const { usage, deltas, unparsed } = scan(meter, cutAt(bytes, [cut]))
    seen.add(JSON.stringify([usage?.prompt ?? null, deltas, unparsed]))
  }
  assert.is(seen.size, 1, [...seen].join())
  return JSON.parse([...seen][0] as string)
}

test('a stream that is called JSON, or nothing, is read as a stream where one was asked for', () => {
  for (const type of [
    null,
    '',
    'application/json',
    'text/plain',
    'text/plain; charset=utf-8',
    'application/octet-stream',
  ])
    for (const start of ['', '\n\n', ': keep-alive\n\n', 'event: x\n', '\ufeff'])
      assert.equal(
        read(type, `${start}${TEXT}${USAGE}`, true),
        [7, 1, 0],
        `${type}, ${JSON.stringify(start)}`,
      )
})

test('JSON in place of a stream, and JSON that was asked for, are read as JSON', () => {
  for (const start of ['', '\n \n']) {
    assert.equal(read('application/json', start + WHOLE, true), [7, 1, 0])
    assert.equal(read('application/json', start + WHOLE, false), [7, 1, 0])
    assert.equal(read(null, start + WHOLE, true), [7, 1, 0])
  }
  assert.equal(read('application/json', '<html>', true), [null, 0, 1])
  assert.equal(read('application/json', TEXT, false), [null, 0, 1])
})

test('what has no type and is no stream, and pages, are not read', () => {
  assert.is(read(null, TEXT, false), null)
  assert.is(read('text/html', TEXT, true), null)
  assert.is(read('audio/mpeg', TEXT, true), null)
})

test('lines of JSON are events', () => {
  const lines =
    '{"message":{"content":"a"},"done":false}\n\n{"done":true,"prompt_eval_count":7,"eval_count":1}'
  for (const type of ['application/x-ndjson', 'application/jsonl', 'application/x-ndjson; charset=utf-8'])
    for (const end of ['\n', '\r\n'])
      assert.equal(read(type, lines.replaceAll('\n', end), true), [7, 1, 0], type)
  const { unparsed, ended } = scan(new StreamMeter(undefined, true), [Buffer.from('<html>\n{"done":true}\n')])
  assert.equal([unparsed, ended], [1, true])
})

test('very many lines that could begin an error cost no more for each than few', () => {
  const meter = new StreamMeter()
  // If each were parsed again with those before it, the runner's limit would end this.
  const line = Buffer.from(`{"a":[${'1,'.repeat(4_000)}\n}\n`)
  for (let n = 0; n < 5_000; n++) meter.push(line)
  meter.push(Buffer.from(USAGE))
  meter.end()
  assert.is(meter.readStats().usage?.prompt, 7)
})

test.run()
