import { argue, type Chunk, type Event, open, ROLE, say } from './chunks.js'
import {
  added,
  allArgs,
  args,
  call,
  completed,
  created,
  done,
  message,
  TOOLS_END,
  text,
} from './responses-streams.js'

/** Streams of upstreams that identify the items of a response in unusual ways. */
export const ODD_STREAMS: readonly [name: string, events: readonly Event[], chunks: readonly Chunk[]][] = [
  [
    'ids that change with each event',
    [
      created,
      added({ id: 'x1', type: 'message' }, 0),
      text('h', 'x2', 0),
      text('i', 'x3', 0),
      done(message('hi', 'x4'), 0),
      added({ ...call(1, 'Shell'), id: 'x5' }, 1),
      args(8, 1, '{"a"'),
      args(9, 1, ':1}'),
      done({ ...call(1, 'Shell', '{"a":1}'), id: 'x6' }, 1),
      completed({ output: [message('hi', 'x7'), { ...call(1, 'Shell', '{"a":1}'), id: 'x8' }] }),
    ],
    [ROLE, say('h'), say('i'), open(0, 'call_1', 'Shell'), argue(0, '{"a"'), argue(0, ':1}'), ...TOOLS_END],
  ],
  [
    'no ids and no indexes',
    [
      { type: 'response.output_text.delta', delta: 'h' },
      { type: 'response.output_text.delta', delta: 'i' },
      { type: 'response.output_text.done', text: 'hi' },
      { type: 'response.output_item.done', item: message('hi') },
      { type: 'response.output_item.added', item: { type: 'function_call', name: 'Shell' } },
      { type: 'response.function_call_arguments.delta', delta: '{}' },
      completed(),
    ],
    [ROLE, say('h'), say('i'), open(0, 'call_0', 'Shell'), argue(0, '{}'), ...TOOLS_END],
  ],
  [
    'complete calls without index and beginning',
    [
      { type: 'response.output_item.done', item: call(1, 'Shell', '{"a":1}') },
      { type: 'response.output_item.done', item: call(2, 'Read', '{"b":1}') },
      { type: 'response.output_item.done', item: message('hi') },
      completed(),
    ],
    [
      ROLE,
      open(0, 'call_1', 'Shell'),
      argue(0, '{"a":1}'),
      open(1, 'call_2', 'Read'),
      argue(1, '{"b":1}'),
      say('hi'),
      ...TOOLS_END,
    ],
  ],
  [
    'the same index for all items',
    [
      added(call(1, 'Shell'), 0),
      args(1, 0, '{"a":1}'),
      added(call(2, 'Read'), 0),
      args(2, 0, '{"b":'),
      args(1, 0, ' '),
      args(2, 0, '1}'),
      done(call(2, 'Read', '{"b":1}'), 0),
      completed(),
    ],
    [
      ROLE,
      open(0, 'call_1', 'Shell'),
      argue(0, '{"a":1}'),
      open(1, 'call_2', 'Read'),
      argue(1, '{"b":'),
      argue(0, ' '),
      argue(1, '1}'),
      ...TOOLS_END,
    ],
  ],
  [
    'a call whose name comes with the complete item',
    [
      added({ ...call(1, ''), name: undefined }, 0),
      args(1, 0, '{"a"'),
      args(1, 0, ':1}'),
      allArgs(1, 0, '{"a":1}'),
      done(call(1, 'Shell', '{"a":1}'), 0),
      completed(),
    ],
    [ROLE, open(0, 'call_1', 'Shell'), argue(0, '{"a":1}'), ...TOOLS_END],
  ],
]
