import { createHash } from 'node:crypto'
import { ObjectEdits } from '../../json/object-edits.js'
import { findMember, findString, isEmptyValue, readText, sliceText, type Value } from '../../json/outline.js'
import { filterMessages, LONGEST_CALL_ID } from './request-outline.js'

/**
 * What Responses refuses as unknown parameters (API reference, Create a model response, has none of them), and has no other
 * word for. `logprobs` would be an entry of `include`; `top_logprobs`, `user`, `metadata`, `prompt_cache_retention` and
 * `service_tier` are in both APIs.
 */
const CHAT_ONLY = [
  ...['n', 'seed', 'stop', 'logit_bias', 'logprobs', 'frequency_penalty', 'presence_penalty'],
  ...['modalities', 'audio', 'prediction', 'web_search_options', 'messages'],
]

/**
 * A Responses body with what Cursor adds of chat completions, and what people's own settings may.
 * @param customs names of its custom tools
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

/** Responses has `include_obfuscation` alone, and gives its usage unasked. */
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
  const olds = ['max_completion_tokens', 'max_tokens']
  const told = olds.find((key) => !isEmptyValue(body, findMember(request, key)))
  if (isEmptyValue(body, findMember(request, to)) && told !== undefined) {
    edits.rename(told, to)
    for (const old of olds) if (old !== told) edits.cut(old)
  } else {
    for (const old of olds) edits.cut(old)
  }
}

/** `response_format` and `verbosity` are parts of `text` there (OpenAI's guide to migrate to Responses). */
function editText(body: Buffer, request: Value, edits: ObjectEdits): void {
  const parts: [string, string][] = []
  const format = findMember(request, 'response_format')
  if (format?.members) parts.push(['format', formatText(body, format)])
  const verbosity = findString(body, findMember(request, 'verbosity'))
  if (verbosity !== null) parts.push(['verbosity', sliceText(body, verbosity)])
  edits.cut('response_format')
  edits.cut('verbosity')
  put(body, request, edits, 'text', parts)
}

function formatText(body: Buffer, format: Value): string {
  const schema = findMember(format, 'json_schema')
  if (!schema?.members) return sliceText(body, format)
  const parts = schema.members.map(({ key, value }) => `,${JSON.stringify(key)}:${sliceText(body, value)}`)
  return `{"type":"json_schema"${parts.join('')}}`
}

function editReasoning(body: Buffer, request: Value, edits: ObjectEdits): void {
  const effort = findString(body, findMember(request, 'reasoning_effort'))
  edits.cut('reasoning_effort')
  put(body, request, edits, 'reasoning', effort !== null ? [['effort', sliceText(body, effort)]] : [])
}

/** Puts parts into an object of the request, unless they are there; into a new one if there is none. */
function put(
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
 * No more than 64 characters: "Invalid 'input[4].call_id': string too long. Expected a string with maximum length 64" (gabrii's
 * proxy for Cursor, pull request 87, and many more). Other APIs' ids may be longer, and a conversation may have begun with another model. The same id always becomes the
 * same short one, so that a call is still that of its result, and that of the turns before.
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
 * A call of a custom tool is told to Cursor as one of a function, which is what it reads; in the next turn it comes back so, and
 * its arguments are no JSON, but the tool's text. It becomes what it was, and its output the output of such a call.
 */
function editCustomCalls(
  body: Buffer,
  input: Value | null,
  edits: ObjectEdits,
  customs: readonly string[],
): void {
  const ids = new Set<string>()
  for (const item of filterMessages(body, input, 'call')) {
    const kind = findMember(item, 'type')
    const type = readText(body, kind)
    const id = readText(body, findMember(item, 'call_id'), LONGEST_ID_READ)
    if (kind === null || id === null) continue
    if (type === 'function_call' && customs.includes(readText(body, findMember(item, 'name')) ?? '')) {
      ids.add(id)
      edits.replace(kind, '"custom_tool_call"')
      for (const { key, keyStart, keyEnd } of item.members ?? []) {
        if (key === 'arguments') edits.within([{ start: keyStart, end: keyEnd, text: '"input"' }])
      }
    } else if (type === 'function_call_output' && ids.has(id))
      edits.replace(kind, '"custom_tool_call_output"')
  }
}

const LONGEST_ID_READ = 1024 * 1024
