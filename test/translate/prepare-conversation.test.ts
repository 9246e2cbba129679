import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CONVERSATION_APIS, type ConversationApi } from '../../src/api/apis.js'
import { findTraits } from '../../src/api/model-table.js'
import type { ModelTraits } from '../../src/api/model-traits.js'
import { createResponseFacts } from '../../src/http/response-headers.js'
import type { ConversationRequest, OutboundRequest } from '../../src/translate/conversation-request.js'
import { prepareConversation } from '../../src/translate/prepare-conversation.js'
import type { Translation } from '../../src/translate/translation.js'
import { CHAT_BODY, edited, MESSAGES_BODY, RESPONSES_BODY } from './bodies.js'
import { named, translate } from './chunks.js'
import { delta, START, STOP } from './messages-streams.js'
import { completed, created, text } from './responses-streams.js'

const APIS = ['chat', 'responses', 'messages'] as const
const BODIES = { chat: CHAT_BODY, responses: RESPONSES_BODY, messages: MESSAGES_BODY }
const USUAL = findTraits({ model: null, upstream: null, preset: null, rules: [] }).traits
const FEW: ModelTraits = { ...USUAL, customTools: false, reasoningObject: false, refuses: ['temperature'] }
const PATHS = {
  chat: '/chat/completions',
  responses: '/responses',
  messages: '/messages',
  gemini: '/models/m:streamGenerateContent',
}

function prepare(
  api: (typeof APIS)[number],
  body: Buffer,
  reads: (typeof APIS)[number] = 'chat',
): ConversationRequest {
  return prepareConversation(api, body, {
    reads,
    isCursor: reads === 'chat',
    model: 'asked',
    modelName: null,
    effort: null,
    showThinking: 'reasoning_content',
    thoughts: null,
  })
}

function fit(conversation: ConversationRequest, api: ConversationApi, traits = USUAL): OutboundRequest {
  return conversation.requestFor({ api, traits, model: 'm', upstream: 'up' })
}

function bytesOf({ pieces, edits }: OutboundRequest): string {
  return edited(Buffer.concat(pieces), edits)
}

for (const from of APIS)
  for (const to of CONVERSATION_APIS)
    test(`${from} to ${to}: each attempt gets the same request, whatever target was tried before`, () => {
      const body = Buffer.from(BODIES[from])
      const conversation = prepare(from, body)
      const [usual, few] = [bytesOf(fit(conversation, to)), bytesOf(fit(conversation, to, FEW))]
      for (const other of CONVERSATION_APIS) {
        fit(conversation, other)
        assert.is(bytesOf(fit(conversation, to)), usual)
        assert.is(bytesOf(fit(conversation, to, FEW)), few)
        assert.is(bytesOf(fit(prepare(from, Buffer.from(BODIES[from])), to)), usual)
      }
      assert.is(body.toString(), BODIES[from], 'the body of the client is not changed')
      const outbound = fit(conversation, to)
      const isWhole = JSON.parse(BODIES[from]).stream !== true
      assert.is(outbound.path, isWhole ? PATHS[to].replace('streamG', 'g') : PATHS[to])
      assert.is(outbound.query, to === 'gemini' && !isWhole ? '?alt=sse' : null)
      assert.is(outbound.foreign, to !== 'chat', 'a client of chat completions reads nothing else')
      assert.not.throws(() => JSON.parse(usual))
    })

test('a client of another API than Cursor gets its body forwarded where the target speaks it', () => {
  for (const api of APIS) {
    const outbound = fit(prepare(api, Buffer.from(BODIES[api]), api), api, FEW)
    if (api === 'chat') continue
    assert.equal([outbound.edits, outbound.translate, outbound.foreign], [[], null, false])
    assert.is(bytesOf(outbound), BODIES[api])
  }
})

test('a body that cannot be read goes as it came, to whatever API', () => {
  for (const broken of ['', '{', '[]', '"x"', '{"messages":[', 'nul'])
    for (const from of APIS)
      for (const to of CONVERSATION_APIS) {
        const outbound = fit(prepare(from, Buffer.from(broken)), to)
        assert.is(bytesOf(outbound), broken)
        assert.is(outbound.path, PATHS[from])
      }
})

const STREAMS = {
  responses: [named(created, text('hi')), named(completed())],
  messages: [named(START, delta(0, { type: 'text_delta', text: 'hi' })), named(STOP)],
}

for (const api of ['responses', 'messages'] as const) {
  test(`responses to two attempts are translated apart: ${api}`, () => {
    const { translate: create } = fit(prepare(api, Buffer.from(BODIES[api])), api)
    const facts = { ...createResponseFacts(), eventStream: true }
    const chunks = STREAMS[api].map((events) => Buffer.from(events))
    const next = (): Translation => {
      const translation = create?.(200, facts)
      if (!translation) throw new Error('the response has to be translated')
      return translation
    }
    const alone = translate(next(), chunks)
    const hedged = next()
    hedged.push(chunks[0] as Buffer)
    assert.is(translate(next(), chunks), alone)
    assert.is.not(hedged.breakOff().includes('[DONE]'), true)
  })
}

test('calls that Cursor cannot read are put right in chat completions, whatever the body was written for', () => {
  const chunk = (more: object, finish: string | null = null): string =>
    `data: ${JSON.stringify({ id: 'x', choices: [{ index: 0, delta: more, finish_reason: finish }] })}\n\n`
  const call = (id: string): object => ({
    tool_calls: [{ id, type: 'function', function: { name: 'Read', arguments: '{}' } }],
  })
  const stream = chunk(call('a')) + chunk(call('b')) + chunk({}, 'stop')
  for (const from of APIS) {
    const { translate: create } = fit(prepare(from, Buffer.from(BODIES[from])), 'chat')
    const translation = create?.(200, { ...createResponseFacts(), eventStream: true }) ?? null
    const read = translation?.push(Buffer.from(stream)).toString() ?? stream
    assert.match(read, /"index":1\b/, from)
    assert.match(read, /"finish_reason":"tool_calls"/, from)
  }
})

test('each translation has a bound, and says an error in the form that the client reads', () => {
  const error = '{"error":{"message":"too long","type":"server_error","param":null,"code":"x"}}'
  const facts = { ...createResponseFacts(), json: true }
  for (const from of APIS)
    for (const to of CONVERSATION_APIS)
      for (const eventStream of [true, false]) {
        const body = Buffer.from(BODIES[from].replace('"model"', '"stream":true,"model"'))
        const translation =
          fit(prepare(from, body), to, FEW).translate?.(200, { ...facts, eventStream }) ?? null
        if (translation === null) continue
        translation.push(Buffer.from('{"object":"held'))
        assert.type(translation.bytesHeld, 'number')
        assert.is(translation.abort(error).toString(), `data: ${error}\n\n`, `${from} ${to}`)
      }
})

test.run()
