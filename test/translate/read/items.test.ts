import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isBlankText } from '../../../src/translate/read/parts.js'
import { fc } from '../../support/property.js'
import { APIS, read, readItems, show } from './bodies.js'

const PNG = 'data:image/png;base64,AA=='
const cache_control = { type: 'ephemeral' }

/** Messages and items, each with what it becomes in every reader: the client mixes the forms. */
const ITEMS: readonly (readonly [what: string, list: unknown[], items: string[]])[] = [
  ['a text', [{ role: 'user', content: 'a' }], ['user: a']],
  ['a message with a type', [{ type: 'message', role: 'user', content: 'a' }], ['user: a']],
  ['a message without a role', [{ content: 'a' }], ['user: a']],
  ['a developer', [{ role: 'developer', content: [{ type: 'input_text', text: 'a' }] }], ['system: a']],
  ['no content', [{ role: 'user', content: null }, { role: 'user' }, { role: 'assistant', content: '' }], []],
  ['empty parts', [{ role: 'user', content: [{ type: 'text', text: '' }, '', null, 7] }], []],
  ['white space', [{ role: 'user', content: ' \n' }], ['user:  \n']],
  ['one part without a list', [{ role: 'user', content: { type: 'text', text: 'a' } }], ['user: a']],
  [
    'texts of all APIs in one message',
    [
      {
        role: 'user',
        content: [
          'a',
          { type: 'text', text: 'b' },
          { type: 'input_text', text: 'c' },
          { type: 'output_text', text: 'd' },
        ],
      },
    ],
    ['user: a|b|c|d'],
  ],
  [
    'images of all APIs in one message',
    [
      {
        role: 'user',
        content: [
          { type: 'image_url', image_url: { url: PNG, detail: 'low' } },
          { type: 'image_url', image_url: 'https://x.example/a.png' },
          { type: 'input_image', image_url: PNG },
          { type: 'input_image', file_id: 'file_1' },
          { type: 'image', source: { type: 'base64', media_type: 'image/jpg', data: 'BB' } },
          { type: 'image', source: { type: 'url', url: 'https://x.example/b.png' } },
          { type: 'image', source: { type: 'file', file_id: 'file_2' } },
          { type: 'image', source: 7 },
          { type: 'image_url', image_url: null },
        ],
      },
    ],
    [
      'user: <image base64 image/png AA==>|<image url https://x.example/a.png>|<image base64 image/png AA==>|' +
        '<image id file_1>|<image base64 image/jpeg BB>|<image url https://x.example/b.png>|<image id file_2>',
    ],
  ],
  [
    'files and audio of all APIs in one message',
    [
      {
        role: 'user',
        content: [
          { type: 'file', file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,AA' } },
          { type: 'file', file: { file_id: 'file_1' } },
          { type: 'input_file', filename: 'a.pdf', file_data: 'BB' },
          { type: 'input_file', file_url: 'https://x.example/a.pdf' },
          {
            type: 'document',
            title: 't',
            source: { type: 'base64', media_type: 'application/pdf', data: 'CC' },
          },
          { type: 'document', source: { type: 'text', data: 'words' } },
          { type: 'document', source: { type: 'content', content: [{ type: 'text', text: 'inner' }] } },
          { type: 'search_result', source: 'x', content: [{ type: 'text', text: 'found' }] },
          { type: 'input_audio', input_audio: { data: 'DD', format: 'mp3' } },
          { type: 'video_url', video_url: { url: 'x' } },
        ],
      },
    ],
    [
      'user: <file base64 application/pdf AA>|<file id file_1>|<file base64 application/pdf BB>|' +
        '<file url https://x.example/a.pdf>|<file base64 application/pdf CC>|<file text words>|inner|found|<audio mp3>',
    ],
  ],
  [
    'calls of chat completions',
    [
      {
        role: 'assistant',
        content: 'I look.',
        reasoning_content: 'hm',
        tool_calls: [
          { id: 'c1', type: 'function', function: { name: 'f', arguments: '{"a":1}' } },
          { id: 'c2', function: { name: 'f', arguments: { a: 1 } } },
          { id: 'c3', function: { name: 'f', arguments: '' } },
          { id: 'c4', function: { name: 'f' } },
          { id: 'c5', type: 'custom', custom: { name: 'patch', input: 'x "y"' } },
          { id: 'c6', function: { name: 'patch', arguments: '*** text' } },
          { id: 'c7', function: { name: 'patch', arguments: '{"input":"x"}' } },
          { id: 'c8', function: { name: 'patch', arguments: { input: 'x' } } },
          { id: 'c9', function: { arguments: '{}' } },
          null,
        ],
      },
      { role: 'tool', tool_call_id: 'c1', content: 'r' },
      {
        role: 'tool',
        tool_call_id: 'c2',
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: 'b' },
        ],
      },
      { role: 'tool', tool_call_id: 'c3', content: null },
      { role: 'tool', tool_call_id: 'c4', content: { ok: 1 } },
    ],
    [
      'thinking chat "hm"',
      'assistant: I look.',
      'call c1 f({"a":1})',
      'call c2 f(={"a":1})',
      'call c3 f({})',
      'call c4 f({})',
      'custom c5 patch(x "y")',
      'custom c6 patch(*** text)',
      'custom c7 patch(x)',
      'custom c8 patch(x)',
      'result c1: r',
      'result c2: a|b',
      'result c3: ',
      'result c4: {"ok":1}',
    ],
  ],
  [
    'calls of legacy functions, and calls without ids',
    [
      { role: 'assistant', content: null, function_call: { name: 'f', arguments: '{}' } },
      { role: 'function', name: 'f', content: 'r1' },
      { role: 'assistant', tool_calls: [{ function: { name: 'f' } }, { id: '', function: { name: 'g' } }] },
      { role: 'tool', content: 'r2' },
      { role: 'tool', content: 'r3' },
      { role: 'tool', content: 'orphan' },
    ],
    [
      'call call_unnamed_0 f({})',
      'result call_unnamed_0: r1',
      'call call_unnamed_1 f({})',
      'call call_unnamed_2 g({})',
      'result call_unnamed_1: r2',
      'result call_unnamed_2: r3',
      'result call_unnamed_3: orphan',
    ],
  ],
  [
    "results of Messages in a tool's message",
    [
      {
        role: 'tool',
        content: [
          { type: 'tool_result', tool_use_id: 't1', content: 'a' },
          { type: 'tool_result', tool_use_id: 't2', content: 'b' },
        ],
      },
    ],
    ['result t1: a', 'result t2: b'],
  ],
  [
    'items of Responses',
    [
      { type: 'reasoning', id: 'rs', summary: [], encrypted_content: 'z' },
      {
        type: 'message',
        role: 'assistant',
        content: [
          { type: 'output_text', text: 'a' },
          { type: 'refusal', refusal: 'no' },
        ],
      },
      { type: 'function_call', id: 'fc_1', call_id: 'c1', name: 'f', arguments: '{"a":1}' },
      { type: 'function_call', id: 'c2', name: 'f', arguments: { a: 1 } },
      { type: 'custom_tool_call', call_id: 'c3', name: 'patch', input: '{"input":"kept"}' },
      {
        type: 'function_call_output',
        call_id: 'c1',
        output: [
          { type: 'input_text', text: 'r' },
          { type: 'input_image', image_url: PNG },
        ],
      },
      { type: 'custom_tool_call_output', call_id: 'c3', output: 'done' },
      { type: 'web_search_call', id: 'ws' },
    ],
    [
      'thinking responses {"type":"reasoning","id":"rs","summary":[],"encrypted_content":"z"}',
      'assistant: a|!no',
      'call c1 f({"a":1})',
      'call c2 f(={"a":1})',
      'custom c3 patch({"input":"kept"})',
      'result c1: r|<image base64 image/png AA==>',
      'result c3: done',
    ],
  ],
  [
    "blocks of Messages, results ahead of the user's text",
    [
      {
        role: 'assistant',
        content: [
          { type: 'thinking', thinking: 'hm', signature: 's' },
          { type: 'redacted_thinking', data: 'd' },
          { type: 'text', text: 'a' },
          { type: 'tool_use', id: 't1', name: 'f', input: { a: 1 } },
          { type: 'text', text: 'b' },
          { type: 'tool_use', id: 't2', name: 'patch', input: { input: 'x' } },
          { type: 'tool_use', id: 't3', name: 'f' },
          { type: 'server_tool_use', id: 's', name: 'web_search', input: {} },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'and?' },
          { type: 'tool_result', tool_use_id: 't1', content: 'r', is_error: true },
          {
            type: 'tool_result',
            tool_use_id: 't2',
            content: [{ type: 'image', source: { type: 'base64', media_type: 'image/png', data: 'A' } }],
          },
          { type: 'text', text: 'go on' },
        ],
      },
    ],
    [
      'thinking messages {"type":"thinking","thinking":"hm","signature":"s"}',
      'thinking messages {"type":"redacted_thinking","data":"d"}',
      'assistant: a',
      'call t1 f(={"a":1})',
      'assistant: b',
      'custom t2 patch(x)',
      'call t3 f(={})',
      'result t1 failed: r',
      'result t2: <image base64 image/png A>',
      'user: and?|go on',
    ],
  ],
  [
    'marks, which leave an empty part and a call for what is before them',
    [
      {
        role: 'user',
        content: [
          { type: 'text', text: 'a' },
          { type: 'text', text: '', cache_control },
        ],
      },
      { role: 'user', content: [{ type: 'text', text: 'b' }] },
      { role: 'user', content: [{ type: 'text', text: '', cache_control }] },
      { role: 'user', content: 'c', cache_control },
      {
        role: 'assistant',
        content: [
          { type: 'text', text: 'd' },
          { type: 'tool_use', id: 't', name: 'f', cache_control },
        ],
      },
      {
        role: 'user',
        content: [
          { type: 'tool_result', tool_use_id: 't', content: [{ type: 'text', text: 'r' }] },
          { type: 'text', text: '', cache_control },
        ],
      },
      { role: 'user', content: [{ type: 'tool_result', tool_use_id: 't', content: '', cache_control }] },
    ],
    ['user: a*', 'user: b*', 'user: c*', 'assistant: d*', 'call t f(={})', 'result t: r*', 'result t: *'],
  ],
]

