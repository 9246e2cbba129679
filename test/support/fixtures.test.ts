import { test } from 'uvu'
import * as assert from 'uvu/assert'
import * as fixtures from './fixtures.js'

/** Every stream by its name. */
const STREAMS: ReadonlyArray<readonly [string, Buffer]> = [
  ['chat', fixtures.CHAT_STREAM],
  ['responses', fixtures.RESPONSES_STREAM],
  ['messages', fixtures.MESSAGES_STREAM],
  ['messages with an error', fixtures.MESSAGES_ERROR],
  ['azure', fixtures.AZURE_STREAM],
  ['groq', fixtures.GROQ_FINISH],
  ['gemini', fixtures.GEMINI_TOOL_CALL],
  ['llama', fixtures.LLAMA_STREAM],
  ...Object.entries(fixtures.CHAT_ERRORS),
  ...Object.entries(fixtures.RESPONSES_ERRORS),
  ...Object.entries(fixtures.KEEP_ALIVES),
]

interface Event {
  readonly name: string
  readonly data: string
}

/** By the rules of the event stream format, for text that is all there. */
function readEvents(bytes: Buffer): Event[] {
  const events: Event[] = []
  let name = ''
  let data: string[] = []
  const lines = bytes
    .toString()
    .replace(/^\uFEFF/, '')
    .split(/\r\n|\n|\r/)
  // The last one has no end.
  for (const line of lines.slice(0, -1)) {
    const [, field = '', value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? []
    if (line === '') {
      if (data.length > 0) events.push({ name, data: data.join('\n') })
      name = ''
      data = []
    } else if (field === 'event') name = value
    else if (field === 'data') data.push(value)
  }
  return events
}

test('requests are JSON that asks for a stream', () => {
  for (const body of [
    fixtures.RESPONSES_SHAPED_REQUEST,
    fixtures.MESSAGES_SHAPED_REQUEST,
    fixtures.CHAT_REQUEST,
  ]) {
    const request = JSON.parse(body.toString())
    assert.is(request.stream, true)
    assert.type(request.model, 'string')
    assert.is('input' in request, body === fixtures.RESPONSES_SHAPED_REQUEST)
  }
})

for (const [name, bytes] of STREAMS) {
  test(`events of ${name} hold JSON, and their names agree with it`, () => {
    for (const event of readEvents(bytes)) {
      if (event.data === '[DONE]') continue
      const payload = JSON.parse(event.data)
      assert.is(JSON.stringify(payload), event.data)
      if (event.name !== '' && 'type' in payload) assert.is(payload.type, event.name)
    }
  })
}

test('streams have as many events as they are to have', () => {
  const counts = Object.fromEntries(STREAMS.map(([name, bytes]) => [name, readEvents(bytes).length]))
  assert.equal(counts, {
    chat: 7,
    responses: 3,
    messages: 7,
    'messages with an error': 5,
    // The last one has no blank line.
    azure: 2,
    groq: 1,
    gemini: 1,
    llama: 2,
    plain: 1,
    thenDone: 2,
    inChunk: 1,
    named: 1,
    nested: 2,
    flat: 2,
    comment: 0,
    processing: 0,
    emptyComment: 0,
    ping: 1,
  })
})

test('streams end with a blank line, except where that is the point', () => {
  for (const [name, bytes] of STREAMS) assert.is(bytes.toString().endsWith('\n\n'), name !== 'azure', name)
  assert.ok(fixtures.AZURE_STREAM.toString().endsWith('\n\ndata: [DONE]'))
})

test('the bytes are what is on the wire', () => {
  assert.is(fixtures.KEEP_ALIVES.ping.toString(), 'event: ping\ndata: {"type":"ping"}\n\n')
  assert.is(
    fixtures.CHAT_ERRORS.named.toString(),
    'event: error\ndata: {"error":{"message":"made up","type":"server_error","param":null,"code":"server_error"}}\n\n',
  )
  assert.is(
    fixtures.GEMINI_ERROR.toString(),
    '[{"error":{"code":400,"message":"made up","status":"INVALID_ARGUMENT"}}]',
  )
  assert.ok(
    fixtures.CHAT_STREAM.includes(
      'data: {"id":"chatcmpl-F1","object":"chat.completion.chunk","created":1750000000,"model":"gpt-fixture",' +
        '"choices":[{"index":0,"delta":{"content":"déjà vu 🦉"},"logprobs":null,"finish_reason":null}],' +
        '"usage":null,"obfuscation":"p2"}\n\n',
    ),
  )
})

for (const { name, bytes, data } of fixtures.FRAMINGS) {
  test(`a stream with ${name} has the events that it says`, () => {
    const events = readEvents(bytes).map((event) => event.data)
    assert.is(events.length, data.length)
    // Compared by hand, since a difference within a mebibyte is not to be printed.
    assert.ok(events.every((event, i) => event === data[i]))
  })
}

for (const { name, pieces } of fixtures.SPLITS) {
  test(`a stream cut ${name} is whole when it is joined, and no piece is empty`, () => {
    assert.ok(pieces.length > 1)
    assert.ok(pieces.every((piece) => piece.length > 0))
    const whole = fixtures.FRAMINGS.find((framing) => framing.name === 'CRLF')
    assert.ok(whole !== undefined && Buffer.concat(pieces).equals(whole.bytes))
  })
}

test('cuts are where they say', () => {
  const edges = (name: string): string[] =>
    fixtures.SPLITS.find((split) => split.name === name)?.pieces.map((piece) => piece.toString('latin1')) ??
    []
  for (const piece of edges('within a line end').slice(1)) assert.ok(piece.startsWith('\n'))
  for (const piece of edges('within a line end').slice(0, -1)) assert.ok(piece.endsWith('\r'))
  assert.ok(edges('within a character')[0]?.endsWith('\u00c3'))
  assert.ok(edges('within a character')[1]?.endsWith('\u00f0\u009f'))
  assert.equal(edges('within the word data')[0], 'da')
  assert.ok(edges('within the word data')[1]?.endsWith('\r\ndat'))
})

test.run()
