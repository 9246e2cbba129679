import type { BodyApi } from '../../src/api/apis.js'
import { findTraits } from '../../src/api/model-table.js'
import { prepareConversation } from '../../src/translate/prepare-conversation.js'

/** The body that Cursor's becomes for an upstream that has chat completions only, and no custom tools. */
export function translateToChat(api: BodyApi, body: Buffer): Buffer {
  const { traits } = findTraits({ model: null, upstream: null, preset: null, rules: [] })
  const conversation = prepareConversation(api, body, {
    reads: 'chat',
    isCursor: true,
    model: null,
    modelName: null,
    effort: null,
    showThinking: 'reasoning_content',
    thoughts: null,
  })
  const target = { api: 'chat', model: null, upstream: 'up' } as const
  return Buffer.concat(
    conversation.requestFor({ ...target, traits: { ...traits, customTools: false } }).pieces,
  )
}
