import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ChatThoughtObserver } from '../../../src/translate/thinking/chat-thought-observer.js'
import { cutsOf } from '../chunks.js'
import { createSink, eventsOf } from '../readers.js'

const delta = (delta: object, finish: string | null = null): object => ({
  choices: [{ index: 0, delta, finish_reason: finish }],
})
const EXTRA = { google: { thought_signature: 'x' } }
const call = (id: string, more: object = {}): object => ({
  id,
  function: { name: 'A', arguments: '{}' },
  ...more,
})

const EVENTS = [
  delta({ role: 'assistant', content: '' }),
  delta({ reasoning_content: 'na' }),
  delta({ reasoning_content: 'ïve' }),
  delta({ content: 'hi' }),
  delta({ tool_calls: [call('a'), call('b')] }),
  delta({ tool_calls: [call('c', { extra_content: EXTRA })] }),
]
const EXPECTED = [
  [['c'], JSON.stringify(EXTRA)],
  [['a', 'b'], '"naïve"'],
]

/** Sends a response through, and checks that it passes at once. @returns what is remembered */
function observe(eventStream: boolean, pieces: readonly Buffer[]): unknown {
  const sink = createSink()
  const observer = new ChatThoughtObserver(eventStream, sink)
  for (const piece of pieces) assert.is(observer.push(piece), piece)
  assert.is(observer.bytesHeld, 0)
  assert.is(observer.end().length, 0)
  return sink.got
}

test('the thinking of a stream that passes is remembered, however the stream is cut and ended', () => {
  const end = delta({}, 'tool_calls')
  for (const pieces of cutsOf(Buffer.from(eventsOf(...EVENTS, end, '[DONE]'))))
    assert.equal(observe(true, pieces), EXPECTED)
  assert.equal(observe(true, [Buffer.from(eventsOf(...EVENTS, '[DONE]'))]), EXPECTED)
  assert.equal(observe(true, [Buffer.from(eventsOf(...EVENTS, end))]), EXPECTED)
})

test('nothing of a stream is remembered that is incomplete, broken or too long', () => {
  assert.equal(observe(true, [Buffer.from(eventsOf(...EVENTS))]), [])
  assert.equal(observe(true, [Buffer.from(eventsOf(...EVENTS, '{"error":{}}', '[DONE]'))]), [])
  assert.equal(observe(true, [Buffer.from(eventsOf(...EVENTS, '{"tool_calls"', '[DONE]'))]), [])
  const long = Buffer.from(`data: ${'x'.repeat(2 * 1024 * 1024)}`)
  assert.equal(
    observe(true, [Buffer.from(eventsOf(...EVENTS)), long, Buffer.from(`\n\n${eventsOf('[DONE]')}`)]),
    [],
  )
})

test('the thinking of a whole body that passes is remembered, unless it is too long', () => {
  const message = {
    reasoning_content: 'naïve',
    tool_calls: [call('a'), call('b'), call('c', { extra_content: EXTRA })],
  }
  const body = JSON.stringify({ choices: [{ message, finish_reason: 'tool_calls' }] })
  for (const pieces of cutsOf(Buffer.from(body))) assert.equal(observe(false, pieces), EXPECTED)
  assert.equal(observe(false, [Buffer.from(body + ' '.repeat(2 * 1024 * 1024))]), [])
  assert.equal(observe(false, [Buffer.from('<html>')]), [])
})

test('a stream that breaks off leaves nothing behind', () => {
  const sink = createSink()
  const observer = new ChatThoughtObserver(true, sink)
  observer.push(Buffer.from(eventsOf(...EVENTS)))
  assert.is(observer.breakOff().length, 0)
  assert.equal(sink.got, [])
})

test.run()
