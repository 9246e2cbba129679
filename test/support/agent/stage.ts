import type { ShownThinking } from '../../../src/translate/conversation-request.js'
import { randomFrom } from '../random.js'
import { startRelay, type TestRelay } from '../relay.js'
import { type ChatModelOptions, createChatModel } from './chat-model.js'
import { createGeminiModel } from './gemini-model.js'
import { createMessagesModel } from './messages-model.js'
import { ModelDouble } from './model.js'
import { createResponsesModel } from './responses-model.js'

/** The names of the models that a session may use. */
export const MODEL_NAMES = [
  'm-chat',
  'm-compatible',
  'm-responses',
  'm-messages',
  'm-adaptive',
  'm-gemini',
] as const
/** One of `MODEL_NAMES`. */
export type ModelName = (typeof MODEL_NAMES)[number]

/** A relay in front of model doubles: one for each API, and two of chat completions. */
export interface Stage {
  readonly relay: TestRelay
  readonly doubles: Readonly<Record<ModelName, ModelDouble>>
  /** How thinking is shown to Cursor. */
  readonly shown: ShownThinking
  close(): Promise<void>
}

export interface StageOptions {
  /** Settings of each entry of `models`. */
  readonly alias?: Record<string, unknown>
  /** `cursor.thinking` */
  readonly shown?: ShownThinking
  /** The ids that the model behind chat completions gives to calls. */
  readonly ids?: ChatModelOptions['ids']
  /** See `ChatModelOptions`. */
  readonly alike?: boolean
}

/**
 * Starts the relay and its models.
 * @param seed of what the doubles draw
 */
export async function startStage(seed: number, options: StageOptions = {}): Promise<Stage> {
  const { alias = {}, shown = 'reasoning_content', alike = false } = options
  const { ids = seed % 2 === 0 ? 'random' : 'counted' } = options
  const random = randomFrom(seed)
  const [chat, compatible, responses, claude, gemini] = await Promise.all([
    ModelDouble.start(createChatModel(random, { ids, thinking: 'reasoning_content', alike }), random),
    ModelDouble.start(createChatModel(random, { ids: 'random', thinking: 'thought_signature' }), random),
    ModelDouble.start(createResponsesModel(random), random),
    ModelDouble.start(createMessagesModel(random), random),
    ModelDouble.start(createGeminiModel(random), random),
  ])
  const apiKey = { env: 'UPSTREAM_KEY' }
  const relay = await startRelay(
    {
      ds: { preset: 'deepseek', baseUrl: chat.upstream.url, apiKey, apis: ['chat'] },
      oa: { preset: 'openai', baseUrl: responses.upstream.url, apiKey },
      cl: { preset: 'anthropic', baseUrl: claude.upstream.url, apiKey },
      gc: { preset: 'gemini', baseUrl: compatible.upstream.url, apiKey },
      gm: { preset: 'gemini-native', baseUrl: gemini.upstream.url, apiKey },
    },
    {
      cursor: { thinking: shown },
      models: {
        'm-chat': { upstream: 'ds', model: 'deepseek-reasoner', ...alias },
        'm-compatible': { upstream: 'gc', model: 'gemini-3-pro', ...alias },
        'm-responses': { upstream: 'oa', model: 'gpt-5.1', ...alias },
        'm-messages': { upstream: 'cl', model: 'claude-opus-4-5', ...alias },
        'm-adaptive': { upstream: 'cl', model: 'claude-opus-4-8', ...alias },
        'm-gemini': { upstream: 'gm', model: 'gemini-3-pro', ...alias },
      },
    },
  )
  return {
    relay,
    shown,
    doubles: {
      'm-chat': chat,
      'm-compatible': compatible,
      'm-responses': responses,
      'm-messages': claude,
      'm-adaptive': claude,
      'm-gemini': gemini,
    },
    async close() {
      await relay.close()
      for (const each of [chat, compatible, responses, claude, gemini]) await each.upstream.close()
    },
  }
}
