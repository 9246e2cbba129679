import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { JsonMeter } from '../../src/metering/json-meter.js'
import { StreamMeter } from '../../src/metering/stream-meter.js'
import { cutAt, MIB, READINGS, scan } from './meters.js'

const NOTHING = { id: null, kind: null, status: null, related: null }
const RUN = { id: 'run_1', object: 'thread.run', thread_id: 'thread_1' }

/** A body without a stream, and what it says of its object. */
const BODIES: readonly (readonly [body: unknown, facts: object])[] = [
  [
    { id: 'resp_1', object: 'response', status: 'queued' },
    { id: 'resp_1', kind: 'response', status: 'queued' },
  ],
  [{ id: 'msgbatch_1', type: 'message_batch' }, { id: 'msgbatch_1' }],
  [
    { ...RUN, status: 'completed' },
    { id: 'run_1', kind: 'thread.run', status: 'completed', related: 'thread_1' },
  ],
  [
    { id: 'upload_1', object: 'upload', file: { id: 'file-1' } },
    { id: 'upload_1', kind: 'upload', related: 'file-1' },
  ],
  [{ object: 'list', data: [{ id: 'resp_1' }] }, {}],
  [{ id: 'a b', object: 'response' }, {}],
  [{ id: 7, object: 'response' }, {}],
  [{ id: 'x'.repeat(201) }, {}],
  [{ id: 'resp_1', object: null, status: 3 }, { id: 'resp_1' }],
]

for (const [body, facts] of BODIES)
  test(`the object of ${JSON.stringify(body).slice(0, 80)} is ${JSON.stringify(facts)}`, () => {
    const { object } = scan(new JsonMeter(), [Buffer.from(JSON.stringify(body))])
    assert.equal({ ...object }, { ...NOTHING, ...facts })
  })

test('the id of a response that is too long to be kept is known', () => {
  const text = JSON.stringify({ id: 'resp_1', object: 'response', output: 'x'.repeat(2 * MIB) })
  const bytes = Buffer.from(text)
  const { object } = scan(new JsonMeter(), cutAt(bytes, [5, 70_000, MIB + 1]))
  assert.is(object.id, 'resp_1')
})

function streamOf(events: readonly unknown[]): Buffer {
  return Buffer.from(events.map((event) => `data: ${JSON.stringify(event)}\n\n`).join(''))
}

const text = { type: 'response.output_text.delta', delta: 'x' }
const chunk = { id: 'chatcmpl-1', object: 'chat.completion.chunk', choices: [{ delta: { content: 'x' } }] }

/** The events of a stream, and what they say of its object in the end. */
const STREAMS: readonly (readonly [events: readonly unknown[], facts: object])[] = [
  [
    [
      { type: 'response.created', response: { id: 'resp_1', object: 'response', status: 'in_progress' } },
      { type: 'response.output_item.added', item: { id: 'msg_1', status: 'in_progress' } },
      ...[text, text, text, text],
      { type: 'response.completed', response: { id: 'resp_1', object: 'response', status: 'completed' } },
    ],
    { id: 'resp_1', kind: 'response', status: 'completed' },
  ],
  [[chunk, chunk, chunk, { ...chunk, choices: [] }], { id: 'chatcmpl-1', kind: 'chat.completion.chunk' }],
  [
    [
      { id: 'thread_1', object: 'thread' },
      { ...RUN, status: 'queued' },
      { id: 'step_1', object: 'thread.run.step', status: 'in_progress' },
      { id: 'msg_1', object: 'thread.message.delta', delta: { content: [] } },
      { ...RUN, status: 'completed' },
    ],
    { id: 'run_1', kind: 'thread.run', status: 'completed', related: 'thread_1' },
  ],
]

for (const [events, facts] of STREAMS)
  test(`the object of a stream is ${JSON.stringify(facts)}, wherever it is cut`, () => {
    const bytes = streamOf(events)
    for (let at = 0; at < bytes.length; at += 7)
      for (const reading of READINGS) {
        const { object } = scan(new StreamMeter(), cutAt(bytes, [at, at + 31]), reading)
        assert.equal({ ...object }, { ...NOTHING, ...facts }, `cut at ${at}, ${reading}`)
      }
  })

test.run()
