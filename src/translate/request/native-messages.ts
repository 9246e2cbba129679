import { type ObjectEdits, removeElements } from '../../json/object-edits.js'
import {
  equalsText,
  findMember,
  findString,
  isEmptyValue,
  parseOutline,
  readElements,
  sliceText,
  type Value,
  WHOLE,
} from '../../json/outline.js'
import { parseJson } from '../../json/values.js'
import { filterMessages, isFalse } from './request-outline.js'
import { translateToolChoice } from './tool-choice.js'

/**
 * Fields of OpenAI's APIs, each refused by Messages ("Extra inputs are not permitted"), and none with a word for it there that
 * every model takes. The first seven are what OhadBaehr's proxy for Cursor takes out of its requests.
 */
const OPENAI_ONLY = [
  ...['stream_options', 'parallel_tool_calls', 'n', 'logprobs', 'frequency_penalty', 'presence_penalty'],
  ...['response_format', 'top_logprobs', 'logit_bias', 'seed', 'store', 'modalities', 'audio', 'prediction'],
  ...['verbosity', 'reasoning', 'reasoning_effort', 'web_search_options', 'prompt_cache_key'],
  ...[
    'prompt_cache_retention',
    'safety_identifier',
    'include',
    'truncation',
    'text',
    'previous_response_id',
    'input',
  ],
]

/** Needed there. As much as lets a long file be written in a tool call, and as every Claude since 3.7 can. */
const DEFAULT_MAX_TOKENS = 16_384

/** A Messages body with what Cursor adds of chat completions. */
export function editMessages(body: Buffer, request: Value, edits: ObjectEdits): void {
  editChoice(body, request, edits)
  for (const key of OPENAI_ONLY) edits.cut(key)
  editLimit(body, request, edits)
  editUser(body, request, edits)
  editStop(body, request, edits)
  const tier = findMember(request, 'service_tier')
  if (!equalsText(body, tier, 'auto') && !equalsText(body, tier, 'standard_only')) edits.cut('service_tier')
  hoistSystem(body, request, edits)
}

/** The choice is refused without tools; with "none", so is anything beside it (new-api issue 2763). */
function editChoice(body: Buffer, request: Value, edits: ObjectEdits): void {
  const tools = findMember(request, 'tools')
  if (!tools?.elements?.length) {
    edits.cut('tool_choice')
    if (tools !== null && isEmptyValue(body, tools)) edits.cut('tools')
    return
  }
  const choice = findMember(request, 'tool_choice')
  const told = parsed(body, choice)
  const isOurs =
    typeof told === 'object' && told !== null && 'type' in told && OWN_CHOICES.includes(told.type)
  const wanted = isOurs ? told : translateToolChoice(told, { form: 'input_schema', customs: [] })
  const alone = isFalse(body, findMember(request, 'parallel_tool_calls'))
  if (wanted === undefined && choice !== null && !isEmptyValue(body, choice)) return
  const kept = (wanted ?? (alone ? { type: 'auto' } : null)) as { type: string } | null
  if (kept === null) {
    edits.cut('tool_choice')
    return
  }
  const single = alone && kept.type !== 'none' && !('disable_parallel_tool_use' in kept)
  if (isOurs && !single) return
  const text = JSON.stringify(single ? { ...kept, disable_parallel_tool_use: true } : kept)
  if (choice === null) edits.add('tool_choice', text)
  else edits.replace(choice, text)
}

const OWN_CHOICES: readonly unknown[] = ['auto', 'any', 'tool', 'none']

/** Undefined if it cannot be read. */
function parsed(body: Buffer, value: Value | null): unknown {
  if (value === null || value.end - value.start > LONGEST_READ) return undefined
  return parseJson(sliceText(body, value))
}

const LONGEST_READ = 64 * 1024

