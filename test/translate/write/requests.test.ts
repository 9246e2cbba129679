import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ModelTraits } from '../../../src/api/model-traits.js'
import type { Conversation, Item } from '../../../src/translate/conversation.js'
import type { WriteContext } from '../../../src/translate/write/request-fields.js'
import {
  APIS,
  type Api,
  call,
  conversationOf,
  custom,
  image,
  memoryOf,
  result,
  say,
  targetOf,
  text,
  thoughtOf,
  tool,
  write,
} from './conversations.js'

interface Case {
  readonly name: string
  readonly items: readonly Item[]
  readonly more?: Partial<Conversation>
  readonly traits?: Partial<ModelTraits>
  readonly context?: Partial<WriteContext>
  /** Members that the body has, among others. */
  readonly has: Partial<Record<Api, Record<string, unknown>>>
}

const HELLO = say('user', 'Hello')
const ARGS = '{"path":"a"}'
const AGENT = [
  say('system', 'Be brief.'),
  HELLO,
  say('assistant', 'I look.'),
  call('c1', 'read', [ARGS]),
  call('c2', 'read', ARGS),
  result('c1', 'one'),
  result('c2', 'two'),
]
const TOOLS = { tools: [tool('read')] }
const made = (id: string) => ({ id, type: 'function', function: { name: 'read', arguments: ARGS } })
const used = (id: string) => ({ type: 'tool_use', id, name: 'read', input: { path: 'a' } })
const MARK = { cache_control: { type: 'ephemeral' } }
const signed = (id: string) => JSON.parse(thoughtOf('messages', id).json)
const reasoned = (id: string) => JSON.parse(thoughtOf('responses', id).json)
const thoughtsOf = (api: Api, form?: ModelTraits['chatThinking']): Partial<WriteContext> => ({
  thoughts: memoryOf({ c1: thoughtOf(api, 'c1', form), c2: thoughtOf(api, 'c1', form) }),
})

