import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CONVERSATION_APIS, type ConversationApi } from '../../../src/api/apis.js'
import { findRefusal } from '../../../src/translate/read/refusals.js'
import { targetOf, write } from '../write/conversations.js'
import { read } from './bodies.js'

const content = (part: object): object => ({ messages: [{ role: 'user', content: [part] }] })
const ALL = CONVERSATION_APIS
const FOREIGN: readonly ConversationApi[] = ['messages', 'gemini']

const CASES: readonly (readonly [body: object, param: string, refused: readonly ConversationApi[]])[] = [
  [{ n: 2 }, 'n', ['responses', ...FOREIGN]],
  [{ n: 1 }, 'n', []],
  [{ n: null }, 'n', []],
  [{ logprobs: true }, 'logprobs', FOREIGN],
  [{ top_logprobs: 3 }, 'logprobs', FOREIGN],
  [{ logprobs: false, top_logprobs: 0 }, 'logprobs', []],
  [{ logit_bias: { 1: 2 } }, 'logit_bias', ['responses', ...FOREIGN]],
  [{ logit_bias: {} }, 'logit_bias', []],
  [{ previous_response_id: 'resp_1' }, 'previous_response_id', ['chat', ...FOREIGN]],
  [{ previous_response_id: null }, 'previous_response_id', []],
  [{ conversation: 'conv_1' }, 'conversation', ['chat', ...FOREIGN]],
  [{ prompt: { id: 'pmpt_1' } }, 'prompt', ['chat', ...FOREIGN]],
  [{ messages: [{ type: 'item_reference', id: 'x' }] }, 'input[item_reference]', ['chat', ...FOREIGN]],
  [{ background: true }, 'background', ['chat', ...FOREIGN]],
  [{ background: false }, 'background', []],
  [{ modalities: ['text', 'audio'] }, 'modalities', ['responses', ...FOREIGN]],
  [{ modalities: ['text'] }, 'modalities', []],
  [{ audio: { voice: 'x' } }, 'modalities', ['responses', ...FOREIGN]],
  [content({ type: 'input_audio', input_audio: { data: 'AA', format: 'wav' } }), 'input_audio', ['messages']],
  [content({ type: 'file', file: { file_id: 'file_1' } }), 'file_id', FOREIGN],
]

test('a field that an API cannot carry is refused by name', () => {
  for (const [body, param, refused] of CASES) {
    for (const api of ALL) {
      const refusal = findRefusal(read('chat', body), api)
      assert.is(
        refusal?.param ?? null,
        refused.includes(api) ? param : null,
        `${api}: ${JSON.stringify(body)}`,
      )
      if (refusal !== null) assert.match(refusal.message, /^[A-Z].*: (leave out|send) .*\.$/)
    }
  }
})

test('a harmless field that an API does not have is reported once by its writer', () => {
  const conversation = read('chat', {
    model: 'm',
    temperature: 1,
    top_k: 1,
    seed: 1,
    stop: 'x',
    n: 1,
    logprobs: false,
    user: 'u',
    metadata: {},
    store: false,
    truncation: 'auto',
    odd: 1,
    tools: [{ type: 'web_search' }, { type: 'web_search' }],
  })
  const dropped = (api: ConversationApi): string[] => [...write(conversation, targetOf(api)).dropped].sort()
  const others = ['odd', 'store', 'tools[web_search]', 'truncation']
  assert.equal(dropped('chat'), [...others, 'metadata', 'top_k'].sort())
  assert.equal(dropped('responses'), ['odd', 'seed', 'stop', 'tools[web_search]', 'top_k'])
  assert.equal(dropped('messages'), [...others, 'metadata', 'seed'].sort())
  assert.equal(dropped('gemini'), [...others, 'metadata', 'user'].sort())
})

test('a number of answers that is not refused reaches chat completions', () => {
  for (const [n, sent] of [
    [2, 2],
    [1, undefined],
    [null, undefined],
  ] as const)
    assert.is(write(read('chat', { model: 'm', n }), targetOf('chat')).json.n, sent)
})

test.run()
