import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readEvents } from '../../src/doctor/events.js'

const CHUNK = {
  object: 'chat.completion.chunk',
  choices: [{ delta: { content: 'hi' }, finish_reason: 'stop' }],
}

/** What the doctor sees in a stream whose pieces come one millisecond apart. */
function see(pieces: readonly Buffer[]): ReturnType<typeof readEvents> {
  return readEvents({
    status: 200,
    version: '1.1',
    headers: [],
    chunks: pieces.map((bytes, atMs) => ({ atMs, bytes })),
    headMs: 0,
    headAt: 0,
    totalMs: pieces.length,
    end: 'whole',
  })
}

test('an event has the time of the piece that completes it, whatever ends its lines', () => {
  for (const end of ['\n', '\r\n', '\r']) {
    const event = `data: ${JSON.stringify(CHUNK)}${end}${end}`
    const done = `data: [DONE]${end}${end}`
    const pieces = [`: hello${end}${end}${event.slice(0, 9)}`, event.slice(9), event, done]
    const seen = see(pieces.map((text) => Buffer.from(text)))
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
