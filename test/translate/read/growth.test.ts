import { test } from 'uvu'
import { findRefusal } from '../../../src/translate/read/refusals.js'
import { repairItems } from '../../../src/translate/repair/items.js'
import { assertGrowsLinearly } from '../../support/growth.js'
import { READERS } from './bodies.js'

const list = (n: number, write: (i: number) => string): string =>
  Array.from({ length: n }, (_, i) => write(i)).join(',')
const call = (id: string): string => `{"id":"${id}","function":{"name":"f"}}`
const result = (id: string): string => `{"role":"tool","tool_call_id":"${id}","content":"x"}`
const USER = '{"role":"user","content":"x"}'
const messages = (text: string): string => `{"messages":[${text}]}`

/** Bodies whose size grows with `n`, each with much of one thing. */
const SHAPES: Readonly<Record<string, (n: number) => string>> = {
  'other fields': (n) => `{${list(n, (i) => `"k${i}":1`)}}`,
  'doubled fields': (n) => `{${list(n, () => '"tools":1')}}`,
  tools: (n) =>
    `{"tools":[${list(n, (i) => `{"name":"t${i}","parameters":{}}`)}],"tool_choice":{"type":"allowed_tools","tools":[${list(n, (i) => `{"name":"t${i}"}`)}]}}`,
  'built-in tools': (n) => `{"tools":[${list(n, (i) => `{"type":"b${i}"}`)}]}`,
  messages: (n) => messages(list(n, () => USER)),
  parts: (n) => messages(`{"role":"user","content":[${list(n, () => '{"text":"","cache_control":{}}')}]}`),
  'doubled members': (n) => messages(`{${list(n, () => '"role":"user"')}}`),
  'results in the other order': (n) =>
    messages(
      `{"tool_calls":[${list(n, (i) => call(`c${i}`))}]},${USER},${list(n, (i) => result(`c${n - 1 - i}`))}`,
    ),
  'results far behind': (n) =>
    messages(
      `${list(n, (i) => `{"tool_calls":[${call(`c${i}`)}]},${USER}`)},${list(n, (i) => result(`c${n - 1 - i}`))}`,
    ),
  'calls without ids': (n) =>
    messages(
      `{"tool_calls":[${list(n, () => '{"function":{"name":"f"}}')}]},${list(n, () => '{"role":"tool"}')}`,
    ),
  'calls with one id': (n) =>
    messages(`{"tool_calls":[${list(n, () => call('c'))}]},${list(n, () => result('c'))}`),
  'stopped calls with one id': (n) => messages(list(n, () => `{"tool_calls":[${call('c')}]},${USER}`)),
  'results without calls': (n) => messages(list(n, () => result('c'))),
  'escaped quotes': (n) => messages(`{"content":"${'\\"'.repeat(n * 10)}"}`),
}

test('reading and repairing take a time that grows like the body', () => {
  for (const [what, write] of Object.entries(SHAPES))
    assertGrowsLinearly(
      what,
      2_000,
      // A buffer of its own for each run: an outline is remembered for its buffer.
      (size) => Buffer.from(write(size)),
      (body) => {
        const conversation = READERS.chat(body)
        if (conversation === null) throw new Error('the body is not read')
        repairItems(conversation.items)
        findRefusal(conversation, 'gemini')
      },
    )
})

test.run()
