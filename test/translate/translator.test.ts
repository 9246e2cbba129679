import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ALL_CAPABILITIES, type Capabilities } from '../../src/api/capabilities.js'
import { createResponseFacts } from '../../src/http/response-headers.js'
import { createNativeRequest, createTranslatedRequest } from '../../src/translate/outbound-request.js'
import type { Translation } from '../../src/translate/translation.js'
import { CHAT_TRANSLATORS, findTranslator, NATIVE_TRANSLATORS } from '../../src/translate/translators.js'
import { CHAT_BODY, edited, MESSAGES_BODY, RESPONSES_BODY } from './bodies.js'
import { named, translate } from './chunks.js'
import { delta, START, STOP } from './messages-streams.js'
import { completed, created, text } from './responses-streams.js'

const APIS = ['chat', 'responses', 'messages'] as const
const BODIES = { chat: CHAT_BODY, responses: RESPONSES_BODY, messages: MESSAGES_BODY }
const FEW: Capabilities = { customTools: false, reasoning: false }
const TRANSLATORS = [...Object.values(NATIVE_TRANSLATORS), ...Object.values(CHAT_TRANSLATORS)]

test('a translator is found by its pair of APIs, and there is none between Responses and Messages', () => {
  for (const api of APIS) {
    assert.is(findTranslator(api, api), NATIVE_TRANSLATORS[api])
    assert.is(findTranslator(api, 'chat'), CHAT_TRANSLATORS[api])
  }
  assert.is(findTranslator('responses', 'messages'), null)
  assert.is(findTranslator('chat', 'responses'), null)
  for (const translator of TRANSLATORS) assert.is(findTranslator(translator.from, translator.to), translator)
})

for (const translator of TRANSLATORS) {
  const { from, to } = translator

  test(`${from} to ${to}: each attempt gets the same rewrite, whatever upstream was tried before`, () => {
    const body = Buffer.from(BODIES[from])
    const outbound = translator.prepareRequest(body, 'asked')
    const sent = (capabilities: Capabilities): string =>
      edited(Buffer.concat(outbound.pieces), outbound.rewriteFor(capabilities).edits)
    const [all, few] = [sent(ALL_CAPABILITIES), sent(FEW)]
    for (let attempt = 0; attempt < 3; attempt++) {
      assert.is(sent(FEW), few)
      assert.is(sent(ALL_CAPABILITIES), all)
    }
    assert.is(body.toString(), BODIES[from], 'the body of the client is not changed')
    assert.is(outbound.api, from)
    const paths = { chat: '/chat/completions', responses: '/responses', messages: '/messages' }
    assert.is(outbound.path, paths[to])
  })
}

const STREAMS = {
  responses: [named(created, text('hi')), named(completed())],
  messages: [named(START, delta(0, { type: 'text_delta', text: 'hi' })), named(STOP)],
}

for (const api of ['responses', 'messages'] as const) {
  test(`responses to two attempts are translated apart: ${api}`, () => {
    const { translate: create } = createNativeRequest(api, Buffer.from(BODIES[api]), null).rewriteFor(FEW)
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

test('a translated request says about its response what the client said', () => {
  for (const api of APIS) {
    const body = Buffer.from(BODIES[api])
    const native = createNativeRequest(api, body, 'asked')
    const translated = createTranslatedRequest(native, body)
    assert.equal(translated.meta, native.meta)
    assert.is(translated.conversation, native.conversation)
    assert.is(translated.path, '/chat/completions')
  }
})

test('each translation has a bound, and says an error in the form that the client reads', () => {
  const error = '{"error":{"message":"too long","type":"server_error","param":null,"code":"x"}}'
  const facts = { ...createResponseFacts(), json: true }
  for (const { from, prepareRequest } of TRANSLATORS) {
    for (const eventStream of [true, false]) {
      const { translate: create } = prepareRequest(Buffer.from(BODIES[from]), null).rewriteFor(FEW)
      const translation = create?.(200, { ...facts, eventStream }) ?? null
      if (translation === null) continue
      translation.push(Buffer.from('{"object":"held'))
      assert.type(translation.bytesHeld, 'number')
      assert.is(translation.abort(error).toString(), `data: ${error}\n\n`)
    }
  }
})

test.run()
