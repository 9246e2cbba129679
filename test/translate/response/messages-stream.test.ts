import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { argue, cutsOf, DONE, finish, named, open, ROLE, readChunks, say, translate } from '../chunks.js'
import { delta, MESSAGES, opened, START, STOP, stopped } from '../messages-streams.js'
import { toChunks } from '../readers.js'

for (const [name, events, chunks] of MESSAGES) {
  test(`a Messages stream becomes the same chunks wherever it is cut: ${name}`, () => {
    const bytes = Buffer.from(named(...events))
    for (const pieces of cutsOf(bytes))
      assert.equal(readChunks(translate(toChunks('messages', true, null), pieces)).chunks, chunks)
  })
}

test('each chunk of a translated message has its id and model', () => {
  const before = Math.floor(Date.now() / 1000)
  const bytes = Buffer.from(named(START, STOP))
  const { head } = readChunks(translate(toChunks('messages', false, 'asked'), [bytes]))
  assert.is(head?.id, 'msg_T1')
  assert.is(head?.model, 'claude-test-1')
  const created = head?.created ?? 0
  assert.ok(created >= before && created <= Date.now() / 1000, String(created))
})

for (const [reason, finished] of [
  ['end_turn', 'stop'],
  ['stop_sequence', 'stop'],
  ['pause_turn', 'stop'],
  ['something_new', 'stop'],
  ['max_tokens', 'length'],
  ['model_context_window_exceeded', 'length'],
  ['refusal', 'content_filter'],
] as const) {
  test(`a message that stopped for ${reason} finishes with ${finished}`, () => {
    const bytes = Buffer.from(named(START, stopped(reason), STOP))
    const { chunks } = readChunks(translate(toChunks('messages', false, null), [bytes]))
    assert.equal(chunks, [ROLE, finish(finished), DONE])
  })
}

test("a call that is cut for max_tokens finishes with length, and a server tool's call alone with stop", () => {
  const cut = [
    START,
    opened(0, { type: 'tool_use', id: 't', name: 'LS', input: {} }),
    stopped('max_tokens'),
    STOP,
  ]
  const server = [
    START,
    opened(0, { type: 'server_tool_use', id: 's', name: 'x' }),
    stopped('tool_use'),
    STOP,
  ]
  const of = (events: typeof cut) =>
    readChunks(translate(toChunks('messages', false, null), [Buffer.from(named(...events))])).chunks
  assert.equal(of(cut), [ROLE, open(0, 't', 'LS'), argue(0, '{}'), finish('length'), DONE])
  assert.equal(of(server), [ROLE, finish('stop'), DONE])
})

test('an error in a Messages stream is written once, and nothing follows it', () => {
  const error = {
    type: 'error',
    error: { type: 'overloaded_error', message: 'Overloaded' },
    request_id: 'req_1',
  }
  const bytes = Buffer.from(named(START, error, error, stopped('end_turn'), STOP))
  for (const pieces of cutsOf(bytes)) {
    const { chunks } = readChunks(translate(toChunks('messages', true, null), pieces))
    const expected = { message: 'Overloaded', type: 'overloaded_error', param: null, code: null }
    assert.equal(chunks, [ROLE, { error: expected }])
  }
})

test('a Messages stream is complete only if it has a stop reason', () => {
  const begun = [START, delta(0, { type: 'text_delta', text: 'hi' })]
  const cut = readChunks(translate(toChunks('messages', false, null), [Buffer.from(named(...begun))])).chunks
  assert.equal(Object.keys((cut[2] as { error: object }).error), ['message', 'type', 'param', 'code'])
  const complete = Buffer.from(named(...begun, stopped('end_turn')))
  assert.equal(readChunks(translate(toChunks('messages', false, null), [complete])).chunks, [
    ROLE,
    say('hi'),
    finish('stop'),
    DONE,
  ])
})

test('a Messages stream that breaks off gets no end, even after its stop reason', () => {
  const bytes = Buffer.from(
    named(START, delta(0, { type: 'text_delta', text: 'hi' }), stopped('end_turn'), STOP),
  )
  for (let at = 0; at < bytes.length; at++) {
    const translation = toChunks('messages', true, null)
    const out = Buffer.concat([translation.push(bytes.subarray(0, at)), translation.breakOff()]).toString()
    const { chunks } = readChunks(out)
    assert.equal(chunks, [ROLE, say('hi')].slice(0, chunks.length), `at ${at}`)
  }
})

test.run()
