import type { ObjectEdits } from '../../json/object-edits.js'
import {
  equalsText,
  findMember,
  findString,
  isEmptyValue,
  sliceText,
  type Value,
} from '../../json/outline.js'
import { isObject, parseJson } from '../../json/values.js'
import { editMessagesHistory } from './native-blocks.js'
import type { NativeContext } from './native-context.js'
import { editThinking } from './native-thinking.js'
import { isFalse } from './request-outline.js'
import { translateToolChoice } from './tool-choice.js'

/**
 * Members of OpenAI's APIs that Messages refuses ("Extra inputs are not permitted") and that have no counterpart which
 * every Claude model takes. OhadBaehr's proxy for Cursor removes the first seven.
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

/**
 * Messages requires `max_tokens`. This is enough for a long file in a tool call, and every Claude since 3.7 takes it.
 */
const DEFAULT_MAX_TOKENS = 16_384

/** By the names in Messages, the names in chat completions that become them. */
const SYNONYMS = { stop_sequences: ['stop'], metadata: ['user'] }

/** Changes what Cursor adds to a Messages body from chat completions, and what the model does not take. */
export function editMessages(context: NativeContext): void {
  const { body, request, edits, fields } = context
  editChoice(context)
  for (const key of OPENAI_ONLY) edits.cut(key)
  editLimit(context)
  editUser(body, request, edits)
  editStop(body, request, edits)
  const tier = findMember(request, 'service_tier')
  if (!equalsText(body, tier, 'auto') && !equalsText(body, tier, 'standard_only')) edits.cut('service_tier')
  const thinks = editMessagesHistory(context)
  editThinking(context, thinks)
  fields.dropRefused(SYNONYMS)
}

/** Messages refuses a choice without tools, and any other member in a choice of type "none" (new-api issue 2763). */
function editChoice({ body, request, edits, names }: NativeContext): void {
  const tools = findMember(request, 'tools')
  if (!tools?.elements?.length) {
    edits.cut('tool_choice')
    if (tools !== null && isEmptyValue(body, tools)) edits.cut('tools')
    return
  }
  const choice = findMember(request, 'tool_choice')
  const current = readValue(body, choice)
  const isNative = isObject(current) && NATIVE_CHOICES.includes(current.type)
  const wanted = isNative
    ? current
    : translateToolChoice(current, { form: 'input_schema', customs: NO_NAMES })
  const noParallelCalls = isFalse(body, findMember(request, 'parallel_tool_calls'))
  if (wanted === undefined && choice !== null && !isEmptyValue(body, choice)) return
  const chosen = names.renameChoice(wanted)
  const kept = (chosen ?? (noParallelCalls ? { type: 'auto' } : null)) as { type: string } | null
  if (kept === null) {
    edits.cut('tool_choice')
    return
  }
  const disable = noParallelCalls && kept.type !== 'none' && !('disable_parallel_tool_use' in kept)
  if (isNative && !disable && chosen === wanted) return
  const text = JSON.stringify(disable ? { ...kept, disable_parallel_tool_use: true } : kept)
  if (choice === null) edits.add('tool_choice', text)
  else edits.replace(choice, text)
}

/** Types of a choice in Messages itself. */
const NATIVE_CHOICES: readonly unknown[] = ['auto', 'any', 'tool', 'none']

const NO_NAMES: ReadonlySet<string> = new Set()

/** Undefined if the value is missing, too long or unreadable. */
function readValue(body: Buffer, value: Value | null): unknown {
  if (value === null || value.end - value.start > LONGEST_READ) return undefined
  return parseJson(sliceText(body, value))
}

/** In bytes. */
const LONGEST_READ = 64 * 1024

/** Cursor's limit may be for another model: one above what this model takes is refused. */
function editLimit({ body, request, edits, target }: NativeContext): void {
  const most = target.traits.maxOutputTokens ?? Number.POSITIVE_INFINITY
  const others = ['max_completion_tokens', 'max_output_tokens']
  const given = findMember(request, 'max_tokens')
  if (given !== null && !isEmptyValue(body, given)) {
    if (isAbove(body, given, most)) edits.replace(given, String(most))
    for (const other of others) edits.cut(other)
    return
  }
  const set = others.find((key) => !isEmptyValue(body, findMember(request, key)))
  if (set === undefined) {
    edits.cut('max_tokens')
    edits.add('max_tokens', String(Math.min(defaultLimit(body, request), most)))
  } else {
    edits.rename(set, 'max_tokens', isAbove(body, findMember(request, set), most) ? String(most) : null)
  }
  for (const other of others) if (other !== set) edits.cut(other)
}

function isAbove(body: Buffer, value: Value | null, most: number): boolean {
  const limit = readValue(body, value)
  return typeof limit === 'number' && limit > most
}

/** The thinking budget is a part of the limit and must be less than it. */
function defaultLimit(body: Buffer, request: Value): number {
  const budget = readValue(body, findMember(findMember(request, 'thinking'), 'budget_tokens'))
  return DEFAULT_MAX_TOKENS + (Number.isSafeInteger(budget) ? Math.max(0, budget as number) : 0)
}

/** `metadata` has `user_id` and nothing else; OpenAI's name for it is `user`. */
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
