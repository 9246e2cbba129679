import { findMember, type Value } from '../../json/outline.js'
import { parseJson } from '../../json/values.js'
import type { Conversation, Json, Tool, ToolChoice } from '../conversation.js'
import { parseRequestOutline } from '../request/request-outline.js'
import { readBudget, readEffort, readFormat, readLogprobs, readStop } from './fields.js'
import { ItemReader } from './items.js'
import { REFUSABLE_OTHERS } from './refusals.js'
import { readToolChoice } from './tool-choice.js'
import { readTools } from './tools.js'
import { copyString, copyValue, isFalse, isTrue } from './values.js'

/** What differs between the readers: everything else may stand in any body, as Cursor and users' settings mix them. */
export interface Dialect {
  /** The member that has the conversation. */
  readonly list: 'messages' | 'input'
  /** Names of the limit of output tokens; the first that is set counts. */
  readonly limits: readonly string[]
}

/**
 * Reads a request by the outline of its body. Values are copied as they stand.
 * @param body must not be changed afterwards, as its outline is remembered
 * @returns null if the body is no JSON object
 */
export function readRequest(body: Buffer, dialect: Dialect): Conversation | null {
  const outline = parseRequestOutline(body)
  if (outline === null) return null
  return new RequestReader(body, outline, dialect).read()
}

class RequestReader {
  private readonly body: Buffer
  private readonly dialect: Dialect
  /** Known members by name; of doubled ones the last. */
  private readonly known: Map<string, Value>
  private readonly others: Map<string, Json>

  constructor(body: Buffer, outline: Value, dialect: Dialect) {
    this.body = body
    this.dialect = dialect
    this.known = new Map()
    this.others = new Map()
    for (const { key, value } of outline.members ?? []) {
      if (KNOWN.has(key) || key === 'include') this.known.set(key, value)
      if (!KNOWN.has(key)) {
        const json = copyValue(body, value)
        if (json === null) this.others.delete(key)
        else this.addOther(key, json)
      }
    }
  }

  read(): Conversation {
    const { body, others, dialect } = this
    const skip = (key: string): void => this.addOther(key, 'true')
    const tools = readTools(body, this.find('tools'), false, skip)
    if (tools.length === 0)
      for (const tool of readTools(body, this.find('functions'), true, skip)) tools.push(tool)
    const customs = new Set<string>()
    for (const { kind, name } of tools) if (kind === 'custom') customs.add(name)
    const items = new ItemReader(body, customs, skip)
    items.addSystem(this.find('instructions'))
    items.addSystem(this.find('system'))
    items.addList(this.find(dialect.list))
    const { choice, parallelCalls } = this.readChoice(tools)
    const text = this.find('text')
    return {
      model: this.copyString('model'),
      stream: isTrue(body, this.find('stream')),
      includeUsage: isTrue(body, findMember(this.find('stream_options'), 'include_usage')),
      items: items.items,
      tools,
      toolChoice: choice,
      parallelCalls,
      maxTokens: this.copyFirst(dialect.limits),
      temperature: this.copy('temperature'),
      topP: this.copy('top_p'),
      topK: this.copy('top_k'),
      seed: this.copy('seed'),
      frequencyPenalty: this.copy('frequency_penalty'),
      presencePenalty: this.copy('presence_penalty'),
      stop: readStop(body, this.find('stop_sequences')) ?? readStop(body, this.find('stop')),
      format: this.readFormat(),
      effort: readEffort(body, this.known),
      thinkingBudget: readBudget(body, this.known),
      verbosity: this.copyString('verbosity') ?? copyString(body, text, 'verbosity'),
      user: this.copyString('user') ?? copyString(body, this.find('metadata'), 'user_id'),
      metadata: this.copy('metadata'),
      serviceTier: this.copyString('service_tier'),
      promptCacheKey: this.copyString('prompt_cache_key'),
      n: this.copy('n'),
      logprobs: this.copy('logprobs') ?? readLogprobs(body, this.find('include')),
      topLogprobs: this.copy('top_logprobs'),
      logitBias: this.copy('logit_bias'),
      others,
    }
  }

  /** Fields that no API has are not all kept, so that nobody downstream has to walk over a million of them. */
  private addOther(key: string, json: Json): void {
    const { others } = this
    if (others.size < MOST_OTHERS || REFUSABLE_OTHERS.has(key) || others.has(key)) others.set(key, json)
  }

  private find(key: string): Value | null {
    return this.known.get(key) ?? null
  }

  private copy(key: string): Json | null {
    return copyValue(this.body, this.find(key))
  }

  private copyString(key: string): Json | null {
    const json = this.copy(key)
    return json?.startsWith('"') ? json : null
  }

  private copyFirst(keys: readonly string[]): Json | null {
    for (const key of keys) {
      const json = this.copy(key)
      if (json !== null) return json
    }
    return null
  }

  /** Own places of the answer's format first, then those of other APIs. */
  private readFormat(): Conversation['format'] {
    const { body } = this
    return (
      readFormat(body, findMember(this.find('text'), 'format')) ??
      readFormat(body, findMember(this.find('output_config'), 'format')) ??
      readFormat(body, this.find('output_format')) ??
      readFormat(body, this.find('response_format'))
    )
  }

  /** Without tools no API takes a choice or a word about parallel calls. */
  private readChoice(tools: readonly Tool[]): { choice: ToolChoice | null; parallelCalls: boolean | null } {
    const { body } = this
    const value = this.find('tool_choice') ?? this.find('function_call')
    const json = copyValue(body, value)
    const parsed = json === null ? null : parseJson(json)
    if (tools.length === 0) return { choice: null, parallelCalls: null }
    const choice = parsed === null ? null : readToolChoice(parsed, new Set(tools.map(({ name }) => name)))
    if (json !== null && choice === null) this.others.set('tool_choice', json)
    const parallel = this.find('parallel_tool_calls')
    const isDisabled =
      (parsed as { disable_parallel_tool_use?: unknown } | null)?.disable_parallel_tool_use === true
    if (isDisabled || isFalse(body, parallel)) return { choice, parallelCalls: false }
    return { choice, parallelCalls: isTrue(body, parallel) ? true : null }
  }
}

/** No client has as many fields that are not in `KNOWN`. */
const MOST_OTHERS = 256

/** Members that become fields of their own. All others keep their names. */
const KNOWN: ReadonlySet<string> = new Set([
  ...['model', 'stream', 'stream_options', 'messages', 'input', 'system', 'instructions'],
  ...['tools', 'functions', 'tool_choice', 'function_call', 'parallel_tool_calls'],
  ...['max_tokens', 'max_completion_tokens', 'max_output_tokens', 'temperature', 'top_p', 'top_k', 'seed'],
  ...['frequency_penalty', 'presence_penalty', 'stop', 'stop_sequences'],
  ...['response_format', 'output_format', 'text', 'output_config'],
  ...['reasoning', 'reasoning_effort', 'thinking', 'verbosity'],
  ...['user', 'metadata', 'service_tier', 'prompt_cache_key', 'n', 'logprobs', 'top_logprobs', 'logit_bias'],
])
