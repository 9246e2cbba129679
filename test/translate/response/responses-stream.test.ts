import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { cutsOf, DONE, finish, named, open, ROLE, readChunks, say, translate } from '../chunks.js'
import { toChunks, withShortIds } from '../readers.js'
import { ODD_STREAMS } from '../responses-odd-streams.js'
import { added, args, call, completed, created, STREAMS, text } from '../responses-streams.js'

for (const [name, events, chunks] of [...STREAMS, ...ODD_STREAMS]) {
  test(`a Responses stream becomes the same chunks wherever it is cut: ${name}`, () => {
    const bytes = Buffer.from(named(...events))
    const whole = withShortIds(translate(toChunks('responses', true, 'asked'), [bytes]))
    assert.equal(readChunks(whole).chunks, chunks)
    const normal = (out: string): string => out.replaceAll(/"id":"chatcmpl-\w+"|"created":\d+/g, '')
    // All cuts of a long stream take seconds. Every seventh still falls into each event.
    const step = bytes.length > 4_000 ? 7 : 1
    let n = 0
    for (const pieces of cutsOf(bytes)) {
      if (n++ % step !== 0 && pieces.length === 2) continue
      const out = withShortIds(translate(toChunks('responses', true, 'asked'), pieces))
      assert.is(normal(out), normal(whole))
    }
  })
}

test('each chunk of a translated response has its id, time and model', () => {
  const { head } = readChunks(
    translate(toChunks('responses', false, 'asked'), [Buffer.from(named(created, text('hi'), completed()))]),
  )
  assert.equal(head, { id: 'resp_T1', created: 1_700_000_000, model: 'gpt-x-test' })
})

test('a response without id and model gets a new id and the requested model', () => {
  const before = Math.floor(Date.now() / 1000)
  const { head } = readChunks(
    translate(toChunks('responses', false, 'asked'), [Buffer.from(named(text('hi')))]),
  )
  assert.match(head?.id ?? '', /^chatcmpl-[0-9a-f]{24}$/)
  assert.is(head?.model, 'asked')
  const at = head?.created ?? 0
  assert.ok(at >= before && at <= Date.now() / 1000, String(at))
})

test('the chunks of a response have usage only if it is wanted and known', () => {
  const bytes = Buffer.from(named(created, text('hi'), completed()))
  const without = readChunks(translate(toChunks('responses', false, null), [bytes])).chunks
  assert.equal(without, [ROLE, say('hi'), finish('stop'), DONE])
  const unknown = Buffer.from(named(created, text('hi'), completed({ usage: null })))
  assert.equal(readChunks(translate(toChunks('responses', true, null), [unknown])).chunks, without)
})

const ERROR = { message: 'test failure', type: 'server_error', param: null, code: 'server_error' }
const nested = {
  type: 'error',
  sequence_number: 2,
  error: { type: 'server_error', code: 'server_error', message: 'test failure', param: null },
}
const flat = { type: 'error', code: 'server_error', message: 'test failure', param: null, sequence_number: 2 }
const failed = {
  type: 'response.failed',
  response: {
    id: 'resp_T2',
    status: 'failed',
    error: { code: 'insufficient_quota', message: 'test' },
    usage: null,
  },
}

for (const [name, text, error] of [
  ['nested', named(nested, failed), ERROR],
  ['flat', named(flat, failed), ERROR],
  [
    'in the response that failed',
    named(failed, failed),
    { ...ERROR, message: 'test', code: 'insufficient_quota' },
  ],
  ['without an event name', `data: ${JSON.stringify({ error: nested.error })}\n\ndata: [DONE]\n\n`, ERROR],
  ['as a text', 'event: error\ndata: {"error":"test failure"}\n\n', { ...ERROR, code: null }],
  [
    'without a message',
    'event: error\ndata: x\n\n',
    { ...ERROR, message: 'The upstream reported an error without a message.', code: null },
  ],
] as const) {
  test(`an error ${name} is written once, and nothing follows it`, () => {
    const bytes = Buffer.from(`${named(created)}${text}${named(completed())}: late\n\n`)
    for (const pieces of cutsOf(bytes)) {
      const { chunks } = readChunks(translate(toChunks('responses', true, null), pieces))
      assert.equal(chunks, [ROLE, { error }])
    }
  })
}

