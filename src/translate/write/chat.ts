import type {
  AnswerFormat,
  CallItem,
  Conversation,
  Item,
  Json,
  JsonString,
  MessageItem,
  Part,
} from '../conversation.js'
import type { TranslationTarget } from '../conversation-request.js'
import { formatUrl, listAsTexts, replacePart } from './data-sources.js'
import { findThought, isAssistantItem } from './earlier-thinking.js'
import { chooseEffort, readEffort } from './effort.js'
import {
  formatArray,
  formatCustomText,
  formatInputText,
  formatWrappedObject,
  joinTexts,
  listTexts,
} from './json-text.js'
import {
  formatLimit,
  formatModel,
  formatObject,
  RequestFields,
  type WriteContext,
  type WrittenRequest,
} from './request-fields.js'
import { formatStop } from './stop.js'
import { addOpenAiTools, createToolSet, isCustomCall, type ToolSet } from './tool-texts.js'

/**
 * What Gemini takes in place of a signature that is not known, for history that another model made
 * (ai.google.dev/gemini-api/docs/thought-signatures).
 */
export const UNKNOWN_SIGNATURE = 'skip_thought_signature_validator'

/** Few servers have these: one of which nothing is known gets `high`. */
const ABOVE_HIGH = ['xhigh', 'max']

/** OpenAI refuses more (API reference, Create chat completion, `stop`). */
const MOST_STOPS = 4

/**
 * Writes a conversation as a request of chat completions. The messages come last, and nothing ahead of them depends on
 * them: the bodies of a growing conversation begin alike.
 *
 * Texts of a message become one string, as many servers take no parts. What a result has besides text goes into a
 * message of the user's behind all results, as a tool's message has text only.
 */
export function writeChat(
  conversation: Conversation,
  target: TranslationTarget,
  context: WriteContext,
): WrittenRequest {
  const { traits } = target
  const fields = new RequestFields(traits)
  const tools = createToolSet(conversation, traits, true)
  fields.add('model', formatModel(conversation, target))
  fields.add('stream', conversation.stream ? 'true' : null)
  const asksUsage = conversation.stream && conversation.includeUsage
  if (asksUsage && fields.accepts('stream_options.include_usage', 'stream_options'))
    fields.add('stream_options', '{"include_usage":true}')
  fields.add(traits.limitField, formatLimit(conversation, traits.maxOutputTokens), 'max_tokens')
  fields.add('temperature', conversation.temperature)
  fields.add('top_p', conversation.topP)
  fields.add('frequency_penalty', conversation.frequencyPenalty)
  fields.add('presence_penalty', conversation.presencePenalty)
  fields.add('seed', conversation.seed)
  fields.add('stop', formatStop(conversation.stop, MOST_STOPS, false, fields))
  // One answer is what every server gives.
  fields.add('n', conversation.n === '1' ? null : conversation.n)
  fields.add('logprobs', conversation.logprobs)
  fields.add('top_logprobs', conversation.topLogprobs)
  fields.add('logit_bias', conversation.logitBias)
  addEffort(fields, conversation, target, context)
  fields.add('response_format', formatAnswer(conversation.format))
  fields.add('user', conversation.user)
  // OpenAI alone has these, and has Responses for whoever sends them: other servers refuse what they do not know.
  fields.addOthers(conversation, [])
  fields.dropGiven(conversation, ['topK', 'verbosity', 'metadata', 'serviceTier', 'promptCacheKey'])
  addOpenAiTools(fields, conversation, tools, 'nested')
  fields.addHistory('messages', new ChatMessages(conversation, target, context, tools, fields).format())
  return {
    ...fields.formatBody(),
    path: '/chat/completions',
    query: null,
    dropped: fields.dropped,
    wrapped: tools.wrapped,
  }
}

function addEffort(
  fields: RequestFields,
  conversation: Conversation,
  { traits }: TranslationTarget,
  context: WriteContext,
): void {
  const wanted = readEffort(conversation, context.effort)
  const effort = chooseEffort(wanted, traits.efforts ?? (ABOVE_HIGH.includes(wanted ?? '') ? ['high'] : null))
  if (effort === null) {
    if (wanted !== null) fields.drop('reasoning_effort')
  } else fields.add('reasoning_effort', JSON.stringify(effort))
}

function formatAnswer(format: AnswerFormat | null): Json | null {
  if (format === null) return null
  if (format.kind === 'json') return '{"type":"json_object"}'
  const { description, schema, strict } = format
  const members = formatObject({ name: format.name ?? '"answer"', description, schema, strict })
  return `{"type":"json_schema","json_schema":${members}}`
}

/** The messages of one request. */
class ChatMessages {
  private readonly items: readonly Item[]
  private readonly target: TranslationTarget
  private readonly context: WriteContext
  private readonly tools: ToolSet
  private readonly fields: RequestFields
  private readonly messages: Json[]
  /** Parts of results other than text. */
  private resultParts: Part[]

  constructor(
    { items }: Conversation,
    target: TranslationTarget,
    context: WriteContext,
    tools: ToolSet,
    fields: RequestFields,
  ) {
    this.items = items
    this.target = target
    this.context = context
    this.tools = tools
    this.fields = fields
    this.messages = []
    this.resultParts = []
  }