const CASES: readonly Case[] = [
  {
    name: 'calls join the words ahead of them, and results follow',
    items: AGENT,
    more: TOOLS,
    has: {
      chat: {
        messages: [
          { role: 'system', content: 'Be brief.' },
          { role: 'user', content: 'Hello' },
          { role: 'assistant', content: 'I look.', tool_calls: [made('c1'), made('c2')] },
          { role: 'tool', tool_call_id: 'c1', content: 'one' },
          { role: 'tool', tool_call_id: 'c2', content: 'two' },
        ],
      },
      responses: {
        instructions: 'Be brief.',
        input: [
          { role: 'user', content: [{ type: 'input_text', text: 'Hello' }] },
          { role: 'assistant', content: [{ type: 'output_text', text: 'I look.' }] },
          { type: 'function_call', call_id: 'c1', name: 'read', arguments: ARGS },
          { type: 'function_call', call_id: 'c2', name: 'read', arguments: ARGS },
          { type: 'function_call_output', call_id: 'c1', output: 'one' },
          { type: 'function_call_output', call_id: 'c2', output: 'two' },
        ],
      },
      messages: {
        system: [{ type: 'text', text: 'Be brief.', ...MARK }],
        messages: [
          { role: 'user', content: [{ type: 'text', text: 'Hello', ...MARK }] },
          { role: 'assistant', content: [{ type: 'text', text: 'I look.' }, used('c1'), used('c2')] },
          {
            role: 'user',
            content: [
              { type: 'tool_result', tool_use_id: 'c1', content: 'one' },
              { type: 'tool_result', tool_use_id: 'c2', content: 'two', ...MARK },
            ],
          },
        ],
      },
      gemini: {
        systemInstruction: { parts: [{ text: 'Be brief.' }] },
        contents: [
          { role: 'user', parts: [{ text: 'Hello' }] },
          {
            role: 'model',
            parts: [
              { text: 'I look.' },
              {
                functionCall: { name: 'read', args: { path: 'a' } },
                thoughtSignature: 'skip_thought_signature_validator',
              },
              { functionCall: { name: 'read', args: { path: 'a' } } },
            ],
          },
          {
            role: 'user',
            parts: [
              { functionResponse: { name: 'read', response: { result: 'one' } } },
              { functionResponse: { name: 'read', response: { result: 'two' } } },
            ],
          },
        ],
      },
    },
  },
  {
    name: 'images of a result go where the API has a place for them, and errors are reported where it can',
    items: [HELLO, call('c1', 'read', '{}'), { ...result('c1', 'see', image()), isError: true }],
    more: TOOLS,
    has: {
      chat: {
        messages: [
          { role: 'user', content: 'Hello' },
          {
            role: 'assistant',
            content: null,
            tool_calls: [{ ...made('c1'), function: { name: 'read', arguments: '{}' } }],
          },
          { role: 'tool', tool_call_id: 'c1', content: 'see' },
          {
            role: 'user',
            content: [{ type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } }],
          },
        ],
      },
      responses: {
        input: [
          { role: 'user', content: [{ type: 'input_text', text: 'Hello' }] },
          { type: 'function_call', call_id: 'c1', name: 'read', arguments: '{}' },
          {
            type: 'function_call_output',
            call_id: 'c1',
            output: [
              { type: 'input_text', text: 'see' },
              { type: 'input_image', image_url: 'data:image/png;base64,iVBORw0KGgo=', detail: 'auto' },
            ],
          },
        ],
      },
      messages: {
        messages: [
          { role: 'user', content: [{ type: 'text', text: 'Hello', ...MARK }] },
          { role: 'assistant', content: [{ ...used('c1'), input: {} }] },
          {
            role: 'user',
            content: [
              {
                type: 'tool_result',
                tool_use_id: 'c1',
                content: [
                  { type: 'text', text: 'see' },
                  {
                    type: 'image',
                    source: { type: 'base64', media_type: 'image/png', data: 'iVBORw0KGgo=' },
                  },
                ],
                is_error: true,
                ...MARK,
              },
            ],
          },
        ],
      },
      gemini: {
        contents: [
          { role: 'user', parts: [{ text: 'Hello' }] },
          {
            role: 'model',
            parts: [
              {
                functionCall: { name: 'read', args: {} },
                thoughtSignature: 'skip_thought_signature_validator',
              },
            ],
          },
          {
            role: 'user',
            parts: [
              { functionResponse: { name: 'read', response: { error: 'see' } } },
              { inlineData: { mimeType: 'image/png', data: 'iVBORw0KGgo=' } },
            ],
          },
        ],
      },
    },
  },
  {
    name: 'remembered thinking goes ahead of the words and calls that it led to, once',
    items: AGENT,
    more: { ...TOOLS, effort: 'high' },
    traits: { thinking: 'budget', efforts: ['low', 'medium', 'high'] },
    context: thoughtsOf('messages'),
    has: {
      messages: {
        thinking: { type: 'enabled', budget_tokens: 16_384 },
        max_tokens: 32_768,
        messages: [
          { role: 'user', content: [{ type: 'text', text: 'Hello', ...MARK }] },
          {
            role: 'assistant',
            content: [signed('c1'), { type: 'text', text: 'I look.' }, used('c1'), used('c2')],
          },
          {
            role: 'user',
            content: [
              { type: 'tool_result', tool_use_id: 'c1', content: 'one' },
              { type: 'tool_result', tool_use_id: 'c2', content: 'two', ...MARK },
            ],
          },
        ],
      },
    },
  },
  {
    name: 'remembered reasoning goes to Responses encrypted, ahead of what it led to',
    items: [HELLO, say('assistant', 'I look.'), call('c1', 'read', ARGS), result('c1', 'one')],
    more: { ...TOOLS, effort: 'xhigh' },
    traits: { efforts: ['low', 'medium', 'high'] },
    context: thoughtsOf('responses'),
    has: {
      responses: {
        store: false,
        include: ['reasoning.encrypted_content'],
        reasoning: { effort: 'high', summary: 'auto' },
        input: [
          { role: 'user', content: [{ type: 'input_text', text: 'Hello' }] },
          reasoned('c1'),
          { role: 'assistant', content: [{ type: 'output_text', text: 'I look.' }] },
          { type: 'function_call', call_id: 'c1', name: 'read', arguments: ARGS },
          { type: 'function_call_output', call_id: 'c1', output: 'one' },
        ],
      },
    },
  },
  {
    name: 'settings have their names and forms in each API',
    items: [HELLO],
    more: {
      ...TOOLS,
      stream: true,
      includeUsage: true,
      maxTokens: '100',
      temperature: '1.50',
      topP: '0.9',
      topK: '5',
      stop: '["a"," "]',
      parallelCalls: false,
      toolChoice: { kind: 'any' },
      verbosity: '"low"',
      user: '"me"',
      promptCacheKey: '"k"',
      format: { kind: 'schema', name: '"n"', description: null, schema: '{"type":"object"}', strict: 'true' },
    },
    has: {
      chat: {
        model: 'm',
        stream: true,
        stream_options: { include_usage: true },
        max_completion_tokens: 100,
        temperature: 1.5,
        top_p: 0.9,
        stop: ['a', ' '],
        parallel_tool_calls: false,
        tool_choice: 'required',
        user: 'me',
        response_format: {
          type: 'json_schema',
          json_schema: { name: 'n', schema: { type: 'object' }, strict: true },
        },
        tools: [
          {
            type: 'function',
            function: {
              name: 'read',
              description: 'does it',
              parameters: { type: 'object', properties: {} },
            },
          },
        ],
      },
      responses: {
        model: 'm',
        stream: true,
        store: false,
        max_output_tokens: 100,
        temperature: 1.5,
        top_p: 0.9,
        parallel_tool_calls: false,
        tool_choice: 'required',
        user: 'me',
        prompt_cache_key: 'k',
        text: {
          format: { type: 'json_schema', name: 'n', schema: { type: 'object' }, strict: true },
          verbosity: 'low',
        },
        tools: [
          {
            type: 'function',
            name: 'read',
            description: 'does it',
            strict: false,
            parameters: { type: 'object', properties: {} },
          },
        ],
      },
      messages: {
        model: 'm',
        stream: true,
        max_tokens: 100,
        temperature: 1,
        top_k: 5,
        stop_sequences: ['a'],
        tool_choice: { type: 'any', disable_parallel_tool_use: true },
        metadata: { user_id: 'me' },
        output_config: { format: { type: 'json_schema', schema: { type: 'object' } } },
        tools: [
          {
            name: 'read',
            description: 'does it',
            ...MARK,
            input_schema: { type: 'object', properties: {} },
          },
        ],
      },
      gemini: {
        toolConfig: { functionCallingConfig: { mode: 'ANY' } },
        generationConfig: {
          maxOutputTokens: 100,
          temperature: 1.5,
          topP: 0.9,
          topK: 5,
          stopSequences: ['a', ' '],
        },
        tools: [
          {
            functionDeclarations: [
              {
                name: 'read',
                description: 'does it',
                parametersJsonSchema: { type: 'object', properties: {} },
              },
            ],
          },
        ],
      },
    },
  },
  {
    name: 'a custom tool stays one where the model takes it',
    items: [HELLO, call('c1', 'patch', ['*** Begin'], true), result('c1', 'ok')],
    more: { tools: [custom('patch')], toolChoice: { kind: 'one', name: 'patch' } },
    has: {
      chat: {
        tool_choice: { type: 'custom', custom: { name: 'patch' } },
        messages: [
          { role: 'user', content: 'Hello' },
          {
            role: 'assistant',
            content: null,
            tool_calls: [{ id: 'c1', type: 'custom', custom: { name: 'patch', input: '*** Begin' } }],
          },
          { role: 'tool', tool_call_id: 'c1', content: 'ok' },
        ],
      },
      responses: {
        tool_choice: { type: 'custom', name: 'patch' },
        tools: [
          {
            type: 'custom',
            name: 'patch',
            description: 'does it',
            format: { type: 'grammar', syntax: 'lark', definition: 'start: "x"' },
          },
        ],
        input: [
          { role: 'user', content: [{ type: 'input_text', text: 'Hello' }] },
          { type: 'custom_tool_call', call_id: 'c1', name: 'patch', input: '*** Begin' },
          { type: 'custom_tool_call_output', call_id: 'c1', output: 'ok' },
        ],
      },
    },
  },
  {
    name: 'a custom tool becomes a function elsewhere, and so do its calls, however the client sent them back',
    items: [
      HELLO,
      call('c1', 'patch', ['*** Begin'], true),
      call('c2', 'patch', ['*** Begin']),
      call('c3', 'patch', ['{"input":"*** Begin"}']),
      call('c4', 'patch', '{"input":"*** Begin"}'),
      ...['c1', 'c2', 'c3', 'c4'].map((id) => result(id, 'ok')),
    ],
    more: { tools: [custom('patch')], toolChoice: { kind: 'one', name: 'patch' } },
    traits: { customTools: false },
    has: {
      chat: {
        tool_choice: { type: 'function', function: { name: 'patch' } },
        messages: [
          { role: 'user', content: 'Hello' },
          {
            role: 'assistant',
            content: null,
            tool_calls: ['c1', 'c2', 'c3', 'c4'].map((id) => ({
              id,
              type: 'function',
              function: { name: 'patch', arguments: '{"input":"*** Begin"}' },
            })),
          },
          ...['c1', 'c2', 'c3', 'c4'].map((id) => ({ role: 'tool', tool_call_id: id, content: 'ok' })),
        ],
      },
      messages: {
        tools: [
          {
            name: 'patch',
            description: 'does it',
            ...MARK,
            input_schema: {
              type: 'object',
              properties: {
                input: { type: 'string', description: 'Has to match this lark grammar:\nstart: "x"' },
              },
              required: ['input'],
            },
          },
        ],
      },
    },
  },
  {
    name: 'DeepSeek and Kimi get back what they thought, or an empty text',
    items: [
      ...[HELLO, call('c1', 'read', ARGS), result('c1', 'one')],
      ...[call('c9', 'read', ARGS), result('c9', 'nine')],
    ],
    traits: { chatThinking: 'reasoning_content' },
    context: thoughtsOf('chat'),
    has: {
      chat: {
        messages: [
          { role: 'user', content: 'Hello' },
          { role: 'assistant', content: null, reasoning_content: 'thought c1', tool_calls: [made('c1')] },
          { role: 'tool', tool_call_id: 'c1', content: 'one' },
          { role: 'assistant', content: null, reasoning_content: '', tool_calls: [made('c9')] },
          { role: 'tool', tool_call_id: 'c9', content: 'nine' },
        ],
      },
    },
  },
  {
    name: 'the system in the middle of a conversation keeps its place',
    items: [HELLO, say('assistant', 'Hi'), say('system', 'New rule.'), say('user', 'Go')],
    has: {
      chat: {
        messages: [
          { role: 'user', content: 'Hello' },
          { role: 'assistant', content: 'Hi' },
          { role: 'system', content: 'New rule.' },
          { role: 'user', content: 'Go' },
        ],
      },
      responses: {
        input: [
          { role: 'user', content: [{ type: 'input_text', text: 'Hello' }] },
          { role: 'assistant', content: [{ type: 'output_text', text: 'Hi' }] },
          { role: 'developer', content: 'New rule.' },
          { role: 'user', content: [{ type: 'input_text', text: 'Go' }] },
        ],
      },
      messages: {
        messages: [
          { role: 'user', content: [{ type: 'text', text: 'Hello', ...MARK }] },
          { role: 'assistant', content: [{ type: 'text', text: 'Hi' }] },
          {
            role: 'user',
            content: [
              { type: 'text', text: '<system>\nNew rule.\n</system>' },
              { type: 'text', text: 'Go', ...MARK },
            ],
          },
        ],
      },
    },
  },
  {
    name: 'a blank text is not sent to Claude, and its mark moves to the block before',
    items: [
      say('system', 'Rules', text(' \n', '{"type":"ephemeral"}')),
      say('user', 'a', text('\t', '{"type":"ephemeral"}')),
    ],
    has: {
      messages: {
        system: [{ type: 'text', text: 'Rules', ...MARK }],
        messages: [{ role: 'user', content: [{ type: 'text', text: 'a', ...MARK }] }],
      },
    },
  },
  {
    name: 'a conversation that the assistant begins or ends is one that Claude takes',
    items: [say('assistant', 'Hi'), HELLO, say('assistant', 'Well \n')],
    more: { effort: 'high' },
    traits: { thinking: 'budget' },
    has: {
      messages: {
        max_tokens: 16_384,
        messages: [
          { role: 'user', content: [{ type: 'text', text: '(The conversation begins here.)', ...MARK }] },
          { role: 'assistant', content: [{ type: 'text', text: 'Hi' }] },
          { role: 'user', content: [{ type: 'text', text: 'Hello', ...MARK }] },
          { role: 'assistant', content: [{ type: 'text', text: 'Well' }] },
        ],
      },
    },
  },
]

