import { parseJson } from '../../json/values.js'
import {
  type CallItem,
  type Conversation,
  type Item,
  type Json,
  type JsonString,
  type Part,
  type ResultItem,
  splitSystem,
  type ToolChoice,
} from '../conversation.js'
import type { TranslationTarget } from '../conversation-request.js'
import { UNKNOWN_SIGNATURE } from './chat.js'
import { guessMediaType, listAsTexts, readFileText, replacePart, splitDataUrl } from './data-sources.js'
import { findThought, isAssistantItem } from './earlier-thinking.js'
import { chooseEffort, readEffort } from './effort.js'
import {
  formatArray,
  formatInputObject,
  formatWrappedObject,
  isBlank,
  joinTexts,
  listTexts,
  readInner,
} from './json-text.js'
import { OPENING } from './messages-blocks.js'
import {
  formatLimit,
  formatModel,
  formatObject,
  RequestFields,
  type WriteContext,
  type WrittenRequest,
} from './request-fields.js'
import { formatStop } from './stop.js'
import { createToolSet, formatGeminiTool, isCustomCall, readToolChoice, type ToolSet } from './tool-texts.js'

/** (API reference, GenerationConfig, `stopSequences`) */
const MOST_STOPS = 5

/** Tokens of thinking for an effort, as Google maps them in its OpenAI-compatible API. */
const BUDGETS: Readonly<Record<string, number>> = {
  none: 0,
  minimal: 1024,
  low: 1024,
  medium: 8192,
  high: 24_576,
  xhigh: 24_576,
  max: 24_576,
}
/** The values of `thinkingLevel` that most models with it take. */
const LEVELS: readonly string[] = ['low', 'medium', 'high']

/**
 * Writes a conversation as a request of Gemini's `generateContent`, which has the model's name and whether it streams
 * in its path. The contents come last, and nothing ahead of them depends on them.
 */
export function writeGemini(
  conversation: Conversation,
  target: TranslationTarget,
  context: WriteContext,
): WrittenRequest {
  const { traits } = target
  const fields = new RequestFields(traits)
  const set = createToolSet(conversation, traits, false)
  const { tools } = conversation
  const { system, rest } = splitSystem(conversation.items)
  fields.add('systemInstruction', formatSystem(system, fields))
  if (tools.length > 0)
    fields.add('tools', `[{"functionDeclarations":[${tools.map(formatGeminiTool).join(',')}]}]`)
  const choice = readToolChoice(conversation, set, fields)
  const config = tools.length === 0 || choice === null ? null : formatChoice(choice)
  fields.add('toolConfig', config === null ? null : `{"functionCallingConfig":${config}}`, 'tool_choice')
  fields.add('generationConfig', formatGeneration(conversation, target, context, fields))
  const contents = new GeminiContents(target, context, set, fields)
  contents.addAll(rest)
  fields.addHistory('contents', contents.format())

  fields.addOthers(conversation, [])
  fields.dropGiven(conversation, ['verbosity', 'user', 'metadata', 'serviceTier', 'promptCacheKey'])
  fields.dropGiven(conversation, ['n', 'logprobs', 'topLogprobs', 'logitBias'])
  if (conversation.parallelCalls === false && tools.length > 0) fields.drop('parallel_tool_calls')
  if (tools.some(({ strict }) => strict === 'true')) fields.drop('strict')
  const name = readModel(conversation, target)
  const method = conversation.stream ? 'streamGenerateContent' : 'generateContent'
  return {
    ...fields.formatBody(),
    path: `/models/${encodeURIComponent(name)}:${method}`,
    query: conversation.stream ? '?alt=sse' : '',
    dropped: fields.dropped,
    wrapped: set.wrapped,
  }
}

