import { createHash } from 'node:crypto'
import { ObjectEdits } from '../../json/object-edits.js'
import { findMember, findString, isEmptyValue, readText, sliceText, type Value } from '../../json/outline.js'
import { filterMessages, LONGEST_CALL_ID } from './request-outline.js'

/**
 * Members that Responses refuses as unknown parameters (API reference, Create a model response) and has under no other
 * name. `logprobs` would be an entry of `include`. `top_logprobs`, `user`, `metadata`, `prompt_cache_retention` and
 * `service_tier` exist in both APIs.
 */
const CHAT_ONLY = [
  ...['n', 'seed', 'stop', 'logit_bias', 'logprobs', 'frequency_penalty', 'presence_penalty'],
  ...['modalities', 'audio', 'prediction', 'web_search_options', 'messages'],
]

/**
 * Changes what Cursor, or a user's settings, add to a Responses body from chat completions.
 * @param customs names of the custom tools in the body
 */
export function editResponses(
  body: Buffer,
  request: Value,
  edits: ObjectEdits,
  customs: readonly string[],
): void {
  for (const key of CHAT_ONLY) edits.cut(key)
  const tools = findMember(request, 'tools')
  if (tools !== null && isEmptyValue(body, tools)) edits.cut('tools')
  if (findMember(request, 'tool_choice') !== null && isEmptyValue(body, findMember(request, 'tool_choice'))) {
    edits.cut('tool_choice')
  }
  editStreamOptions(request, edits)
  editLimit(body, request, edits)
  editText(body, request, edits)
  editReasoning(body, request, edits)
  editCallIds(body, findMember(request, 'input'), edits)
  if (customs.length > 0) editCustomCalls(body, findMember(request, 'input'), edits, customs)
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

function editLimit(body: Buffer, request: Value, edits: ObjectEdits): void {
  const to = 'max_output_tokens'
  const others = ['max_completion_tokens', 'max_tokens']
  const set = others.find((key) => !isEmptyValue(body, findMember(request, key)))
  if (isEmptyValue(body, findMember(request, to)) && set !== undefined) {
    edits.rename(set, to)
    for (const other of others) if (other !== set) edits.cut(other)
  } else {
    for (const other of others) edits.cut(other)
  }
}

/** `response_format` and `verbosity` are members of `text` in Responses (OpenAI's guide to migrate to Responses). */
function editText(body: Buffer, request: Value, edits: ObjectEdits): void {
  const parts: [string, string][] = []
  const format = findMember(request, 'response_format')
  if (format?.members) parts.push(['format', convertFormat(body, format)])
  const verbosity = findString(body, findMember(request, 'verbosity'))
  if (verbosity !== null) parts.push(['verbosity', sliceText(body, verbosity)])
  edits.cut('response_format')
  edits.cut('verbosity')
  addMembers(body, request, edits, 'text', parts)
}

function convertFormat(body: Buffer, format: Value): string {
  const schema = findMember(format, 'json_schema')
  if (!schema?.members) return sliceText(body, format)
  const parts = schema.members.map(({ key, value }) => `,${JSON.stringify(key)}:${sliceText(body, value)}`)
  return `{"type":"json_schema"${parts.join('')}}`
}

function editReasoning(body: Buffer, request: Value, edits: ObjectEdits): void {
  const effort = findString(body, findMember(request, 'reasoning_effort'))
  edits.cut('reasoning_effort')
  addMembers(body, request, edits, 'reasoning', effort !== null ? [['effort', sliceText(body, effort)]] : [])
}

/** Adds members to an object of the request, unless it has them; to a new object if there is none. */
function addMembers(
  body: Buffer,
  request: Value,
  edits: ObjectEdits,
  key: string,
  parts: readonly (readonly [string, string])[],
): void {
  const object = findMember(request, key)
  const missing = parts.filter(([part]) => isEmptyValue(body, findMember(object, part)))
  if (missing.length === 0) return
  if (object?.members) {
    const within = new ObjectEdits(object)
    for (const [part, value] of missing) {
      within.cut(part)
      within.add(part, value)
    }
    edits.within(within.edits())
  } else if (isEmptyValue(body, object)) {
    const text = `{${missing.map(([part, value]) => `"${part}":${value}`).join(',')}}`
    if (object === null) edits.add(key, text)
    else edits.replace(object, text)
  }
}

/**
 * Responses refuses longer ids: "Invalid 'input[4].call_id': string too long. Expected a string with maximum length 64"
 * (gabrii's proxy for Cursor, pull request 87, and many more). Other APIs have longer ids, and a conversation may have
 * begun with another model. The same id always becomes the same short id, so that a result still refers to its call,
 * in this turn and in earlier ones.
 */
function editCallIds(body: Buffer, input: Value | null, edits: ObjectEdits): void {
  for (const item of filterMessages(body, input, 'longId')) {
    const id = findMember(item, 'call_id')
    if (id === null || id.end - id.start - 2 <= LONGEST_CALL_ID) continue
    const text = readText(body, id, LONGEST_ID_READ)
    if (text === null || [...text].length <= LONGEST_CALL_ID) continue
    const hash = createHash('sha256').update(text).digest('hex')
    edits.replace(id, `"call_${hash.slice(0, 40)}"`)
  }
}

/**
 * Cursor reads calls of custom tools as calls of functions (see `ChunkWriter.openCall`), and sends them back like
 * that in the next turn, with the tool's text for arguments. They become calls of custom tools again, and so do their
 * outputs.
 */
function editCustomCalls(
  body: Buffer,
  input: Value | null,
  edits: ObjectEdits,
  customs: readonly string[],
): void {
  const ids = new Set<string>()
  for (const item of filterMessages(body, input, 'call')) {
    const typeValue = findMember(item, 'type')
    const type = readText(body, typeValue)
    const id = readText(body, findMember(item, 'call_id'), LONGEST_ID_READ)
    if (typeValue === null || id === null) continue
    if (type === 'function_call' && customs.includes(readText(body, findMember(item, 'name')) ?? '')) {
      ids.add(id)
      edits.replace(typeValue, '"custom_tool_call"')
      for (const { key, keyStart, keyEnd } of item.members ?? []) {
        if (key === 'arguments') edits.within([{ start: keyStart, end: keyEnd, text: '"input"' }])
      }
    } else if (type === 'function_call_output' && ids.has(id))
      edits.replace(typeValue, '"custom_tool_call_output"')
  }
}

/** In bytes. A longer id stays as it is. */
const LONGEST_ID_READ = 1024 * 1024
