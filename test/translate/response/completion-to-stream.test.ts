import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ChunkWriter } from '../../../src/translate/response/chunk-writer.js'
import { readWholeCompletion } from '../../../src/translate/response/read-chat.js'
import { selectTranslation } from '../../../src/translate/response/select.js'
import { argue, DONE, finish, open, ROLE, readChunks, say, think } from '../chunks.js'
import { withShortIds } from '../readers.js'

function splitCompletion(body: Buffer, includeUsage: boolean): Buffer {
  const writer = new ChunkWriter(includeUsage, null)
  readWholeCompletion(body, writer)
  return writer.take()
}

const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))
const call = (id: string, name: string, input: string): object => ({
  id,
  type: 'function',
  function: { name, arguments: input },
})
const USAGE = { prompt_tokens: 3, completion_tokens: 2, total_tokens: 5 }

const COMPLETION = {
  id: 'c_1',
  object: 'chat.completion',
  created: 1_700_000_000,
  model: 'm',
  choices: [
    {
      index: 0,
      message: {
        role: 'assistant',
        content: 'hi',
        reasoning_content: 'hm',
        refusal: null,
        tool_calls: [call('call_1', 'Shell', '{"command":"ls"}'), call('call_2', 'LS', '')],
      },
      finish_reason: 'tool_calls',
    },
  ],
  usage: USAGE,
}

test('a whole completion becomes chunks with role, texts, calls, finish reason and end', () => {
  const { head, chunks } = readChunks(withShortIds(splitCompletion(json(COMPLETION), true).toString()))
  assert.equal(head, { id: 'c_1', created: 1_700_000_000, model: 'm' })
  assert.equal(chunks, [
    ROLE,
    think('hm'),
    say('hi'),
    open(0, 'call_1', 'Shell'),
    argue(0, '{"command":"ls"}'),
    open(1, 'call_2', 'LS'),
    finish('tool_calls'),
    { usage: USAGE },
    DONE,
  ])
})

test('the chunks of a whole completion have usage only if it is wanted and known', () => {
  const hasUsage = (value: object, asked: boolean): boolean =>
    splitCompletion(json(value), asked).includes('"usage"')
  assert.is(hasUsage(COMPLETION, true), true)
  assert.is(hasUsage(COMPLETION, false), false)
  assert.is(hasUsage({ ...COMPLETION, usage: null }, true), false)
})

test('a completion with odd or missing members still gets a finish reason and an end', () => {
  for (const [choice, reason] of [
    [{}, 'stop'],
    [{ message: null, finish_reason: 'eos' }, 'stop'],
    [{ message: { content: null, tool_calls: [{}] }, finish_reason: 'function_call' }, 'tool_calls'],
    [{ message: { content: 'x' }, finish_reason: 'length' }, 'length'],
  ] as const) {
    const { chunks } = readChunks(splitCompletion(json({ choices: [choice] }), false).toString())
    assert.equal(chunks.slice(-2), [finish(reason), DONE])
  }
})

test('an error, or an unreadable body, becomes an error event', () => {
  const error = { message: 'no', type: 'x', param: null, code: 7 }
  assert.equal(readChunks(splitCompletion(json({ error }), true).toString()).chunks, [{ error }])
  for (const body of ['', '<html>', '[]', '{}', '{"choices":[]}']) {
    const { chunks } = readChunks(splitCompletion(Buffer.from(body), true).toString())
    assert.is((chunks[0] as { error: { code: string } }).error.code, 'upstream_unreadable')
    assert.is(chunks.length, 1)
  }
})

test('only a JSON response to a request for a stream is made a stream', () => {
  const facts = { from: 'responses', status: 200, includeUsage: false, model: null } as const
  const makes = (rest: object): 'stream' | 'json' | null | undefined =>
    selectTranslation({ ...facts, eventStream: false, ...rest })?.makes
  assert.is(makes({ stream: true }), 'stream')
  assert.is.not(makes({ stream: false }), 'stream')
  assert.is.not(makes({}), 'stream')
  assert.is.not(makes({ stream: true, eventStream: true }), 'stream')
  assert.is.not(makes({ stream: true, status: 500 }), 'stream')
})

test.run()
