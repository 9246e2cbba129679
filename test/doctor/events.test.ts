import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readEvents } from '../../src/doctor/events.js'

const CHUNK = {
  object: 'chat.completion.chunk',
  choices: [{ delta: { content: 'hi' }, finish_reason: 'stop' }],
}

/** Reads a stream whose chunks arrive one millisecond apart. */
function see(chunks: readonly Buffer[]): ReturnType<typeof readEvents> {
  return readEvents({
    status: 200,
    version: '1.1',
    headers: [],
    chunks: chunks.map((bytes, atMs) => ({ atMs, bytes })),
    headMs: 0,
    headAt: 0,
    totalMs: chunks.length,
    end: 'whole',
  })
}

test('an event has the time of the chunk that completes it, with each kind of line end', () => {
  for (const end of ['\n', '\r\n', '\r']) {
    const event = `data: ${JSON.stringify(CHUNK)}${end}${end}`
    const done = `data: [DONE]${end}${end}`
    const chunks = [`: hello${end}${end}${event.slice(0, 9)}`, event.slice(9), event, done]
    const seen = see(chunks.map((text) => Buffer.from(text)))
    assert.equal(seen.times, [1, 2, 3])
    assert.is(seen.chunks, 2)
    assert.is(seen.done, true)
    assert.is(seen.finish, 'stop')
    assert.is(seen.bytes, 2 * event.length + done.length)
  }
})

test('an event whose characters or line ends are cut in two is read as one', () => {
  const event = Buffer.from(`data: {"error":{"message":"naïve"}}\r\n\r\n`)
  for (let cut = 1; cut < event.length - 1; cut++) {
    const { error, times } = see([event.subarray(0, cut), event.subarray(cut)])
    assert.is(error, 'naïve', `cut at ${cut}`)
    assert.is(times.length, 1)
  }
})

test('an event that no blank line ends does not count', () => {
  assert.equal(see([Buffer.from('data: 1\n')]).times, [])
})

test.run()
