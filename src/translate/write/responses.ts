import {
  findMember,
  findOnly,
  findString,
  parseOutline,
  readElements,
  sliceText,
  WHOLE,
} from '../../json/outline.js'
import type {
  AnswerFormat,
  CallItem,
  Conversation,
  Item,
  Json,
  JsonString,
  Part,
  ResultItem,
} from '../conversation.js'
import type { TranslationTarget } from '../conversation-request.js'
import { formatUrl, listAsTexts, replacePart } from './data-sources.js'
import { findThought, planThinking } from './earlier-thinking.js'
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
  formatServiceTier,
  RequestFields,
  type WriteContext,
  type WrittenRequest,
} from './request-fields.js'
import { addOpenAiTools, createToolSet, isCustomCall, type ToolSet } from './tool-texts.js'

/** Fields beyond those of a conversation that Responses has (API reference, Create a model response). */
const KNOWN_OTHERS = [
  ...['store', 'safety_identifier', 'prompt_cache_retention', 'prompt_cache_options'],
  'truncation',
]

/**
 * Writes a conversation as a request of Responses. The input comes last, and nothing ahead of it depends on it.
 *
 * Nothing is stored at the upstream, as no client of another API asks for that. So a model that reasons hands out its
 * reasoning encrypted, and gets it back from here (OpenAI's guide "Reasoning models").
 */
export function writeResponses(
  conversation: Conversation,
  target: TranslationTarget,
  context: WriteContext,
): WrittenRequest {
  const { traits } = target
  const fields = new RequestFields(traits)
  const tools = createToolSet(conversation, traits, true)
  const leading = countLeadingSystem(conversation.items)
  const wanted = readEffort(conversation, context.effort)
  const effort = chooseEffort(wanted, traits.efforts)
  // Models that do not reason refuse the fields of reasoning.
  const reasons = traits.efforts === null ? effort !== null : traits.efforts.length > 0
  fields.add('model', formatModel(conversation, target))
  fields.add('stream', conversation.stream ? 'true' : null)
  fields.add('store', conversation.others.get('store') === 'true' ? 'true' : 'false')
  const limit = formatLimit(conversation, traits.maxOutputTokens, LEAST_LIMIT)
  fields.add('max_output_tokens', limit, 'max_tokens')
  fields.add('temperature', conversation.temperature)
  fields.add('top_p', conversation.topP)
  if (wanted !== null && effort === null) fields.drop('reasoning_effort')
  if (reasons) {
    fields.add('reasoning', formatReasoning(fields, effort), 'reasoning_effort')
    fields.add('include', '["reasoning.encrypted_content"]')
  }
  fields.add('text', formatText(fields, conversation), 'response_format')
  fields.add('user', conversation.user)
  fields.add('metadata', conversation.metadata)
  fields.add('service_tier', formatServiceTier(conversation))
  fields.add('prompt_cache_key', conversation.promptCacheKey)
  fields.addOthers(withoutStore(conversation), KNOWN_OTHERS)
  fields.dropGiven(conversation, ['topK', 'seed', 'frequencyPenalty', 'presencePenalty', 'stop'])
  fields.dropGiven(conversation, ['n', 'logprobs', 'topLogprobs', 'logitBias'])
  addOpenAiTools(fields, conversation, tools, 'flat')
  fields.add('instructions', formatInstructions(conversation.items.slice(0, leading), fields))
  const input = new ResponsesInput(conversation.items.slice(leading), target, context, tools, fields)
  fields.addHistory('input', input.format(reasons))
  return {
    ...fields.formatBody(),
    path: '/responses',
    query: null,
    dropped: fields.dropped,
    wrapped: tools.wrapped,
  }
}

/** (API reference, Create a model response: a lower limit is refused) */
const LEAST_LIMIT = 16

/** The number of items that become `instructions`: none if the input would be empty without them. */
function countLeadingSystem(items: readonly Item[]): number {
  return Math.max(
    0,
    items.findIndex((item) => item.kind !== 'message' || item.role !== 'system'),
  )
}

function withoutStore(conversation: Conversation): Conversation {
  const others = new Map(conversation.others)
  others.delete('store')
  return { ...conversation, others }
}

function formatInstructions(items: readonly Item[], fields: RequestFields): JsonString | null {
  const texts: JsonString[] = []
  for (const item of items) if (item.kind === 'message') texts.push(...listAsTexts(item.parts, fields))
  return texts.length === 0 ? null : joinTexts(texts)
}

/** The summary is what a client can be shown of the reasoning. */
function formatReasoning(fields: RequestFields, effort: string | null): Json | null {
  const members = formatObject({
    effort:
      effort !== null && fields.accepts('reasoning.effort', 'reasoning_effort')
        ? JSON.stringify(effort)
        : null,
    summary: fields.accepts('reasoning.summary') ? '"auto"' : null,
  })
  return members === '{}' ? null : members
}

function formatText(fields: RequestFields, { format, verbosity }: Conversation): Json | null {
  const kept = verbosity !== null && fields.accepts('text.verbosity', 'verbosity') ? verbosity : null
  if (format === null && kept === null) return null
  return formatObject({ format: format === null ? null : formatAnswer(format), verbosity: kept })
}

