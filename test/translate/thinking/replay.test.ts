import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findTraits } from '../../../src/api/model-table.js'
import type { ModelTraits } from '../../../src/api/model-traits.js'
import { createResponseFacts } from '../../../src/http/response-headers.js'
import type { OutboundRequest } from '../../../src/translate/conversation-request.js'
import { prepareConversation } from '../../../src/translate/prepare-conversation.js'
import { ThoughtStore } from '../../../src/translate/thinking/thought-store.js'
import { edited } from '../bodies.js'

// On routes with `translate`, a client of chat completions whose target speaks them.

const USUAL = findTraits({ model: null, upstream: null, preset: null, rules: [] }).traits
const TOOLS = '"tools":[{"type":"function","function":{"name":"read"}}]'
const CALL = '{"id":"c","type":"function","function":{"name":"read","arguments":"{}"}}'
const ASKED = `{"model":"m", ${TOOLS},"messages":[{"role":"user","content":"hi"}`

function fit(
  store: ThoughtStore | null,
  body: string,
  chatThinking: ModelTraits['chatThinking'],
  model = 'm',
): OutboundRequest {
  const bytes = Buffer.from(body)
  const conversation = prepareConversation('chat', bytes, {
    ...{ reads: 'chat', isCursor: false, model, modelName: null, effort: null },
    ...{ showThinking: 'reasoning_content', thoughts: store?.open('team', bytes) ?? null },
  })
  return conversation.requestFor({ api: 'chat', traits: { ...USUAL, chatThinking }, model, upstream: 'up' })
}

const sentOf = ({ pieces, edits }: OutboundRequest): string => edited(Buffer.concat(pieces), edits)

/** Sends an answer through, which must pass byte for byte. */
function pass({ translate }: OutboundRequest, answer: string, eventStream: boolean, status = 200): void {
  const facts = { ...createResponseFacts(), eventStream, json: !eventStream }
  const translation = translate?.(status, facts) ?? null
  if (translation === null) return
  const bytes = Buffer.from(answer)
  const parts = [
    translation.push(bytes.subarray(0, 40)),
    translation.push(bytes.subarray(40)),
    translation.end(),
  ]
  assert.is(Buffer.concat(parts.map((part) => Buffer.from(part))).toString(), answer)
}

const WHOLE = `{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":null,"reasoning_content":"because","tool_calls":[${CALL}]},"finish_reason":"tool_calls"}]}`
const STREAM = [
  '{"choices":[{"index":0,"delta":{"reasoning_content":"because"}}]}',
  `{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0,${CALL.slice(1)}]}}]}`,
  '{"choices":[{"index":0,"delta":{},"finish_reason":"tool_calls"}]}',
  '[DONE]',
]
  .map((data) => `data: ${data}\n\n`)
  .join('')

const next = (more = ''): string =>
  `${ASKED},{"role":"assistant","content":null, "tool_calls":[${CALL}]${more}},{"role":"tool","tool_call_id":"c","content":"r"}]}`

for (const [name, answer, isStream] of [
  ['whole', WHOLE, false],
  ['stream', STREAM, true],
] as const)
  test(`thinking goes back to a model that wants it, and all other bytes stay, of a ${name}`, () => {
    const store = new ThoughtStore({ maxBytes: 1_000_000, maxAgeMs: 1_000 })
    const first = fit(store, `${ASKED}]}`, 'reasoning_content')
    assert.is(sentOf(first), `${ASKED}]}`)
    assert.ok(first.readable)
    pass(first, answer, isStream)
    const wanted = next(',"reasoning_content":"because"')
    assert.is(sentOf(fit(store, next(), 'reasoning_content')), wanted)
    assert.is(sentOf(fit(store, next(), 'reasoning_content', 'other')), next(',"reasoning_content":""'))
    assert.is(sentOf(fit(store, next(), 'none')), next())
    assert.is(sentOf(fit(null, next(), 'reasoning_content')), next())
    const own = next(',"reasoning_content":"mine"')
    assert.is(sentOf(fit(store, own, 'reasoning_content')), own, 'the client has sent it itself')
  })

test('errors, and responses to requests without tools, pass unread', () => {
  const store = new ThoughtStore({ maxBytes: 1_000_000, maxAgeMs: 1_000 })
  const outbound = fit(store, `${ASKED}]}`, 'reasoning_content')
  assert.is(outbound.translate?.(400, { ...createResponseFacts(), json: true }) ?? null, null)
  const plain = fit(store, '{"messages":[{"role":"user","content":"hi"}]}', 'reasoning_content')
  assert.equal([plain.edits, plain.translate, plain.readable], [[], null, false])
  const none = fit(store, next(), 'none')
  assert.equal([none.edits, none.translate, none.readable], [[], null, false])
  for (const broken of ['', '{', '{"messages":['])
    assert.is(sentOf(fit(store, broken, 'reasoning_content')), broken)
})

test.run()