for (const { name, items, more, traits, context, has } of CASES) {
  for (const [api, expected] of Object.entries(has) as [Api, Record<string, unknown>][]) {
    test(`${name}: ${api}`, () => {
      const { json } = write(conversationOf(items, more), targetOf(api, traits), context)
      for (const [member, value] of Object.entries(expected)) assert.equal(json[member], value, member)
    })
  }
}

const DIGITS = '{"id":2512292042121000001,"y":1e400,"x":1.0,"z":-0}'

for (const api of APIS) {
  test(`numbers keep their digits in ${api}`, () => {
    const schema = '{"type":"object","properties":{"a":{"maximum":9223372036854775807,"minimum":-0.0}}}'
    for (const input of [DIGITS, [DIGITS] as [string]]) {
      const items = [HELLO, call('c1', 'read', input), result('c1', 'one')]
      const more = { tools: [tool('read', schema)], temperature: '0.70', seed: '12345678901234567890' }
      const { text: body } = write(conversationOf(items, more), targetOf(api))
      const args = api === 'chat' || api === 'responses' ? JSON.stringify(DIGITS) : DIGITS
      assert.ok(body.includes(args), body)
      assert.ok(body.includes(schema))
      assert.ok(body.includes('0.70'))
      if (api === 'chat' || api === 'gemini') assert.ok(body.includes('12345678901234567890'))
    }
  })

  test(`arguments that are no JSON object are kept as a text in ${api}`, () => {
    for (const broken of ['{"path":"a', '[1]', '"x"', 'null', '{"a":1}}']) {
      const items = [HELLO, call('c1', 'read', [broken]), result('c1', 'one')]
      const { text: body } = write(conversationOf(items, TOOLS), targetOf(api))
      const object = JSON.stringify({ arguments: broken })
      assert.ok(body.includes(api === 'chat' || api === 'responses' ? JSON.stringify(object) : object), body)
    }
  })

  test(`fields that the model refuses are left out of ${api}, and reported`, () => {
    const names = {
      chat: 'temperature',
      responses: 'temperature',
      messages: 'temperature',
      gemini: 'temperature',
    }
    const target = targetOf(api, { refuses: [names[api]] })
    const { text: body, dropped } = write(conversationOf([HELLO], { temperature: '0' }), target)
    assert.not.ok(body.includes('temperature'))
    assert.equal(dropped, ['temperature'])
  })

  test(`what ${api} does not have is reported, and nothing else is`, () => {
    const lacking: Record<Api, string[]> = {
      chat: ['container', 'metadata', 'prompt_cache_key', 'top_k'],
      responses: ['container', 'seed', 'stop', 'top_k'],
      messages: ['container', 'metadata', 'prompt_cache_key', 'seed'],
      gemini: ['container', 'metadata', 'prompt_cache_key', 'user'],
    }
    const more = {
      topK: '1',
      seed: '1',
      stop: '["a"]',
      n: '1',
      logprobs: 'false',
      metadata: '{"a":"b"}',
      user: '"u"',
      promptCacheKey: '"k"',
      others: new Map([['container', '"c"']]),
    }
    const { dropped } = write(conversationOf([HELLO], more), targetOf(api))
    assert.equal([...dropped].sort(), lacking[api])
  })

  test(`the ids of calls are those of the target in ${api}`, () => {
    const callIds = { idFor: (id: string) => `x${id.length}` }
    const items = [HELLO, call('functions.read:0', 'read', '{}'), result('functions.read:0', 'one')]
    const { text: body } = write(conversationOf(items, TOOLS), targetOf(api), { callIds })
    assert.not.ok(body.includes('functions.read:0'))
    assert.is(body.split('"x16"').length, api === 'gemini' ? 1 : 3)
  })

  test(`the target's name of the model goes ahead of the client's in ${api}`, () => {
    const { json, path } = write(conversationOf([HELLO]), targetOf(api, {}, 'other/model'))
    if (api === 'gemini') assert.is(path, '/models/other%2Fmodel:generateContent')
    else assert.is(json.model, 'other/model')
  })
}