function formatAnswer(format: AnswerFormat): Json {
  if (format.kind === 'json') return '{"type":"json_object"}'
  const { description, schema, strict } = format
  return formatObject({ type: '"json_schema"', name: format.name ?? '"answer"', description, schema, strict })
}

const REASONING_ITEMS = readElements(findOnly({ encrypted_content: WHOLE }))

/** The reasoning items that say something without the upstream's store, joined by commas; null if there are none. */
function filterEncrypted(items: Json): Json | null {
  const bytes = Buffer.from(`[${items}]`)
  const outline = parseOutline(bytes, REASONING_ITEMS)
  const kept = outline?.elements?.filter(
    (item) => findString(bytes, findMember(item, 'encrypted_content')) !== null,
  )
  if (kept === undefined || kept.length === 0) return null
  return kept.map((item) => sliceText(bytes, item)).join(',')
}

/** The input of one request. */
class ResponsesInput {
  private readonly items: readonly Item[]
  private readonly target: TranslationTarget
  private readonly context: WriteContext
  private readonly tools: ToolSet
  private readonly fields: RequestFields
  /** Ids of the calls that went out as calls of custom tools. */
  private readonly customCalls: Set<string>

  constructor(
    items: readonly Item[],
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
    this.customCalls = new Set()
  }

  /** @param reasons the model takes reasoning items */
  format(reasons: boolean): Json {
    const input: Json[] = []
    const { thoughts } = this.context
    const plan = planThinking(this.items, 'responses', (call) =>
      reasons ? findThought(thoughts, this.target, 'responses', call) : null,
    )
    for (const [at, item] of this.items.entries()) {
      const planned = plan.get(at)
      const reasoning = planned === undefined || !reasons ? null : filterEncrypted(planned)
      if (reasoning !== null) input.push(reasoning)
      if (item.kind === 'message') input.push(this.formatMessage(item.role, item.parts))
      else if (item.kind === 'call') input.push(this.formatCall(item))
      else if (item.kind === 'result') input.push(this.formatResult(item))
    }
    return formatArray(input)
  }

  private formatMessage(role: 'system' | 'user' | 'assistant', parts: readonly Part[]): Json {
    if (role === 'user') return `{"role":"user","content":${this.formatParts(parts)}}`
    const text = joinTexts(listAsTexts(parts, this.fields))
    return role === 'system'
      ? `{"role":"developer","content":${text}}`
      : `{"role":"assistant","content":[{"type":"output_text","text":${text}}]}`
  }

  /** Ids of items are left out: they are the names of another upstream's. */
  private formatCall(call: CallItem): Json {
    const id = this.formatId(call.id)
    const name = JSON.stringify(call.name)
    const custom = isCustomCall(call, this.tools)
    if (custom && this.tools.keepCustoms) {
      this.customCalls.add(call.id)
      return formatObject({
        type: '"custom_tool_call"',
        call_id: id,
        name,
        input: formatCustomText(call.input),
      })
    }
    const args = custom ? JSON.stringify(formatWrappedObject(call.input)) : formatInputText(call.input)
    return formatObject({ type: '"function_call"', call_id: id, name, arguments: args })
  }

  private formatResult({ id, parts }: ResultItem): Json {
    const type = this.customCalls.has(id) ? '"custom_tool_call_output"' : '"function_call_output"'
    const texts = listTexts(parts)
    const output = texts.length === parts.length ? joinTexts(texts) : this.formatParts(parts)
    return formatObject({ type, call_id: this.formatId(id), output })
  }

  private formatParts(parts: readonly Part[]): Json {
    return formatArray(parts.map((part) => this.formatPart(part)))
  }

  private formatPart(part: Part): Json {
    const found = formatMedia(part)
    if (found !== null) return found
    const text = part.type === 'text' ? part.text : replacePart(part, this.fields)
    return `{"type":"input_text","text":${text}}`
  }

  private formatId(id: string): JsonString {
    return JSON.stringify(this.context.callIds?.idFor(id) ?? id)
  }
}

/** Null for a text, and for what Responses cannot carry. */
function formatMedia(part: Part): Json | null {
  if (part.type === 'image') {
    const detail = JSON.stringify(part.detail ?? 'auto')
    if (part.source.kind === 'id')
      return `{"type":"input_image","file_id":${part.source.id},"detail":${detail}}`
    const url = formatUrl(part.source)
    return url === null ? null : `{"type":"input_image","image_url":${url},"detail":${detail}}`
  }
  if (part.type !== 'file') return null
  const { source } = part
  if (source.kind === 'text') return `{"type":"input_text","text":${source.text}}`
  if (source.kind === 'id') return `{"type":"input_file","file_id":${source.id}}`
  if (source.kind === 'url') return `{"type":"input_file","file_url":${source.url}}`
  const filename = part.name ?? '"file.pdf"'
  return formatObject({ type: '"input_file"', filename, file_data: formatUrl(source) })
}
