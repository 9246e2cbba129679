import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BodyApi } from '../../src/api/apis.js'
import type { ModelTraits } from '../../src/api/model-traits.js'
import type { Conversation } from '../../src/translate/conversation.js'
import { correctTraits } from '../../src/translate/corrections/correction.js'
import { sent, TRAITS } from './native.js'
import { type Api, conversationOf, say, targetOf, write } from './write/conversations.js'

// A field `outer.inner` that is refused goes alone: all else in the object stays.

const NATIVE: readonly [api: BodyApi, refused: string, given: object, wanted: object][] = [
  [
    'responses',
    'reasoning.summary',
    { reasoning: { effort: 'low', summary: 'auto' } },
    { reasoning: { effort: 'low' } },
  ],
  [
    'responses',
    'reasoning.effort',
    { reasoning: { effort: 'low', summary: 'auto' } },
    { reasoning: { summary: 'auto' } },
  ],
  ['responses', 'reasoning.summary', { reasoning: { summary: 'auto' } }, {}],
  ['responses', 'reasoning.effort', { reasoning_effort: 'low' }, {}],
  [
    'responses',
    'text.verbosity',
    { text: { format: { type: 'text' }, verbosity: 'low' } },
    { text: { format: { type: 'text' } } },
  ],
  ['responses', 'text.verbosity', { verbosity: 'low' }, {}],
  ['chat', 'stream_options.include_usage', { stream_options: { include_usage: true } }, {}],
  [
    'chat',
    'stream_options.include_obfuscation',
    { stream_options: { include_usage: true, include_obfuscation: false } },
    { stream_options: { include_usage: true } },
  ],
  [
    'chat',
    'reasoning.exclude',
    { reasoning: { effort: 'low', exclude: true } },
    { reasoning: { effort: 'low' } },
  ],
  [
    'chat',
    'reasoning.effort',
    { reasoning: { effort: 'low', exclude: true } },
    { reasoning: { exclude: true } },
  ],
  [
    'messages',
    'thinking.budget_tokens',
    { thinking: { type: 'enabled', budget_tokens: 2000 } },
    { thinking: { type: 'enabled' } },
  ],
]

test('a part of an object that the model refuses is left out of a body alone', () => {
  for (const [api, refused, given, wanted] of NATIVE) {
    const base = api === 'responses' ? { input: 'u' } : { messages: [{ role: 'user', content: 'u' }] }
    const limit = api === 'messages' ? { max_tokens: 9000 } : {}
    const body = { ...limit, ...base, ...given }
    assert.not.equal(
      sent(api, body),
      { ...limit, ...base, ...wanted },
      `${refused}: it stays where it is taken`,
    )
    assert.equal(sent(api, body, { refuses: [refused] }), { ...limit, ...base, ...wanted }, refused)
  }
  const adaptive = { max_tokens: 9000, messages: [{ role: 'user', content: 'u' }] }
  const config = { output_config: { effort: 'low', format: { type: 'json_schema', schema: {} } } }
  assert.equal(
    sent('messages', { ...adaptive, ...config }, { thinking: 'adaptive', refuses: ['output_config.effort'] }),
    { ...adaptive, output_config: { format: config.output_config.format } },
  )
})

const WRITTEN: readonly [
  Api,
  refused: string,
  Partial<Conversation>,
  Partial<ModelTraits>,
  field: string,
  wanted: unknown,
][] = [
  ['responses', 'reasoning.summary', { effort: 'low' }, {}, 'reasoning', { effort: 'low' }],
  ['responses', 'reasoning.effort', { effort: 'low' }, {}, 'reasoning', { summary: 'auto' }],
  [
    'responses',
    'text.verbosity',
    { verbosity: '"low"', format: { kind: 'json' } },
    {},
    'text',
    { format: { type: 'json_object' } },
  ],
  [
    'chat',
    'stream_options.include_usage',
    { stream: true, includeUsage: true },
    {},
    'stream_options',
    undefined,
  ],
  [
    'messages',
    'thinking.budget_tokens',
    { effort: 'low' },
    { thinking: 'budget' },
    'thinking',
    { type: 'enabled' },
  ],
  [
    'messages',
    'thinking.display',
    { effort: 'low' },
    { thinking: 'adaptive' },
    'thinking',
    { type: 'adaptive' },
  ],
  [
    'messages',
    'output_config.effort',
    { effort: 'low' },
    { thinking: 'adaptive' },
    'output_config',
    undefined,
  ],
  ['gemini', 'generationConfig.topK', { topK: '3', seed: '1' }, {}, 'generationConfig', { seed: 1 }],
  ['gemini', 'topK', { topK: '3', seed: '1' }, {}, 'generationConfig', { seed: 1 }],
  [
    'gemini',
    'thinkingConfig.thinkingBudget',
    { effort: 'low', seed: '1' },
    { thinking: 'budget' },
    'generationConfig',
    { seed: 1, thinkingConfig: { includeThoughts: true } },
  ],
  [
    'gemini',
    'generationConfig.thinkingConfig.includeThoughts',
    { effort: 'low' },
    { thinking: 'adaptive', efforts: ['low'] },
    'generationConfig',
    { thinkingConfig: { thinkingLevel: 'low' } },
  ],
]

test('a part of an object that the model refuses is left out of a translated request alone', () => {
  for (const [api, refused, given, traits, field, wanted] of WRITTEN) {
    const efforts = { efforts: ['low', 'high'], ...traits }
    const fieldOf = (refuses: readonly string[]): unknown =>
      write(conversationOf([say('user', 'u')], given), targetOf(api, { ...efforts, refuses })).json[field]
    assert.equal(fieldOf([refused]), wanted, `${api} ${refused}`)
    assert.not.equal(fieldOf([]), wanted, `${api} ${refused}`)
  }
})

test('a model that takes neither an effort nor a summary does not reason', () => {
  const first = { ...TRAITS, ...correctTraits(TRAITS, { kind: 'drop', fields: ['reasoning.effort'] }) }
  assert.equal(first.efforts, TRAITS.efforts)
  const second = correctTraits(first, { kind: 'drop', fields: ['reasoning.summary'] })
  assert.equal(second, { refuses: ['reasoning.effort', 'reasoning.summary'], efforts: [] })
})

test.run()