  format(): Json {
    const { items } = this
    for (let at = 0; at < items.length; ) {
      const item = items[at] as Item
      if (item.kind === 'result') {
        const content = joinTexts(listTexts(item.parts))
        this.messages.push(`{"role":"tool","tool_call_id":${this.formatId(item.id)},"content":${content}}`)
        for (const part of item.parts) if (part.type !== 'text') this.resultParts.push(part)
        at++
        continue
      }
      this.flushResultParts()
      if (isAssistantItem(item)) {
        let end = at
        while (end < items.length && isAssistantItem(items[end] as Item)) end++
        this.addAssistant(items.slice(at, end))
        at = end
        continue
      }
      this.addMessage(item as MessageItem)
      at++
    }
    this.flushResultParts()
    return formatArray(this.messages)
  }

  private addMessage({ role, parts }: MessageItem): void {
    const content =
      role === 'user' ? formatChatContent(parts, this.fields) : joinTexts(listAsTexts(parts, this.fields))
    this.messages.push(`{"role":"${role}","content":${content}}`)
  }

  private flushResultParts(): void {
    if (this.resultParts.length === 0) return
    this.messages.push(`{"role":"user","content":${formatChatContent(this.resultParts, this.fields)}}`)
    this.resultParts = []
  }

  /** One message of texts and calls. */
  private addAssistant(items: readonly Item[]): void {
    const texts: JsonString[] = []
    const calls: CallItem[] = []
    let thinking: JsonString | null = null
    for (const item of items) {
      if (item.kind === 'call') calls.push(item)
      else if (item.kind === 'message') texts.push(...listAsTexts(item.parts, this.fields))
      else if (item.kind === 'thinking' && item.api === 'chat') thinking ??= item.json
    }
    if (texts.length === 0 && calls.length === 0) return
    const content = texts.length === 0 ? 'null' : joinTexts(texts)
    const reasoning = calls.length === 0 ? null : this.findReasoning(calls, thinking)
    const toolCalls =
      calls.length === 0 ? null : `[${calls.map((call, n) => this.formatCall(call, n)).join(',')}]`
    this.messages.push(
      formatObject({ role: '"assistant"', content, reasoning_content: reasoning, tool_calls: toolCalls }),
    )
  }

  /** Models that think between their calls refuse a call without its thinking; they take an empty one. */
  private findReasoning(calls: readonly CallItem[], given: JsonString | null): JsonString | null {
    if (this.target.traits.chatThinking !== 'reasoning_content') return null
    if (given !== null) return given
    for (const call of calls) {
      const thought = findThought(this.context.thoughts, this.target, 'chat', call)
      if (thought?.startsWith('"') === true) return thought
    }
    return '""'
  }

  private formatCall(call: CallItem, index: number): Json {
    const id = this.formatId(call.id)
    const name = JSON.stringify(call.name)
    if (isCustomCall(call, this.tools) && this.tools.keepCustoms) {
      const input = formatCustomText(call.input)
      const custom = formatObject({ name, input })
      return formatObject({ id, type: '"custom"', custom, extra_content: this.findExtra(call, index) })
    }
    const args = isCustomCall(call, this.tools)
      ? JSON.stringify(formatWrappedObject(call.input))
      : formatInputText(call.input)
    const made = formatObject({ name, arguments: args })
    return formatObject({
      id,
      type: '"function"',
      function: made,
      extra_content: this.findExtra(call, index),
    })
  }

  /** Only the first of parallel calls has a signature. */
  private findExtra(call: CallItem, index: number): Json | null {
    if (this.target.traits.chatThinking !== 'thought_signature') return null
    const thought = findThought(this.context.thoughts, this.target, 'chat', call)
    if (thought?.startsWith('{') === true) return thought
    return index === 0 ? `{"google":{"thought_signature":"${UNKNOWN_SIGNATURE}"}}` : null
  }

  private formatId(id: string): JsonString {
    return JSON.stringify(this.context.callIds?.idFor(id) ?? id)
  }
}

/** The content of a message of the user's: one string if all parts are text. */
export function formatChatContent(parts: readonly Part[], fields: RequestFields): Json {
  const texts = listTexts(parts)
  if (texts.length === parts.length) return joinTexts(texts)
  return `[${parts.map((part) => formatPart(part, fields)).join(',')}]`
}

function formatPart(part: Part, fields: RequestFields): Json {
  const found = formatMedia(part)
  return found ?? `{"type":"text","text":${part.type === 'text' ? part.text : replacePart(part, fields)}}`
}

/** Null for a text, and for what chat completions cannot carry. */
function formatMedia(part: Part): Json | null {
  if (part.type === 'audio') {
    return `{"type":"input_audio","input_audio":{"data":${part.data},"format":${JSON.stringify(part.format)}}}`
  }
  if (part.type === 'image') {
    const url = formatUrl(part.source)
    if (url === null) return null
    const detail = part.detail === null ? null : JSON.stringify(part.detail)
    return `{"type":"image_url","image_url":${formatObject({ url, detail })}}`
  }
  if (part.type !== 'file') return null
  const { source } = part
  if (source.kind === 'text') return `{"type":"text","text":${source.text}}`
  if (source.kind === 'id') return `{"type":"file","file":{"file_id":${source.id}}}`
  if (source.kind !== 'base64') return null
  const filename = part.name ?? '"file.pdf"'
  return `{"type":"file","file":${formatObject({ filename, file_data: formatUrl(source) })}}`
}
