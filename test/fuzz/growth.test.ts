import { test } from 'uvu'
import { parseKeyFile } from '../../src/access/key-lines.js'
import { parseRequestTarget } from '../../src/api/request-target.js'
import { parseTags } from '../../src/exchange/tags.js'
import { assertGrowsLinearly } from '../support/growth.js'
import { takeConfig } from './config-target.js'
import { takePeek } from './peek-target.js'
import { meterJson, meterStream, takeEvents } from './response-targets.js'
import { buildBodies, takeTranslatedStream } from './translation-targets.js'

/*
 * What an attacker sends: input that is small in bytes and large in parts. Every reader of foreign bytes takes time that
 * grows with their number.
 */

type Make = (size: number) => string
type Take = (input: Buffer) => void

const repeat =
  (part: string): Make =>
  (size) =>
    part.repeat(size)
const list =
  (open: string, part: (i: number) => string, close: string): Make =>
  (size) =>
    `${open}${Array.from({ length: size }, (_, i) => part(i)).join(',')}${close}`

/** JSON that is all names, all depth, all escapes, or all of one part. */
const JSON_SHAPES: ReadonlyArray<readonly [string, Make]> = [
  ['many names', list('{"model":"m",', (i) => `"k${i}":1`, '}')],
  ['one name again and again', list('{', (i) => `"model":"m${i}"`, '}')],
  ['deep lists', (size) => `{"model":"m","a":${'['.repeat(size)}${']'.repeat(size)}}`],
  ['deep lists that do not end', (size) => `{"model":"m","a":${'['.repeat(size)}`],
  ['deep objects', (size) => `{"model":"m","messages":${'{"a":'.repeat(size)}1${'}'.repeat(size)}}`],
  ['escapes', (size) => `{"model":"m","prompt":"${'\\u0061\\"'.repeat(size)}"}`],
  ['backslashes', (size) => `{"model":"m","prompt":"${'\\\\'.repeat(size)}`],
  ['an escaped name', (size) => `{"${'\\u006d'.repeat(size)}":1,"model":"m"}`],
  ['white space', (size) => `{${' '.repeat(size)}"model"${'\n'.repeat(size)}:"m"}`],
  ['commas', (size) => `{"model":"m"${','.repeat(size)}}`],
  ['numbers', list('{"model":"m","input":[', String, ']}')],
  ['a long number', (size) => `{"max_tokens":${'9'.repeat(size)},"model":"m"}`],
]

const CONVERSATIONS: ReadonlyArray<readonly [string, Make]> = [
  ['messages', list('{"model":"m","messages":[', (i) => `{"role":"user","content":"${i}"}`, ']}')],
  [
    'empty messages of tools',
    list('{"model":"m","messages":[', (i) => `{"role":"tool","tool_call_id":"c${i}","content":""}`, ']}'),
  ],
  [
    'calls with one id',
    list(
      '{"model":"m","messages":[',
      () =>
        '{"role":"assistant","tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}',
      ']}',
    ),
  ],
  [
    'calls of one message',
    list(
      '{"model":"m","messages":[{"role":"assistant","tool_calls":[',
      (i) => `{"id":"c${i}","type":"function","function":{"name":"f${i}","arguments":"{}"}}`,
      ']}]}',
    ),
  ],
  ['tools', list('{"model":"m","messages":[],"tools":[', (i) => `{"type":"custom","name":"t${i}"}`, ']}')],
  ['items', list('{"model":"m","input":[', (i) => `{"type":"reasoning","id":"r${i}"}`, ']}')],
  [
    'blocks',
    list(
      '{"model":"m","system":"s","messages":[{"role":"user","content":[',
      () => '{"type":"text","text":""}',
      ']}]}',
    ),
  ],
]