function editLimit(body: Buffer, request: Value, edits: ObjectEdits): void {
  const others = ['max_completion_tokens', 'max_output_tokens']
  if (isEmptyValue(body, findMember(request, 'max_tokens'))) {
    const told = others.find((key) => !isEmptyValue(body, findMember(request, key)))
    if (told === undefined) {
      edits.cut('max_tokens')
      edits.add('max_tokens', String(defaultLimit(body, request)))
    } else {
      edits.rename(told, 'max_tokens')
    }
    for (const other of others) if (other !== told) edits.cut(other)
  } else {
    for (const other of others) edits.cut(other)
  }
}

/** What may be thought is a part of it, and has to be less. */
function defaultLimit(body: Buffer, request: Value): number {
  const budget = parsed(body, findMember(findMember(request, 'thinking'), 'budget_tokens'))
  return DEFAULT_MAX_TOKENS + (Number.isSafeInteger(budget) ? Math.max(0, budget as number) : 0)
}

/** `metadata` has `user_id` and nothing else; `user` is OpenAI's word for it. */
function editUser(body: Buffer, request: Value, edits: ObjectEdits): void {
  const metadata = findMember(request, 'metadata')
  const own = findString(body, findMember(metadata, 'user_id'))
  const id = own ?? findString(body, findMember(request, 'user'))
  if (id === null) {
    edits.cut('metadata')
    edits.cut('user')
  } else if (metadata?.members) {
    edits.cut('user')
    const only = own !== null && metadata.members.every(({ key }) => key === 'user_id')
    if (!only) edits.replace(metadata, `{"user_id":${sliceText(body, id)}}`)
  } else {
    edits.rename('user', 'metadata', `{"user_id":${sliceText(body, id)}}`)
  }
}

function editStop(body: Buffer, request: Value, edits: ObjectEdits): void {
  const stop = findMember(request, 'stop')
  const word = findString(body, stop)
  if (isEmptyValue(body, stop) || !isEmptyValue(body, findMember(request, 'stop_sequences')))
    edits.cut('stop')
  else edits.rename('stop', 'stop_sequences', word === null ? null : `[${sliceText(body, word)}]`)
}

/**
 * Messages has the system prompt beside the messages. System messages ahead of all others go there; a later one becomes the
 * user's, in its place: moved ahead it would change the beginning of a prompt that the cache has already, and as what it is
 * only newer models of Claude's own API take it, in some places.
 */
function hoistSystem(body: Buffer, request: Value, edits: ObjectEdits): void {
  const messages = findMember(request, 'messages')
  const elements = filterMessages(body, messages, 'system')
  const isSystem = (message: Value | undefined): boolean => {
    const role = findMember(message ?? null, 'role')
    return equalsText(body, role, 'system') || equalsText(body, role, 'developer')
  }
  let leading = 0
  while (isSystem(elements[leading])) leading++
  for (const message of elements.slice(leading)) {
    if (isSystem(message)) edits.replace(findMember(message, 'role') as Value, '"user"')
  }
  if (leading === 0) return
  edits.within(removeElements(elements, (n) => n < leading))
  const system = findMember(request, 'system')
  const contents = elements.slice(0, leading).map((message) => findMember(message, 'content'))
  const blocks = [system, ...contents].flatMap((content) => blocksOf(body, content))
  if (blocks.length === 0) return
  const text = `[${blocks.join(',')}]`
  if (system === null) edits.add('system', text)
  else edits.replace(system, text)
}

/** Content as blocks, byte for byte if it is blocks already; empty texts are refused there. */
function blocksOf(body: Buffer, content: Value | null): string[] {
  if (content === null) return []
  if (findString(body, content)) {
    return content.end - content.start === 2 ? [] : [`{"type":"text","text":${sliceText(body, content)}}`]
  }
  const blocks = parseOutline(body, BLOCKS, content.start)?.elements ?? []
  return blocks.map((block) => sliceText(body, block))
}

const BLOCKS = readElements(WHOLE)
