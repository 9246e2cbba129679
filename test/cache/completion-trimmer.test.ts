import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CachedResponse } from '../../src/cache/cached-response.js'
import { CompletionTrimmer } from '../../src/cache/completion-trimmer.js'
import { createResponseFacts, filterResponseHeaders } from '../../src/http/response-headers.js'
import { fc } from '../support/property.js'

const NOTHING_USED = { usage: null, source: 'none' } as const
const STREAM = 'text/event-stream; charset=utf-8'
const JSON_TYPE = 'application/json'

function kept(body: string | Buffer, type: string, ...more: string[]): CachedResponse {
  const facts = createResponseFacts()
  const headers = filterResponseHeaders(['Content-Type', type, ...more], facts)
  const head = { status: 200, reason: 'OK', headers, facts }
  return new CachedResponse(head, Buffer.from(body), NOTHING_USED)
}

function textOf(body: string, type = STREAM): string | null {
  return CompletionTrimmer.of(kept(body, type))?.text ?? null
}

function restOf(body: string, typed: number, type = STREAM): string | undefined {
  return CompletionTrimmer.of(kept(body, type))?.restAfter(typed)?.toString()
}

function event(text: string, finish: string | null = null): string {
  return `data: {"id":"c","choices":[{"text":${JSON.stringify(text)},"index":0,"logprobs":null,"finish_reason":${JSON.stringify(finish)}}]}\n\n`
}

const USAGE = 'data: {"id":"c","choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2}}\n\n'
const DONE = 'data: [DONE]\n\n'

test('a trimmed stream lacks the events that were typed, and the partly typed event is shortened', () => {
  const stream = `: hello\n\n${event('one')}${event(' two')}: ping\n\n${event(' three')}${event('', 'stop')}${USAGE}${DONE}`
  assert.is(textOf(stream), 'one two three')
  assert.is(
    restOf(stream, 5),
    `: hello\n\n${event('wo')}: ping\n\n${event(' three')}${event('', 'stop')}${USAGE}${DONE}`,
  )
  assert.is(restOf(stream, 7), `: hello\n\n: ping\n\n${event(' three')}${event('', 'stop')}${USAGE}${DONE}`)
  assert.is(restOf(stream, 12), `: hello\n\n: ping\n\n${event('e')}${event('', 'stop')}${USAGE}${DONE}`)
})

test('a trimmed JSON response changes only in its text, and keeps spaces and escapes', () => {
  const answer = (text: string): string =>
    `\n { "id" : "c", "choices": [ {"text" : "${text}" , "finish_reason":"stop","logprobs":null}],\r\n"usage":{"total_tokens":7} }\n`
  const text = 'a\\u00e9\\n\\"\\/\\\\\\ud83d\\ude00 🦊é'
  assert.is(textOf(answer(text), JSON_TYPE), 'aé\n"/\\😀 🦊é')
  const rests = ['\\u00e9\\n', '\\n\\"', '\\"\\/', '\\/\\\\', '\\\\\\ud83d', '\\ud83d']
  for (const [i, rest] of rests.entries())
    assert.is(restOf(answer(text), i + 1, JSON_TYPE), answer(text.slice(text.indexOf(rest))))
  assert.is(restOf(answer(text), 8, JSON_TYPE), answer(' 🦊é'))
  assert.is(restOf(answer(text), 11, JSON_TYPE), answer('é'))
})

test('a typed event that contains more than text stays with an empty text', () => {
  const first = (text: string): string =>
    `data: {"choices":[{"delta":{"role":"assistant","content":"${text}"},"index":0}]}\n\n`
  const more = 'data: {"choices":[{"delta":{"content":" two"},"index":0,"finish_reason":"stop"}]}\n\n'
  assert.is(restOf(first('one') + more + DONE, 3), first('') + more + DONE)
  const counted = (text: string): string =>
    `data: {"choices":[{"text":"${text}","index":0}],"usage":{"completion_tokens":1}}\n\n`
  assert.is(
    restOf(counted('one') + event(' two', 'stop') + DONE, 3),
    counted('') + event(' two', 'stop') + DONE,
  )
})

test('a stream may have any line ends and no space after the colon', () => {
  for (const end of ['\r\n', '\r', '\n']) {
    const odd = (text: string): string => text.replaceAll('\n', end).replaceAll('data: ', 'data:')
    const stream = `${event('one')}${event(' two', 'stop')}data: [DONE]`
    assert.is(restOf(odd(stream), 4), odd(`${event('two', 'stop')}data: [DONE]`))
  }
})

