import type { BodyApi, ConversationApi } from '../../src/api/apis.js'
import { USUAL_TRAITS } from '../../src/api/model-table.js'
import type { ModelTraits } from '../../src/api/model-traits.js'
import { prepareConversation } from '../../src/translate/prepare-conversation.js'
import { agentChat } from './agent-chat.js'
import type { Pair } from './pairs.js'

const SHAPES: readonly BodyApi[] = ['chat', 'responses', 'messages']
const TARGETS: readonly ConversationApi[] = ['chat', 'responses', 'messages', 'gemini']

/** The size of an agent's request. */
export interface AgentSize {
  readonly bytes: number
  readonly turns: number
}

const TRAITS: ModelTraits = {
  ...USUAL_TRAITS,
  limitField: 'max_completion_tokens',
  reasoningObject: false,
}

/**
 * The cost of an agent's request from each API to each, from its bytes to the bytes for the target, compared with parsing
 * and printing the same body.
 */
export function requestPairs({ bytes, turns }: AgentSize): Pair[] {
  return SHAPES.flatMap((from) => {
    const body = agentChat(from, bytes, turns)
    return TARGETS.map((to) => ({
      figure: `request_${from}_${to}`,
      ours: () => translateRequest(from, to, body),
      usual: { name: 'JSON', run: () => Buffer.from(JSON.stringify(JSON.parse(body.toString()))) },
    }))
  })
}

/** The number of bytes for the target. */
export function translateRequest(from: BodyApi, to: ConversationApi, body: Buffer): number {
  // An outline is remembered for its buffer.
  const request = prepareConversation(from, body.subarray(), {
    reads: 'chat',
    isCursor: true,
    model: null,
    modelName: null,
    effort: null,
    showThinking: 'reasoning_content',
    thoughts: null,
  })
  const { pieces } = request.requestFor({ api: to, traits: TRAITS, model: null, upstream: 'bench' })
  let bytes = 0
  for (const piece of pieces) bytes += piece.length
  return bytes
}
