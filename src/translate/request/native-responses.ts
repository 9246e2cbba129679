import { ArrayEdits, ObjectEdits } from '../../json/object-edits.js'
import {
  equalsText,
  findMember,
  findString,
  isEmptyValue,
  readText,
  sliceText,
  type Value,
} from '../../json/outline.js'
import { fitEffort, type NativeContext } from './native-context.js'
import { editItems } from './native-items.js'

/**
 * Members that Responses refuses as unknown parameters (API reference, Create a model response) and has under no other
 * name. `logprobs` would be an entry of `include`. `top_logprobs`, `user`, `metadata`, `prompt_cache_retention` and
 * `service_tier` exist in both APIs.
 */
const CHAT_ONLY = [
  ...['n', 'seed', 'stop', 'logit_bias', 'logprobs', 'frequency_penalty', 'presence_penalty'],
  ...['modalities', 'audio', 'prediction', 'web_search_options', 'messages'],
]

/** By the names in Responses, the names in chat completions that become them. */
const SYNONYMS = {
  max_output_tokens: ['max_completion_tokens', 'max_tokens'],
  reasoning: ['reasoning_effort'],
  'reasoning.effort': ['reasoning_effort'],
  text: ['response_format', 'verbosity'],
  'text.format': ['response_format'],
  'text.verbosity': ['verbosity'],
}

/** Changes what Cursor, or a user's settings, add to a Responses body from chat completions. */
export function editResponses(context: NativeContext): void {
  const { body, request, edits, fields } = context
  for (const key of CHAT_ONLY) edits.cut(key)
  const tools = findMember(request, 'tools')
  if (tools !== null && isEmptyValue(body, tools)) edits.cut('tools')
  const choice = findMember(request, 'tool_choice')
  if (choice !== null && isEmptyValue(body, choice)) edits.cut('tool_choice')
  editStreamOptions(request, edits)
  editLimit(context)
  fields.dropRefused(SYNONYMS)
  editText(context)
  editReasoning(context)
  editItems(context)
}

/** Responses knows `include_obfuscation` only, and gives its usage unasked. */
function editStreamOptions(request: Value, edits: ObjectEdits): void {
  const options = findMember(request, 'stream_options')
  if (!options?.members || findMember(options, 'include_usage') === null) return
  if (options.members.every(({ key }) => key === 'include_usage')) {
    edits.cut('stream_options')
    return
  }
  const within = new ObjectEdits(options)
  within.cut('include_usage')
  edits.within(within.edits())
}

function editLimit({ body, request, edits, fields }: NativeContext): void {
  const to = 'max_output_tokens'
  if (fields.isRefused(to)) return
  const others = SYNONYMS.max_output_tokens
  const set = others.find((key) => !isEmptyValue(body, findMember(request, key)))
  if (isEmptyValue(body, findMember(request, to)) && set !== undefined) {
    edits.rename(set, to)
    for (const other of others) if (other !== set) edits.cut(other)
  } else {
    for (const other of others) edits.cut(other)
  }
}

/** `response_format` and `verbosity` are members of `text` in Responses (OpenAI's guide to migrate to Responses). */
function editText(context: NativeContext): void {
  const { body, request, edits } = context
  const changes = new Map<string, string | null>()
  const text = findMember(request, 'text')
  const format = findMember(request, 'response_format')
  if (format?.members && isEmptyValue(body, findMember(text, 'format')))
    changes.set('format', convertFormat(body, format))
  const verbosity = findString(body, findMember(request, 'verbosity'))
  if (verbosity !== null && isEmptyValue(body, findMember(text, 'verbosity')))
    changes.set('verbosity', sliceText(body, verbosity))
  edits.cut('response_format')
  edits.cut('verbosity')
  changeMembers(context, 'text', changes)
}

function convertFormat(body: Buffer, format: Value): string {
  const schema = findMember(format, 'json_schema')
  if (!schema?.members) return sliceText(body, format)
  const parts = schema.members.map(({ key, value }) => `,${JSON.stringify(key)}:${sliceText(body, value)}`)
  return `{"type":"json_schema"${parts.join('')}}`
}

/** The effort becomes one that the model has. A model without any does not reason, and refuses all that is about it. */
function editReasoning(context: NativeContext): void {
  const { body, request, edits, target, fields } = context
  const reasoning = findMember(request, 'reasoning')
  const inner = findString(body, findMember(reasoning, 'effort'))
  const outer = findString(body, findMember(request, 'reasoning_effort'))
  const value = inner ?? outer
  const own = readText(body, value)
  edits.cut('reasoning_effort')
  if (target.traits.efforts?.length === 0) {
    fields.drop('reasoning')
    fields.report('reasoning_effort')
    cutEncryptedReasoning(context)
    return
  }
  const wanted = fitEffort(target, own)
  const changes = new Map<string, string | null>()
  if (wanted !== null && (inner === null || wanted !== own))
    changes.set('effort', value !== null && wanted === own ? sliceText(body, value) : JSON.stringify(wanted))
  else if (wanted === null && own !== null) {
    if (inner !== null) changes.set('effort', null)
    fields.report(outer === null ? 'reasoning' : 'reasoning_effort')
  }
  changeMembers(context, 'reasoning', changes)
}

/** "Encrypted content is not supported with this model", for models that do not reason. */
function cutEncryptedReasoning({ body, request, edits }: NativeContext): void {
  const include = findMember(request, 'include')
  if (!include?.elements) return
  const within = new ArrayEdits(include)
  include.elements.forEach((element, n) => {
    if (equalsText(body, element, 'reasoning.encrypted_content')) within.cut(n)
  })
  if (within.countLeft() === 0) edits.cut('include')
  else edits.within(within.edits())
}

/**
 * Sets members of an object of the request, and cuts those that are null. It does nothing if the object is one that the
 * model refuses, and leaves out members that it refuses.
 */
function changeMembers(
  { body, request, edits, fields }: NativeContext,
  key: string,
  changes: ReadonlyMap<string, string | null>,
): void {
  const object = findMember(request, key)
  if (fields.isRefused(key)) return
  const parts = [...changes].filter(([part]) => !fields.isRefused(`${key}.${part}`))
  const within = object?.members ? new ObjectEdits(object) : null
  let left = object?.members?.length ?? 0
  for (const { key: part } of object?.members ?? []) {
    if (!fields.isRefused(`${key}.${part}`)) continue
    fields.report(key)
    within?.cut(part)
    left--
  }
  if (within !== null) {
    for (const [part, value] of parts) {
      within.cut(part)
      if (value !== null) within.add(part, value)
    }
    if (left === 0 && parts.length === 0 && (object?.members?.length ?? 0) > 0) edits.cut(key)
    else edits.within(within.edits())
    return
  }
  const added = parts.filter(([, value]) => value !== null).map(([part, value]) => `"${part}":${value}`)
  if (added.length === 0 || !isEmptyValue(body, object)) return
  if (object === null) edits.add(key, `{${added.join(',')}}`)
  else edits.replace(object, `{${added.join(',')}}`)
}