test('Gemini has the model and the stream in its path', () => {
  const target = targetOf('gemini', {}, 'models/gemini-3-pro')
  const streamed = write(conversationOf([HELLO], { stream: true }), target)
  assert.is(streamed.path, '/models/gemini-3-pro:streamGenerateContent')
  assert.is(streamed.query, '?alt=sse')
})

test('thinking of another upstream, another model or another API is not sent', () => {
  for (const api of APIS) {
    for (const foreign of [
      { ...thoughtOf(api, 'c1'), upstream: 'else' },
      { ...thoughtOf(api, 'c1'), model: 'else' },
      { ...thoughtOf(api, 'c1'), api: 'none' },
    ]) {
      const context = { thoughts: memoryOf({ c1: foreign as ReturnType<typeof thoughtOf> }) }
      const traits = { thinking: 'budget', efforts: ['low'], chatThinking: 'reasoning_content' } as const
      const { text: body } = write(conversationOf(AGENT, TOOLS), targetOf(api, traits), context)
      assert.not.match(body, /thought c1|sc1|ec1/)
    }
  }
})

const THINKING: readonly [string, Partial<Conversation>, Partial<ModelTraits>, Record<string, unknown>][] = [
  [
    'a small limit leaves half of itself for the answer',
    { maxTokens: '4000', effort: 'high' },
    {},
    { thinking: { type: 'enabled', budget_tokens: 2000 }, max_tokens: 4000 },
  ],
  [
    'a limit too small leaves thinking off',
    { maxTokens: '2000', effort: 'high' },
    {},
    { thinking: undefined, max_tokens: 2000 },
  ],
  [
    'the model’s own limit bounds the default',
    { effort: 'high' },
    { maxOutputTokens: 8192 },
    { thinking: { type: 'enabled', budget_tokens: 4096 }, max_tokens: 8192 },
  ],
  [
    'a limit beyond the model’s is lowered',
    { maxTokens: '100000' },
    { maxOutputTokens: 8192 },
    { max_tokens: 8192 },
  ],
  [
    'thinking takes no sampling',
    { effort: 'low', temperature: '0', topK: '1' },
    {},
    { temperature: undefined, top_k: undefined },
  ],
  [
    'a forced call leaves thinking off',
    { effort: 'low', ...TOOLS, toolChoice: { kind: 'any' } },
    {},
    { thinking: undefined },
  ],
  ['no effort, no thinking', { effort: 'none' }, {}, { thinking: undefined }],
  [
    'the client’s own budget is kept',
    { thinkingBudget: '3000' },
    {},
    { thinking: { type: 'enabled', budget_tokens: 3000 } },
  ],
  [
    'adaptive models get an effort',
    { effort: 'xhigh' },
    { thinking: 'adaptive' },
    { thinking: { type: 'adaptive', display: 'summarized' }, output_config: { effort: 'high' } },
  ],
  [
    'a model that does not think is not asked to',
    { effort: 'high' },
    { thinking: 'none' },
    { thinking: undefined, output_config: undefined },
  ],
]
for (const [name, more, traits, expected] of THINKING) {
  test(`Claude: ${name}`, () => {
    const { json } = write(
      conversationOf([HELLO], more),
      targetOf('messages', { thinking: 'budget', ...traits }),
    )
    for (const [member, value] of Object.entries(expected)) assert.equal(json[member], value, member)
  })
}

