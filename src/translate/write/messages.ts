import { parseJson } from '../../json/values.js'
import {
  type AnswerFormat,
  type Conversation,
  type Item,
  type Json,
  type JsonString,
  splitSystem,
  type ToolChoice,
} from '../conversation.js'
import type { TranslationTarget } from '../conversation-request.js'
import { formatMarked, type Markable, setCacheMarks } from './cache-marks.js'
import { chooseThinking } from './claude-thinking.js'
import { listAsTexts } from './data-sources.js'
import { findThought, planThinking } from './earlier-thinking.js'
import { formatArray, isBlank } from './json-text.js'
import { MessageBlocks } from './messages-blocks.js'
import {
  formatModel,
  formatObject,
  RequestFields,
  type WriteContext,
  type WrittenRequest,
} from './request-fields.js'
import { formatStop } from './stop.js'
import { createToolSet, formatMessagesTool, readToolChoice } from './tool-texts.js'

/** In characters (API reference, Create a Message, `metadata.user_id`). */
const LONGEST_USER = 256
const MOST_STOPS = 8192

/**
 * Writes a conversation as a request of Messages. Tools, system and messages come first and grow at their end alone, as
 * a prompt cache requires; what depends on the whole conversation, such as whether Claude may think, stands behind
 * them.
 */
export function writeMessages(
  conversation: Conversation,
  target: TranslationTarget,
  context: WriteContext,
): WrittenRequest {
  const fields = new RequestFields(target.traits)
  const set = createToolSet(conversation, target.traits, false)
  const { system: leading, rest } = splitSystem(conversation.items)
  const system = createSystem(leading, fields)
  const tools = conversation.tools.map(
    (tool): Markable => ({ json: formatMessagesTool(tool), cache: tool.cache, takesMark: true }),
  )
  const blocks = new MessageBlocks(context, set, fields)
  const plan = planThinking(rest, 'messages', (call) =>
    findThought(context.thoughts, target, 'messages', call),
  )
  blocks.addAll(rest, target.traits.thinking === 'none' ? new Map() : plan)
  const turns = blocks.messages.filter(({ role }) => role === 'user')
  const replies = blocks.messages.filter(({ role }) => role === 'assistant')
  setCacheMarks(
    tools,
    system,
    turns.map((turn) => turn.blocks),
    replies.flatMap((reply) => reply.blocks),
  )

  fields.add('model', formatModel(conversation, target))
  fields.add('stream', conversation.stream ? 'true' : null)
  if (tools.length > 0) fields.add('tools', `[${tools.map(formatMarked).join(',')}]`)
  if (system.length > 0) fields.add('system', `[${system.map(formatMarked).join(',')}]`)
  const messages = blocks.messages.map(
    (message) => `{"role":"${message.role}","content":${formatArray(message.blocks.map(formatMarked))}}`,
  )
  fields.addHistory('messages', formatArray(messages))

  const choice = readToolChoice(conversation, set, fields)
  fields.add('tool_choice', formatChoice(choice, conversation))
  addOutput(fields, conversation, target, context, choice, blocks)
  fields.add('stop_sequences', formatStop(conversation.stop, MOST_STOPS, true, fields), 'stop')
  fields.add('metadata', formatUser(conversation.user, fields), 'user')
  const { serviceTier } = conversation
  if (serviceTier === '"auto"' || serviceTier === '"standard_only"') fields.add('service_tier', serviceTier)
  else if (serviceTier === '"default"') fields.add('service_tier', '"standard_only"')
  else fields.dropGiven(conversation, ['serviceTier'])
  fields.addOthers(conversation, [])
  fields.dropGiven(conversation, ['seed', 'frequencyPenalty', 'presencePenalty', 'verbosity', 'metadata'])
  fields.dropGiven(conversation, ['promptCacheKey', 'n', 'logprobs', 'topLogprobs', 'logitBias'])
  if (conversation.tools.some(({ strict }) => strict === 'true')) fields.drop('strict')
  return {
    ...fields.formatBody(),
    path: '/messages',
    query: null,
    dropped: fields.dropped,
    wrapped: set.wrapped,
  }
}

/** No text is blank: the mark of one that is moves to the block before it. */
function createSystem(items: readonly Item[], fields: RequestFields): Markable[] {
  const blocks: Markable[] = []
  for (const item of items) {
    if (item.kind !== 'message') continue
    for (const [n, text] of listAsTexts(item.parts, fields).entries()) {
      const cache = item.parts[n]?.cache ?? null
      const last = blocks.at(-1)
      if (!isBlank(text)) blocks.push({ json: `{"type":"text","text":${text}}`, cache, takesMark: true })
      else if (last !== undefined && cache !== null) last.cache ??= cache
    }
  }
  return blocks
}

/** The fields of the answer: its limit, thinking, sampling and form. */
function addOutput(
  fields: RequestFields,
  conversation: Conversation,
  target: TranslationTarget,
  context: WriteContext,
  choice: ToolChoice | null,
  blocks: MessageBlocks,
): void {
  const wanted = context.effort ?? conversation.effort
  const chosen = chooseThinking(conversation, target, wanted, choice, blocks, fields)
  fields.add('max_tokens', chosen.maxTokens)
  const { effort } = chosen
  const thinking =
    chosen.thinking !== null && fields.accepts('thinking', 'reasoning_effort') ? chosen.thinking : null
  fields.add('thinking', thinking)
  const format = formatAnswer(conversation.format)
  if (conversation.format?.kind === 'json') fields.drop('response_format')
  const config = formatObject({
    effort:
      effort !== null && fields.accepts('output_config.effort', 'reasoning_effort') ? `"${effort}"` : null,
    format: format !== null && fields.accepts('output_config.format', 'response_format') ? format : null,
  })
  fields.add('output_config', config === '{}' ? null : config, 'response_format')
  if (thinking !== null) {
    // Extended thinking takes no sampling (Anthropic's guide "Extended thinking", feature compatibility).
    fields.dropGiven(conversation, ['temperature', 'topP', 'topK'])
    return
  }
  const temperature = boundTemperature(conversation.temperature)
  fields.add('temperature', temperature)
  // Newer models refuse a request that has both.
  if (temperature === null) fields.add('top_p', conversation.topP)
  else fields.dropGiven(conversation, ['topP'])
  fields.add('top_k', conversation.topK)
}

/** OpenAI's APIs allow 2, Messages allows 1. */
function boundTemperature(temperature: Json | null): Json | null {
  return temperature !== null && Number(temperature) > 1 ? '1' : temperature
}

function formatAnswer(format: AnswerFormat | null): Json | null {
  return format?.kind === 'schema' ? `{"type":"json_schema","schema":${format.schema}}` : null
}

function formatUser(user: JsonString | null, fields: RequestFields): Json | null {
  if (user === null) return null
  const text = parseJson(user)
  if (typeof text === 'string' && text !== '' && text.length <= LONGEST_USER) return `{"user_id":${user}}`
  fields.drop('user')
  return null
}

function formatChoice(choice: ToolChoice | null, { parallelCalls, tools }: Conversation): Json | null {
  if (tools.length === 0) return null
  const one = parallelCalls === false ? ',"disable_parallel_tool_use":true' : ''
  if (choice === null) return one === '' ? null : `{"type":"auto"${one}}`
  if (choice.kind === 'none') return '{"type":"none"}'
  if (choice.kind === 'one') return `{"type":"tool","name":${JSON.stringify(choice.name)}${one}}`
  return `{"type":"${choice.kind === 'allowed' ? choice.mode : choice.kind}"${one}}`
}