test('each reader reads the messages and items of all APIs', () => {
  const tools = [{ type: 'custom', name: 'patch' }]
  for (const [what, list, expected] of ITEMS) {
    for (const api of APIS) assert.equal(show(readItems(api, list, { tools })), expected, `${api}: ${what}`)
  }
})

test('what no other API has is left out by name', () => {
  const list = [
    { type: 'web_search_call' },
    { type: 'item_reference', id: 'x' },
    { id: 'y' },
    { role: 'user', content: [{ type: 'video' }] },
  ]
  const { others, items } = read('responses', {
    input: list,
    tools: [{ type: 'web_search' }, { name: 7 }, 3],
  })
  assert.equal(items, [])
  assert.equal(
    [...others.keys()],
    [
      'tools[web_search]',
      'tools[unknown]',
      'input[web_search_call]',
      'input[item_reference]',
      'content[video]',
    ],
  )
})

test('a data URL is base64, with escaped slashes too', () => {
  const urls: readonly (readonly [json: string, source: object])[] = [
    ['"data:image\\/png;base64,a\\/b"', { kind: 'base64', mediaType: 'image/png', data: '"a\\/b"' }],
    ['"DATA:image/webp;charset=x;base64,ab"', { kind: 'base64', mediaType: 'image/webp', data: '"ab"' }],
    ['"data:text/plain,words"', { kind: 'url', url: '"data:text/plain,words"' }],
    ['"data:image/png;base64"', { kind: 'url', url: '"data:image/png;base64"' }],
    ['"https:\\/\\/x.example"', { kind: 'url', url: '"https:\\/\\/x.example"' }],
  ]
  for (const [url, source] of urls) {
    const body = `{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":${url}}}]}]}`
    const item = read('chat', body).items[0] as unknown as { parts: { source: object }[] }
    assert.equal(item.parts[0]?.source, source)
  }
})