const EVENTS: ReadonlyArray<readonly [string, Make]> = [
  ['lines of data without an end', repeat('data:\n')],
  ['carriage returns', repeat('\r')],
  ['comments', repeat(':\n')],
  ['names of events', repeat('event: a\n')],
  ['one long line', (size) => `data: ${'x'.repeat(size)}`],
  ['open strings', (size) => `data: {"choices":[{"delta":{"content":"${'\\n'.repeat(size)}"}}]}\n\n`],
  ['chunks with one call', (size) => chunks(size, () => '{"index":0,"function":{"arguments":"a"}}')],
  [
    'chunks with a call each',
    (size) => chunks(size, (i) => `{"index":${i},"id":"c${i}","function":{"name":"f"}}`),
  ],
  ['usage in each event', repeat('data: {"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n')],
  ['errors', repeat('data: {"error":{"type":"a","message":"b"}}\n\n')],
]

/** Each is tried as JSON, and costs an exception: fewer of them take as much time. */
const EMPTY_EVENTS: ReadonlyArray<readonly [string, Make]> = [['empty events', repeat('data:\n\n')]]

function chunks(size: number, call: (i: number) => string): string {
  return Array.from(
    { length: size },
    (_, i) => `data: {"choices":[{"delta":{"tool_calls":[${call(i)}]}}]}\n\n`,
  ).join('')
}

/** @param bytes of the smaller of the two inputs, about: much enough that its time can be measured */
const TABLE: ReadonlyArray<readonly [string, Take, ReadonlyArray<readonly [string, Make]>, number]> = [
  ['peek', takePeek, JSON_SHAPES, 60_000],
  ['conversation', (input) => void buildBodies(input), [...JSON_SHAPES, ...CONVERSATIONS], 60_000],
  ['events', takeEvents, EVENTS, 60_000],
  ['events', takeEvents, EMPTY_EVENTS, 60_000],
  ['stream meter', meterStream, EVENTS, 60_000],
  ['stream meter', meterStream, EMPTY_EVENTS, 20_000],
  // 16 times as much stays below a megabyte, from where on it is read in another way.
  ['JSON meter', meterJson, JSON_SHAPES, 40_000],
  ['translated stream', takeTranslatedStream, EVENTS, 15_000],
  ['translated stream', takeTranslatedStream, EMPTY_EVENTS, 1_500],
  [
    'config',
    takeConfig,
    [
      ...JSON_SHAPES,
      ['unknown names', list('{"routes":[', (i) => `{"upstream":"a","k${i}":1}`, ']}')],
      ['unknown upstreams', list('{"upstreams":{"a":{}},"routes":[', (i) => `{"upstream":"u${i}"}`, ']}')],
      ['old names', list('{"routes":[', () => '{"choose":"order"}', ']}')],
      ['upstreams', list('{"upstreams":{', (i) => `"u${i}":{"baseUrl":"http://127.0.0.1:1"}`, '}}')],
    ],
    20_000,
  ],
  [
    'key file',
    (input) => void parseKeyFile(input.toString()),
    [
      ['revocations of nothing', repeat('{"v":1,"op":"revoked","id":"k_0"}\n')],
      ['empty lines', repeat('\n')],
    ],
    100_000,
  ],
  ['key file', (input) => void parseKeyFile(input.toString()), [['broken lines', repeat('{\n')]], 8_000],
  [
    'request target',
    (input) => void parseRequestTarget(input.toString('latin1')),
    [
      ['slashes', repeat('/')],
      ['versions', repeat('/v1')],
      ['dots', (size) => `/${'.'.repeat(size)}`],
      ['encoded dots', (size) => `/${'%2e'.repeat(size)}x`],
      ['parameters', (size) => `/openai/deployments/a/b?${'api-version=1&'.repeat(size)}`],
      ['a deployment', (size) => `/openai/deployments/${'%41'.repeat(size)}/chat/completions`],
    ],
    400_000,
  ],
  [
    'tags',
    (input) => void parseTags(input.toString('latin1')),
    [
      ['pairs', repeat('a=b,')],
      ['signs', repeat('=')],
      ['spaces', repeat(' ')],
    ],
    400_000,
  ],
]

for (const [reader, take, shapes, bytes] of TABLE) {
  for (const [shape, make] of shapes) {
    test(`${reader}: the work grows with the size of ${shape}`, () => {
      const size = Math.ceil((bytes * 100) / make(100).length)
      assertGrowsLinearly(`${reader}, ${shape}`, size, (count) => Buffer.from(make(count), 'latin1'), take)
    })
  }
}

test.run()