test('a completion of Mistral has its text in a message', () => {
  const answer = (text: string): string =>
    `{"object":"chat.completion","choices":[{"index":0,"finish_reason":"stop","message":{"role":"assistant","tool_calls":null,"content":"${text}","prefix":false}}]}`
  assert.is(restOf(answer('content'), 3, JSON_TYPE), answer('tent'))
})

const LAST = event('', 'stop') + DONE

const UNREAD: Readonly<Record<string, string>> = {
  'a finish_reason of max_tokens': event('one', 'length') + DONE,
  'no finish_reason': event('one') + DONE,
  'two finish_reasons': event('one', 'stop') + LAST,
  'text behind its finish_reason': event('one', 'stop') + event(' two') + DONE,
  'no end mark': event('one', 'stop'),
  'text behind its end mark': event('one', 'stop') + DONE + event('two'),
  'another choice': event('one').replace('"index":0', '"index":1') + LAST,
  'two choices': `data: {"choices":[{"text":"a"},{"text":"b","index":1}]}\n\n${LAST}`,
  'a number as its text': `data: {"choices":[{"text":5}]}\n\n${LAST}`,
  'its text in two places': `data: {"choices":[{"text":"one","delta":{"content":"one"}}]}\n\n${LAST}`,
  'log probabilities': event('one').replace('"logprobs":null', '"logprobs":{"tokens":["one"]}') + LAST,
  'an unknown member of the choice': event('one').replace('"index":0', '"index":0,"token_ids":[1]') + LAST,
  'an unknown member of the chunk': event('one').replace('"id":"c"', '"token":{"text":"one"}') + LAST,
  reasoning: `data: {"choices":[{"delta":{"content":"","reasoning":"hm"}}]}\n\n${LAST}`,
  'an error': `data: {"error":{"code":"x"}}\n\n${event('one')}${LAST}`,
  'an event that is no JSON': `data: {"choices":\n\n${event('one')}${LAST}`,
  'an event of two lines of data': `data: {"choices":\ndata: []}\n\n${event('one')}${LAST}`,
  'an event with a name': `event: x\n${event('one')}${LAST}`,
  'an event with an id': `id: 1\n${event('one')}${LAST}`,
  'a comment within an event': `: hello\n${event('one')}${LAST}`,
  'a byte order mark': `\ufeff${event('one')}${LAST}`,
  'no bytes': '',
}

for (const [what, body] of Object.entries(UNREAD))
  test(`a stream with ${what} is not trimmed`, () => assert.is(textOf(body), null))

test('JSON that is not certainly one plain completion is not trimmed', () => {
  const whole = '{"choices":[{"text":"one","index":0,"finish_reason":"stop"}]}'
  assert.is(textOf(whole, JSON_TYPE), 'one')
  for (const [from, to] of [
    ['"stop"', '"length"'],
    ['"stop"', '"content_filter"'],
    ['"stop"', 'null'],
    ['"index":0', '"index":1'],
    ['"index":0', '"logprobs":{}'],
    ['"one"', '["one"]'],
    ['}]', '},{"text":"two","index":1}]'],
    ['[{', '{'],
    ['{"choices"', '{"content":"one","choices"'],
  ] as const)
    assert.is(textOf(whole.replace(from, to), JSON_TYPE), null, to)
  assert.is(textOf('[]', JSON_TYPE), null)
  assert.is(textOf('{"choices":[]}', JSON_TYPE), null)
})

test('invalid UTF-8, compressed bodies and other types are not trimmed', () => {
  const whole = Buffer.from('{"choices":[{"text":"one","finish_reason":"stop"}]}')
  const read = (body: Buffer, type: string, ...more: string[]) =>
    CompletionTrimmer.of(kept(body, type, ...more))
  assert.ok(read(whole, JSON_TYPE))
  assert.is(read(whole, JSON_TYPE, 'content-encoding', 'gzip'), null)
  assert.is(read(whole, 'text/plain'), null)
  const broken = Buffer.from(whole)
  broken[whole.indexOf('one')] = 0xff
  assert.is(read(broken, JSON_TYPE), null)
})