function readModel(conversation: Conversation, target: TranslationTarget): string {
  const name = parseJson(formatModel(conversation, target) ?? '""')
  return typeof name === 'string' ? name.replace(/^models\//, '') : ''
}

function formatSystem(items: readonly Item[], fields: RequestFields): Json | null {
  const parts: Json[] = []
  for (const item of items) {
    if (item.kind !== 'message') continue
    for (const text of listAsTexts(item.parts, fields)) if (text !== '""') parts.push(`{"text":${text}}`)
  }
  return parts.length === 0 ? null : `{"parts":[${parts.join(',')}]}`
}

/** Names can only be given to a mode that forces a call. */
function formatChoice(choice: ToolChoice): Json {
  if (choice.kind === 'one') return formatAny([choice.name])
  if (choice.kind === 'allowed') return choice.mode === 'any' ? formatAny(choice.names) : '{"mode":"AUTO"}'
  return `{"mode":"${choice.kind.toUpperCase()}"}`
}

function formatAny(names: readonly string[]): Json {
  return `{"mode":"ANY","allowedFunctionNames":${JSON.stringify(names)}}`
}

function formatGeneration(
  conversation: Conversation,
  target: TranslationTarget,
  context: WriteContext,
  fields: RequestFields,
): Json | null {
  const { refuses, refusesTogether } = target.traits
  const config = new RequestFields({
    refuses: refuses.map((name) => name.replace(/^generationConfig\./, '')),
    refusesTogether,
  })
  config.add('maxOutputTokens', formatLimit(conversation, target.traits.maxOutputTokens), 'max_tokens')
  config.add('temperature', conversation.temperature)
  config.add('topP', conversation.topP, 'top_p')
  config.add('topK', conversation.topK, 'top_k')
  config.add('seed', conversation.seed)
  config.add('frequencyPenalty', conversation.frequencyPenalty, 'frequency_penalty')
  config.add('presencePenalty', conversation.presencePenalty, 'presence_penalty')
  config.add('stopSequences', formatStop(conversation.stop, MOST_STOPS, false, fields), 'stop')
  const { format } = conversation
  // Models before Gemini 3 refuse JSON answers together with functions.
  if (format !== null && conversation.tools.length > 0 && target.traits.thinking !== 'adaptive') {
    fields.drop('response_format')
  } else if (format !== null) {
    config.add('responseMimeType', '"application/json"', 'response_format')
    config.add('responseJsonSchema', format.kind === 'schema' ? format.schema : null, 'response_format')
  }
  config.add(
    'thinkingConfig',
    formatThinking(conversation, target, context, fields, config),
    'reasoning_effort',
  )
  for (const name of config.dropped) fields.drop(name)
  const json = config.format()
  return json === '{}' ? null : json
}

function formatThinking(
  conversation: Conversation,
  { traits }: TranslationTarget,
  context: WriteContext,
  fields: RequestFields,
  config: RequestFields,
): Json | null {
  const accepts = (part: string): boolean => config.accepts(`thinkingConfig.${part}`, 'reasoning_effort')
  const wanted = readEffort(conversation, context.effort)
  if (traits.thinking === 'none' || (traits.thinking === null && wanted === null)) {
    if (wanted !== null) fields.drop('reasoning_effort')
    return null
  }
  // Not every model can be kept from thinking.
  if (wanted === 'none' && traits.efforts?.includes('none') !== true) {
    fields.drop('reasoning_effort')
    return null
  }
  if (traits.thinking === 'adaptive') {
    const level = chooseEffort(wanted, traits.efforts ?? LEVELS)
    if (wanted !== null && level === null) fields.drop('reasoning_effort')
    return formatParts({
      includeThoughts: accepts('includeThoughts') ? 'true' : null,
      thinkingLevel: level !== null && accepts('thinkingLevel') ? JSON.stringify(level) : null,
    })
  }
  const level = chooseEffort(wanted, traits.efforts)
  const budget = level === null ? null : (BUDGETS[level] ?? null)
  if (wanted !== null && budget === null) fields.drop('reasoning_effort')
  return formatParts({
    includeThoughts: budget !== 0 && accepts('includeThoughts') ? 'true' : null,
    thinkingBudget: budget !== null && accepts('thinkingBudget') ? String(budget) : null,
  })
}

/** Null if no part is left. */
function formatParts(parts: Readonly<Record<string, Json | null>>): Json | null {
  const json = formatObject(parts)
  return json === '{}' ? null : json
}

interface Content {
  readonly role: 'user' | 'model'
  readonly parts: Json[]
}

/** The contents of one request. The roles take turns, and the user begins. */
class GeminiContents {
  private readonly target: TranslationTarget
  private readonly context: WriteContext
  private readonly tools: ToolSet
  private readonly fields: RequestFields
  private readonly contents: Content[]

  constructor(target: TranslationTarget, context: WriteContext, tools: ToolSet, fields: RequestFields) {
    this.target = target
    this.context = context
    this.tools = tools
    this.fields = fields
    this.contents = []
  }

  addAll(items: readonly Item[]): void {
    let lastRun: readonly Item[] = []
    for (let at = 0; at < items.length; ) {
      const start = at
      const assistant = isAssistantItem(items[at] as Item)
      while (at < items.length && isAssistantItem(items[at] as Item) === assistant) at++
      const run = items.slice(start, at)
      if (assistant) this.addAssistant(run)
      else this.addUser(run, lastRun)
      lastRun = run
    }
    if (this.contents[0]?.role !== 'user')
      this.contents.unshift({ role: 'user', parts: [`{"text":${OPENING}}`] })
  }

  format(): Json {
    const texts = this.contents.map(({ role, parts }) => `{"role":"${role}","parts":${formatArray(parts)}}`)
    return formatArray(texts)
  }

  private addAssistant(items: readonly Item[]): void {
    let first = true
    for (const item of items) {
      if (item.kind === 'message') {
        for (const text of listAsTexts(item.parts, this.fields)) this.pushText('model', text)
      } else if (item.kind === 'call') {
        this.push('model', this.formatCall(item, first))
        first = false
      }
    }
  }

  private addUser(run: readonly Item[], calling: readonly Item[]): void {
    const others: Part[] = []
    for (const result of sortResults(run, calling)) {
      this.push('user', this.formatResult(result.item, result.call))
      for (const part of result.item.parts) if (part.type !== 'text') others.push(part)
    }
    for (const part of others) this.push('user', this.formatPart(part))
    for (const item of run) {
      if (item.kind !== 'message') continue
      if (item.role === 'user') {
        for (const part of item.parts) {
          if (part.type === 'text') this.pushText('user', part.text)
          else this.push('user', this.formatPart(part))
        }
      } else {
        // There is no place for what the system says in the middle of a conversation but the user's turn.
        for (const text of listAsTexts(item.parts, this.fields)) {
          if (text !== '""') this.push('user', `{"text":"<system>\\n${readInner(text)}\\n</system>"}`)
        }
      }
    }
  }

  /** Only the first of parallel calls has a signature. Models before Gemini 3 require none. */
  private formatCall(call: CallItem, isFirst: boolean): Json {
    const args = isCustomCall(call, this.tools)
      ? formatWrappedObject(call.input)
      : formatInputObject(call.input)
    const known = findThought(this.context.thoughts, this.target, 'gemini', call)
    const unknown = isFirst && this.target.traits.thinking !== 'budget' ? `"${UNKNOWN_SIGNATURE}"` : null
    return formatObject({
      functionCall: formatObject({ name: JSON.stringify(call.name), args }),
      thoughtSignature: known?.startsWith('"') === true ? known : unknown,
    })
  }

  /** Results go by their order and name: not every version of the API takes ids. */
  private formatResult({ parts, isError }: ResultItem, call: CallItem | null): Json {
    const text = joinTexts(listTexts(parts))
    const response = `{"${isError ? 'error' : 'result'}":${text}}`
    return `{"functionResponse":${formatObject({ name: JSON.stringify(call?.name ?? 'tool'), response })}}`
  }

  private formatPart(part: Part): Json {
    return (
      formatMedia(part) ?? `{"text":${part.type === 'text' ? part.text : replacePart(part, this.fields)}}`
    )
  }

  private pushText(role: 'user' | 'model', text: JsonString): void {
    if (text !== '""') this.push(role, `{"text":${text}}`)
  }

  private push(role: 'user' | 'model', part: Json): void {
    const last = this.contents.at(-1)
    if (last?.role === role) last.parts.push(part)
    else this.contents.push({ role, parts: [part] })
  }
}

interface Result {
  readonly item: ResultItem
  readonly call: CallItem | null
}

/**
 * The results among the items, in the order of their calls.
 * @param calling the items of the assistant's ahead of them
 */
function sortResults(run: readonly Item[], calling: readonly Item[]): Result[] {
  const calls = new Map<string, { readonly call: CallItem; readonly at: number }>()
  for (const [at, item] of calling.entries()) if (item.kind === 'call') calls.set(item.id, { call: item, at })
  const results: Result[] = []
  for (const item of run)
    if (item.kind === 'result') results.push({ item, call: calls.get(item.id)?.call ?? null })
  const place = ({ item }: Result): number => calls.get(item.id)?.at ?? Number.POSITIVE_INFINITY
  return results.sort((a, b) => (place(a) < place(b) ? -1 : place(a) > place(b) ? 1 : 0))
}

/** Null for a text, and for what Gemini cannot carry. */
function formatMedia(part: Part): Json | null {
  if (part.type === 'text') return null
  if (part.type === 'audio') return formatInline(`audio/${part.format}`, part.data)
  const source = splitDataUrl(part.source)
  if (source.kind === 'base64') {
    const text = part.type === 'file' ? readFileText({ ...part, source }) : null
    if (text !== null && !isBlank(text)) return `{"text":${text}}`
    return formatInline(source.mediaType, source.data)
  }
  if (source.kind === 'text') return isBlank(source.text) ? null : `{"text":${source.text}}`
  if (source.kind !== 'url') return null
  const mimeType = JSON.stringify(guessMediaType(source.url, part))
  return `{"fileData":{"mimeType":${mimeType},"fileUri":${source.url}}}`
}

function formatInline(mimeType: string, data: JsonString): Json {
  return `{"inlineData":{"mimeType":${JSON.stringify(mimeType)},"data":${data}}}`
}