test('a Responses stream without its end event gets an error', () => {
  const { chunks } = readChunks(
    translate(toChunks('responses', true, null), [Buffer.from(named(created, text('hi')))]),
  )
  assert.equal(chunks.slice(0, 2), [ROLE, say('hi')])
  assert.equal(Object.keys((chunks[2] as { error: object }).error), ['message', 'type', 'param', 'code'])
  assert.is(chunks.length, 3)
})

test('[DONE] ends a Responses stream, as some upstreams send it in place of the end event', () => {
  const bytes = Buffer.from(`${named(created, text('hi'))}data: [DONE]\n\n`)
  const { chunks } = readChunks(translate(toChunks('responses', true, null), [bytes]))
  assert.equal(chunks, [ROLE, say('hi'), finish('stop'), DONE])
})

test('a Responses stream that breaks off anywhere gets no end', () => {
  const bytes = Buffer.from(named(created, text('hi'), added(call(1, 'Shell'), 1), completed()))
  const end = bytes.length
  for (let at = 0; at < end; at++) {
    const translation = toChunks('responses', true, null)
    const out = Buffer.concat([translation.push(bytes.subarray(0, at)), translation.breakOff()]).toString()
    const { chunks } = readChunks(out)
    assert.equal(chunks, [ROLE, say('hi'), open(0, 'call_1', 'Shell')].slice(0, chunks.length), `at ${at}`)
  }
})

test('each event of a response gives its chunk at once', () => {
  const translation = toChunks('responses', true, null)
  for (const event of [
    created,
    text('h'),
    text('i'),
    added(call(1, 'Shell'), 1),
    args(1, 1, '{'),
    completed(),
  ])
    assert.ok(translation.push(Buffer.from(named(event))).length > 0, event.type)
  assert.is(translation.end().length, 0)
})

test('comments keep their places, and pings, which end a chunk for Continue, become keep-alives', () => {
  const bytes = Buffer.from(
    `: keep-alive\n\n${named(created)}: OPENROUTER PROCESSING\n\n: ping - 2026\n\n:\n\n${named(text('hi'))}`,
  )
  const translation = toChunks('responses', true, null)
  assert.equal(readChunks(translation.push(bytes).toString()).chunks, [
    ': keep-alive',
    ROLE,
    ': OPENROUTER PROCESSING',
    ': keep-alive',
    ':',
    say('hi'),
  ])
})

test('a long event is counted while it arrives, and ends the stream with an error', () => {
  const error = { message: 'x', type: 'server_error', param: null, code: 'answer_too_long' }
  const translation = toChunks('responses', true, null)
  assert.is(translation.push(Buffer.from(`${named(created)}data: `)).length > 0, true)
  const part = Buffer.alloc(1024 * 1024, 'x')
  for (let i = 0; i < 15; i++) assert.is(translation.push(part).length, 0)
  assert.is(translation.bytesHeld, 15 * part.length + 6)
  const { chunks } = readChunks(translation.abort(JSON.stringify({ error })).toString())
  assert.equal(chunks, [{ error }])
})

test('half a character in one delta and half in the next join to one character', () => {
  const text = '{"type":"response.output_text.delta","delta":"\\ud83e"}'
  const bytes = Buffer.from(`data: ${text}\n\ndata: ${text.replace('d83e', 'dd8a')}\n\n${named(completed())}`)
  const { chunks } = readChunks(translate(toChunks('responses', false, null), [bytes]))
  const deltas = chunks.map((chunk) => (chunk as { delta?: { content?: string } }).delta?.content ?? '')
  assert.is(deltas.join(''), '🦊')
})

test.run()
