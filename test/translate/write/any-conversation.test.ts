import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { ModelTraits } from '../../../src/api/model-traits.js'
import { peekFields } from '../../../src/json/peek.js'
import type { Item } from '../../../src/translate/conversation.js'
import { fc } from '../../support/property.js'
import { validateChat } from '../../support/vendors/chat.js'
import { validateGemini } from '../../support/vendors/gemini.js'
import { validateMessages } from '../../support/vendors/messages.js'
import { validateResponses } from '../../support/vendors/responses.js'
import {
  APIS,
  type Api,
  conversationOf,
  growth,
  memoryOf,
  readPrefix,
  settings,
  targetOf,
  thoughtOf,
  write,
} from './conversations.js'

const OPENAI_REASONING = [
  ...['temperature', 'top_p', 'presence_penalty', 'frequency_penalty', 'logprobs', 'top_logprobs'],
  ...['logit_bias', 'stop'],
]

const traits: fc.Arbitrary<Partial<ModelTraits>> = fc.record({
  efforts: fc.constantFrom<readonly string[] | null>([], ['low', 'medium', 'high']),
  customTools: fc.boolean(),
  reasoningObject: fc.boolean(),
  chatThinking: fc.constantFrom<ModelTraits['chatThinking']>(
    'none',
    'reasoning_content',
    'thought_signature',
  ),
  thinking: fc.constantFrom<ModelTraits['thinking']>('none', 'budget', 'adaptive'),
  maxOutputTokens: fc.constantFrom(null, 4096, 64_000),
})

/** The calls whose thinking is remembered: all, every second one, or none. */
const remembered = fc.constantFrom<(n: number) => boolean>(
  () => true,
  (n) => n % 2 === 0,
  () => false,
)

function remember(
  api: Api,
  items: readonly Item[],
  form: ModelTraits['chatThinking'],
  keeps: (n: number) => boolean,
) {
  const ids = items.flatMap((item) => (item.kind === 'call' ? [item.id] : []))
  const kept = ids.filter((_, n) => keeps(n))
  return memoryOf(Object.fromEntries(kept.map((id) => [id, thoughtOf(api, id, form)])))
}

function judge(api: Api, json: unknown, given: Partial<ModelTraits>): string[] {
  const reasons = given.efforts?.length !== 0
  switch (api) {
    case 'chat':
      return validateChat(json, {
        reasons,
        functionsAlone: given.customTools !== true,
        ...(given.chatThinking === undefined || given.chatThinking === 'none'
          ? {}
          : { thinking: given.chatThinking }),
      })
    case 'responses':
      return validateResponses(json, { reasons, functionsAlone: given.customTools !== true })
    case 'messages':
      return validateMessages(json, { oneSampling: true })
    default:
      return validateGemini(json, { signatures: given.thinking === 'adaptive' })
  }
}

for (const api of APIS) {
  test(`a vendor of ${api} takes every conversation that is written for it`, () => {
    fc.assert(
      fc.property(growth, settings, traits, remembered, (steps, more, given, keeps) => {
        const items = steps.flat()
        const refuses =
          given.efforts?.length === 0 || api === 'messages' || api === 'gemini' ? [] : OPENAI_REASONING
        const target = targetOf(api, { ...given, refuses })
        const thoughts = remember(api, items, given.chatThinking ?? 'none', keeps)
        const { json } = write(conversationOf(items, more), target, { thoughts })
        assert.equal(judge(api, json, given), [])
      }),
      { numRuns: 250 },
    )
  })

  test(`a growing conversation keeps its beginning in ${api}, byte for byte`, () => {
    fc.assert(
      fc.property(growth, settings, traits, remembered, (steps, more, given, keeps) => {
        const items = steps.flat()
        const target = targetOf(api, given)
        const thoughts = remember(api, items, given.chatThinking ?? 'none', keeps)
        const key =
          api === 'chat' || api === 'messages' ? 'messages' : api === 'responses' ? 'input' : 'contents'
        let before = ''
        for (let n = 1; n <= steps.length; n++) {
          const body = write(conversationOf(steps.slice(0, n).flat(), more), target, { thoughts }).text
          const prefix = readPrefix(body, key)
          assert.is(prefix.slice(0, before.length), before)
          before = prefix
        }
      }),
      { numRuns: 80 },
    )
  })

  test(`the same conversation always gives the same bytes in ${api}, and is not changed`, () => {
    fc.assert(
      fc.property(growth, settings, traits, (steps, more, given) => {
        const items = steps.flat()
        const copy = structuredClone(items)
        const thoughts = remember(api, items, given.chatThinking ?? 'none', () => true)
        const first = write(conversationOf(items, more), targetOf(api, given), { thoughts })
        const second = write(conversationOf(copy, more), targetOf(api, given), { thoughts })
        assert.is(second.text, first.text)
        assert.equal(first.peeked, { ...peekFields(first.body), session: null })
        assert.equal(second.dropped, first.dropped)
        assert.equal(items, copy)
      }),
      { numRuns: 50 },
    )
  })
}

test.run()
