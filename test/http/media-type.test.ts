import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isEventStream, isJson } from '../../src/http/media-type.js'

const EVENT_STREAMS: Readonly<Record<string, boolean>> = {
  'text/event-stream': true,
  'Text/Event-Stream; charset=utf-8': true,
  ' text/event-stream ;charset=utf-8': true,
  'text/event-stream, text/event-stream': true,
  'text/event-streaming': false,
  'text/event-stream+json': false,
  'application/json; x=text/event-stream': false,
  'text/plain': false,
  '': false,
}

for (const [value, expected] of Object.entries(EVENT_STREAMS)) {
  test(`the content type "${value}" is ${expected ? 'an' : 'no'} event stream`, () => {
    assert.is(isEventStream(value), expected)
  })
}

test('a response without a content type is no event stream', () => {
  assert.not.ok(isEventStream(undefined))
})

test('JSON is known by its media type or by the suffix of one', () => {
  for (const value of ['application/json', 'Application/JSON; charset=utf-8', 'application/problem+json'])
    assert.ok(isJson(value), value)
  for (const value of ['text/json', 'application/jsonl', 'application/xml', ''])
    assert.not.ok(isJson(value), value)
})

test.run()
