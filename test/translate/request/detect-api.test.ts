import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { BodyApi } from '../../../src/api/apis.js'
import { detectBodyApi } from '../../../src/translate/request/detect-api.js'
import { CHAT_BODY, MESSAGES_BODY, RESPONSES_BODY } from '../bodies.js'

const USER = '{"role":"user","content":"x"}'

/** The API beside the body. Most bodies are ambiguous at first sight. */
const TABLE: readonly [BodyApi, string][] = [
  ['responses', RESPONSES_BODY],
  ['messages', MESSAGES_BODY],
  ['chat', CHAT_BODY],
  // Input.
  ['responses', '{"input":"x"}'],
  ['responses', '{"input":[]}'],
  ['responses', ' {"messages" : null , "\\u0069nput":"x"} '],
  ['responses', '{"messages":[ ],"input":[{"role":"user","content":"x"}]}'],
  ['responses', '{"input":7,"input":"x"}'],
  ['chat', '{"input":"x","input":7}'],
  ['chat', '{"input":null}'],
  ['chat', '{"input":{"role":"user"}}'],
  ['chat', '{"input":12}'],
  ['chat', `{"input":"x","messages":[${USER}]}`],
  ['chat', '{"metadata":{"input":"x"}}'],
  ['chat', '{}'],
  // A system prompt.
  ['messages', `{"system":"s","messages":[${USER}]}`],
  ['messages', `{"messages":[${USER}],"system":[]}`],
  ['chat', `{"system":null,"messages":[${USER}]}`],
  ['chat', `{"system":{"role":"system"},"messages":[${USER}]}`],
  // Tools.
  ['messages', `{"messages":[${USER}],"tools":[{"name":"a","input_schema":{}}]}`],
  ['messages', `{"messages":[${USER}],"tools":[{"type":"custom","name":"a","input_schema":{}}]}`],
  ['chat', `{"messages":[${USER}],"tools":[{"type":"custom","name":"a"}]}`],
  ['chat', `{"messages":[${USER}],"tools":[{"type":"function","function":{"name":"input_schema"}}]}`],
  ['chat', `{"messages":[${USER}],"tools":[{"type":"function","name":"a","input_schema":{}}]}`],
  [
    'chat',
    `{"messages":[${USER}],"tools":[{"type":"function","function":{},"cache_control":{"type":"ephemeral"}}]}`,
  ],
  ['chat', `{"messages":[${USER}],"tools":[null,7,[],{}]}`],
  ['chat', `{"messages":[${USER}],"tools":{"input_schema":{}}}`],
  // Tool choices are no sign of any API.
  ...['"auto"', '{"type":"auto"}', '{"type":"any"}', '{"type":"tool","name":"a"}'].map(
    (choice): [BodyApi, string] => ['chat', `{"messages":[${USER}],"tool_choice":${choice}}`],
  ),
  // Content.
  [
    'messages',
    '{"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"t","name":"a","input":{}}]}]}',
  ],
  ['messages', '{"messages":[{"role":"user","content":[ {"tool_use_id":"t","type" : "tool_result"}]}]}'],
  [
    'messages',
    '{"messages":[{"content":[{"type":"image","source":{"type":"url","url":"u"}}],"role":"user"}]}',
  ],
  ['messages', '{"messages":[{"role":"user","content":[{"type":"document","source":{"type":"text"}}]}]}'],
  ['chat', '{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"u"}}]}]}'],
  ['chat', '{"messages":[{"role":"user","content":[{"type":"text","text":"tool_use"}]}]}'],
  ['chat', '{"messages":[{"role":"user","content":"{\\"type\\":\\"tool_use\\"}"}]}'],
  ['chat', '{"messages":[{"role":"user","content":[{"type":"text","text":"x","source":"tool_use"}]}]}'],
  ['chat', '{"messages":[{"role":"user","content":{"type":"tool_use"}}]}'],
  ['chat', '{"messages":[{"role":"user","type":"tool_use","content":"x"}]}'],
  [
    'chat',
    '{"messages":[{"role":"user","content":[{"type":"text","text":"x","cache_control":{"type":"ephemeral"}}]}]}',
  ],
  ['chat', '{"messages":[{"role":"assistant","content":[{"type":"thinking","thinking":[]}]}]}'],
  // Signs of both: Messages would refuse messages of chat completions.
  ['chat', `{"system":"s","messages":[${USER},{"role":"tool","tool_call_id":"c","content":"x"}]}`],
  ...['[]', '[ \n\t]', 'null', '{}', '"x"', '7'].map((calls): [BodyApi, string] => [
    'messages',
    `{"system":"s","messages":[${USER},{"role":"assistant","content":"x","tool_calls":${calls}}]}`,
  ]),
  ['chat', `{"system":"s","messages":[${USER},{"role":"assistant","tool_calls":[{"id":"c"}]}]}`],
  ...['{}', '"x"', '[ ]', 'null', '3'].map((messages): [BodyApi, string] => [
    'responses',
    `{"messages":${messages},"input":[]}`,
  ]),
  [
    'messages',
    `{"system":"s","messages":[{"role":"user","content":"tool"},{"role":"assistant","content":"tool_calls"}]}`,
  ],
  // Unreadable bodies.
  ...['', '[]', '"input"', '{"input":"x"', '{"input":"x"}}', '{"input":"x",}', "{'input':'x'}"].map(
    (text): [BodyApi, string] => ['chat', text],
  ),
  ['responses', '\ufeff{"input":"x"}'],
  ['chat', '\ufeff\ufeff{"input":"x"}'],
  ['chat', '{"messages":"x"}'],
  ['chat', '{"messages":{"role":"user"}}'],
]

for (const [api, body] of TABLE) {
  test(`a body counts as ${api}: ${body.length > 110 ? `${body.slice(0, 107)}...` : body}`, () => {
    assert.is(detectBodyApi(Buffer.from(body)), api)
  })
}

test.run()