test('JSON is not trimmed if the place of its text is not certain', () => {
  const twice = '{"choices":[{"text":"one","text":"two","finish_reason":"stop"}]}'
  assert.is(textOf(twice, JSON_TYPE), 'two')
  assert.is(restOf(twice, 1, JSON_TYPE), undefined)
  const escaped = '{"choices":[{"te\\u0078t":"one","finish_reason":"stop"}]}'
  assert.is(restOf(escaped, 1, JSON_TYPE), undefined)
  const tricky = (text: string): string =>
    `{"id":"x\\"text\\": \\"","choices":[{"text":"${text}","finish_reason":"stop"}],"model":"say \\"text"}`
  assert.is(restOf(tricky('\\"text\\":\\"a'), 2, JSON_TYPE), tricky('ext\\":\\"a'))
})

test('a trimmed response lacks the headers about the exact bytes, and keeps its age', () => {
  const whole = kept('{}', JSON_TYPE, 'ETag', '"a"', 'X-Up', '1', 'Content-Digest', 'sha-256=:x:')
  const rest = whole.shortened(Buffer.from('{'), NOTHING_USED)
  assert.equal(rest.head.headers, ['Content-Type', JSON_TYPE, 'X-Up', '1', 'content-length', '1'])
  assert.is(rest.chunk().toString(), '{')
  assert.is(rest.age, whole.age)
})

/** A JSON string as an upstream may write it: plain, or with more escapes than are needed. */
function literal(text: string, ascii: boolean): string {
  const json = JSON.stringify(text)
  if (!ascii) return json
  return json.replace(/[^ -~]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** Characters that are difficult to cut. Surrogate pairs are complete, because a user types them at once. */
const characters = fc.array(
  fc.oneof(
    fc.constantFrom(
      '"',
      '\\',
      '\n',
      '\r\n',
      '\t',
      '/',
      'é',
      'e\u0301',
      '한',
      '🦊',
      '👩‍💻',
      '\u2028',
      '\\u0041',
      '"text":"',
    ),
    fc.string({ unit: 'grapheme', maxLength: 6 }),
  ),
  { minLength: 1, maxLength: 20 },
)

/** The places where the text can be cut without splitting a surrogate pair. */
function placesIn(text: string): number[] {
  let at = 0
  return [...text].map((character) => {
    at += character.length
    return at
  })
}

const TEXT = /"text":"((?:[^"\\]|\\.)*)"/g

function assembled(stream: string): string {
  let text = ''
  for (const line of stream.split(/\r\n|\r|\n/)) {
    if (!line.startsWith('data:') || line.endsWith('[DONE]')) continue
    const { choices } = JSON.parse(line.slice(5)) as { choices: { text?: string }[] }
    text += choices[0]?.text ?? ''
  }
  return text
}

test('a trimmed completion is the text without its typed part, whatever the text and its events are', () => {
  fc.assert(
    fc.property(
      characters,
      fc.array(fc.nat(60), { maxLength: 10 }),
      fc.nat(1_000),
      fc.boolean(),
      fc.constantFrom('\n', '\r\n', '\r'),
      (said, cuts, place, ascii, end) => {
        const text = said.join('')
        const places = placesIn(text)
        const typed = [0, ...places.slice(0, -1)][place % places.length] as number
        // Pieces may be empty, and may end within a surrogate pair.
        const ends = [...cuts.filter((at) => at < text.length), text.length].sort((a, b) => a - b)
        const pieces = ends.map((to, i) => text.slice(ends[i - 1] ?? 0, to))
        const events = pieces.map(
          (piece, i) =>
            `${i % 3 === 2 ? `: ping${end}${end}` : ''}data: {"id":"c","n":null,"choices":[{"text":${literal(piece, true)},"index":0}]}${end}${end}`,
        )
        const close = [event('', 'stop'), USAGE, DONE].join('').replaceAll('\n', end)
        const stream = events.join('') + close
        const rest = restOf(stream, typed) as string
        assert.is(assembled(rest), text.slice(typed))
        // Without its text, each remaining event is the same as in the original.
        const blank = (body: string): string[] => body.replace(TEXT, '"text":""').split(`${end}${end}`)
        const whole = blank(stream)
        let at = 0
        for (const block of blank(rest)) {
          at = whole.indexOf(block, at) + 1
          assert.ok(at > 0, block)
        }
        assert.is(rest.split(': ping').length, stream.split(': ping').length)
        assert.ok(rest.endsWith(close))

        const answer = (value: string): string =>
          `{"id":"c",  "choices":[{"text":${literal(value, ascii)},"finish_reason":"stop"}],"usage":{"a":1}}`
        assert.is(restOf(answer(text), typed, JSON_TYPE), answer(text.slice(typed)))
      },
    ),
    { numRuns: 1500 },
  )
})

test.run()