test('Claude is not asked to think in the middle of a turn whose thinking is lost', () => {
  const conversation = conversationOf(AGENT, { ...TOOLS, effort: 'high' })
  const { json, dropped } = write(conversation, targetOf('messages', { thinking: 'budget' }))
  assert.is(json.thinking, undefined)
  assert.equal(dropped, ['reasoning_effort'])
})

test('the client’s own marks stay, and all are four at most', () => {
  const own = '{"type":"ephemeral"}'
  const count = (body: string): number => body.split('cache_control').length - 1
  for (let marks = 0; marks < 8; marks++) {
    const parts = Array.from({ length: 8 }, (_, n) => text(`t${n}`, n < marks ? own : null))
    const items = [say('system', 'Rules'), say('user', ...parts), say('assistant', 'Hi'), HELLO]
    const { text: body } = write(conversationOf(items, TOOLS), targetOf('messages'))
    assert.is(count(body), 4)
  }
  const long = text('t', '{"type":"ephemeral","ttl":"1h"}')
  assert.is(count(write(conversationOf([say('user', 'a', long)], TOOLS), targetOf('messages')).text), 1)
})

const EFFORTS: readonly [string, readonly string[] | null, string | undefined][] = [
  ['high', null, 'high'],
  ['odd', null, 'odd'],
  ['odd', ['low'], undefined],
  ['high', [], undefined],
  ['minimal', ['low', 'high'], 'low'],
  ['medium', ['high', 'low'], 'low'],
  ['max', ['low', 'high'], 'high'],
  ['none', ['minimal', 'low'], 'minimal'],
]
test('an effort becomes the nearest one that the model takes', () => {
  for (const [effort, efforts, sent] of EFFORTS) {
    const chat = write(conversationOf([HELLO], { effort: 'low' }), targetOf('chat', { efforts }), { effort })
    assert.is(chat.json.reasoning_effort, sent)
    assert.equal(chat.dropped, sent === undefined ? ['reasoning_effort'] : [])
    const routed = write(
      conversationOf([HELLO], { effort }),
      targetOf('chat', { efforts, reasoningObject: true }),
    )
    assert.is(routed.json.reasoning_effort, sent)
  }
})

test.run()
