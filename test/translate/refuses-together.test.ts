import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { correctTraits } from '../../src/translate/corrections/correction.js'
import { sent, TRAITS } from './native.js'
import { APIS, conversationOf, say, targetOf, write } from './write/conversations.js'

const PAIR = [['temperature', 'top_p']] as const

test('of two fields that are refused together, the second is left out only where both are given', () => {
  for (const api of ['chat', 'responses', 'messages'] as const) {
    const base = api === 'responses' ? { input: 'u' } : { messages: [{ role: 'user', content: 'u' }] }
    const limit = api === 'messages' ? { max_tokens: 9 } : {}
    const send = (fields: object): object => {
      const body = { ...limit, ...base, ...fields }
      return sent(api, body, { refusesTogether: PAIR }) as object
    }
    for (const [given, wanted] of [
      [{ temperature: 0.5, top_p: 0.9 }, { temperature: 0.5 }],
      [{ top_p: 0.9, temperature: 0 }, { temperature: 0 }],
      [{ top_p: 0.9 }, { top_p: 0.9 }],
      [{ temperature: 0.5 }, { temperature: 0.5 }],
      [
        { temperature: null, top_p: 0.9 },
        { temperature: null, top_p: 0.9 },
      ],
    ])
      assert.equal(send(given as object), { ...limit, ...base, ...wanted }, api)
  }
})

test('a translated request has one of them, and both where the model takes both', () => {
  for (const api of APIS) {
    const top = api === 'gemini' ? 'topP' : 'top_p'
    const pairs = [['temperature', top]] as const
    const fieldsOf = (given: object, refusesTogether: readonly (readonly [string, string])[]): unknown[] => {
      const { json } = write(conversationOf([say('user', 'u')], given), targetOf(api, { refusesTogether }))
      const fields = (api === 'gemini' ? json.generationConfig : json) as Record<string, unknown>
      return [fields.temperature, fields[top]]
    }
    assert.equal(fieldsOf({ temperature: '0.5', topP: '0.9' }, pairs), [0.5, undefined], api)
    assert.equal(fieldsOf({ topP: '0.9' }, pairs), [undefined, 0.9], api)
    // In Messages, of which the newer models refuse both, no request has both.
    const both = api === 'messages' ? [0.5, undefined] : [0.5, 0.9]
    assert.equal(fieldsOf({ temperature: '0.5', topP: '0.9' }, []), both, api)
  }
})

test('what is learned of two fields leaves each of them alone', () => {
  const learned = correctTraits(TRAITS, { kind: 'together', fields: ['temperature', 'top_p'] })
  assert.equal(learned, { refusesTogether: [['temperature', 'top_p']] })
})

test.run()