test('a text is blank if its characters are all white space, however it is escaped', () => {
  for (const json of ['""', '" "', '"\\n\\t"', '"\\u0020\\u00a0"', '"\u3000"'])
    assert.ok(isBlankText(json), json)
  for (const json of ['"a"', '" . "', '"\\\\"', '"\\u0041"', '"\\/"', '"\\b"'])
    assert.not(isBlankText(json), json)
  fc.assert(
    fc.property(
      fc.string({ unit: 'binary' }),
      (text) => isBlankText(JSON.stringify(text)) === (text.trim() === ''),
    ),
  )
})

test('a text in several messages keeps its order, and every character', () => {
  const message = fc.record({
    role: fc.constantFrom('user', 'assistant', 'system'),
    content: fc.string({ minLength: 1, unit: 'binary' }),
  })
  fc.assert(
    fc.property(fc.array(message), fc.constantFrom(...APIS), (list, api) => {
      assert.equal(
        show(readItems(api, list)),
        JSON.parse(JSON.stringify(list)).map(
          ({ role, content }: { role: string; content: string }) => `${role}: ${content}`,
        ),
      )
    }),
  )
})

const step = fc.oneof(
  fc.record({
    role: fc.constantFrom('user', 'system', 'assistant'),
    content: fc.constantFrom('', 'a', [{ text: 'b' }]),
  }),
  fc.record({
    role: fc.constant('assistant'),
    tool_calls: fc.array(
      fc.record({ id: fc.constantFrom('', 'c', 'd'), function: fc.constant({ name: 'f' }) }),
      { maxLength: 3 },
    ),
  }),
  fc.record({
    role: fc.constant('tool'),
    tool_call_id: fc.constantFrom(null, 'c', 'd'),
    content: fc.constantFrom('', 'r'),
  }),
)

test('a longer conversation begins with the items of the shorter one', () => {
  fc.assert(
    fc.property(
      fc.array(step, { maxLength: 12 }),
      fc.nat(12),
      fc.constantFrom(...APIS),
      (list, length, api) => {
        const short = readItems(api, list.slice(0, length))
        assert.equal(readItems(api, list).slice(0, short.length), short)
      },
    ),
  )
})

test.run()
