import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ResponseStats } from '../../src/metering/response-stats.js'
import { findLast, KEPT_END, readTrailingUsage } from '../../src/metering/trailing-usage.js'

/** Prompt and completion tokens that are read from the end of a response. */
function read(end: string): readonly [number | null, number | null] | null {
  const stats = new ResponseStats()
  readTrailingUsage(Buffer.from(end), stats)
  return stats.usage && [stats.usage.prompt, stats.usage.completion]
}

const USAGE = '"usage":{"prompt_tokens":7,"completion_tokens":9}'

test('the last usage object is read from the end of a response', () => {
  assert.equal(read(`half a text"}],${USAGE}}`), [7, 9])
  assert.equal(read(`"usage":{"prompt_tokens":1,"completion_tokens":2},"x":{},${USAGE}}`), [7, 9])
  assert.equal(read(`x",\n "usage" : {"prompt_tokens": 7, "completion_tokens": 9}\n}\n`), [7, 9])
  assert.equal(read(USAGE), [7, 9])
})

test("Gemini's usage is read from the end of a response, too", () => {
  const usage = '"usageMetadata":{"promptTokenCount":7,"candidatesTokenCount":4,"thoughtsTokenCount":5}'
  assert.equal(read(`half a text"}],${usage},"modelVersion":"gemini-3"}`), [7, 9])
  assert.is(read('"usageMetadata":{"promptTokenCount":7'), null)
})

test('braces in strings do not end a usage object', () => {
  assert.equal(
    read(`"usage":{"tier":"}{\\"}","prompt_tokens":7,"details":[{}],"completion_tokens":9}`),
    [7, 9],
  )
})

test('a usage that is no object is passed over', () => {
  assert.equal(read(`${USAGE},"choices":[],"usage":null,"meta":{"prompt_tokens":1}}`), [7, 9])
  assert.is(read('"usage":null,"meta":{"prompt_tokens":1}}'), null)
  assert.is(read('["usage",{"prompt_tokens":1}]'), null)
})

test('a usage object that is not complete or not JSON is not read', () => {
  assert.is(read('"usage":{"prompt_tokens":7,"completion_tokens":9'), null)
  assert.is(read('"usage":{"prompt_tokens":7,}'), null)
  assert.is(read('"usage"'), null)
  assert.is(read('no such key'), null)
})

test('a usage that is quoted in a text is not read', () => {
  assert.is(read(JSON.stringify({ text: `{${USAGE}}` })), null)
})

test('of a long response, the last bytes are copied', () => {
  const bytes = Buffer.from(`${'x'.repeat(KEPT_END)}yz`)
  const end = findLast(bytes)
  assert.is(end.length, KEPT_END)
  assert.is(end.toString('latin1', KEPT_END - 3), 'xyz')
  bytes.fill(0)
  assert.is(end.toString('latin1', KEPT_END - 3), 'xyz')
})

test.run()
