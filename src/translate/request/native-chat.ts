import { ObjectEdits } from '../../json/object-edits.js'
import { findMember, findString, isEmptyValue, readText, sliceText, type Value } from '../../json/outline.js'
import { parseJson } from '../../json/values.js'
import { editChatHistory } from './native-chat-history.js'
import { fitEffort, type NativeContext } from './native-context.js'

/** Changes what Cursor puts into chat completions from other APIs, and what the model does not take. */
export function editChat(context: NativeContext): void {
  const { body, request, edits, target, fields } = context
  const tools = findMember(request, 'tools')
  const hasTools = tools !== null && tools.elements?.length !== 0 && !isEmptyValue(body, tools)
  const hasFunctions = editFunctions(context, hasTools)
  if (!hasTools && !hasFunctions) {
    // Cursor sends `"tools":null,"tool_choice":"auto"` (a recording of gabrii's proxy for it). OpenAI refuses a choice
    // and parallel_tool_calls without tools, and an empty array of tools.
    edits.cut('tools')
    edits.cut('tool_choice')
    edits.cut('parallel_tool_calls')
  }
  editLimit(context)
  editEffort(context)
  fields.dropRefused({ [target.traits.limitField]: LIMITS, reasoning_effort: ['reasoning'] })
  fields.cutParts('stream_options')
  editChatHistory(context)
}

/**
 * `functions` and `function_call` are the older form of `tools` and `tool_choice`, which most servers do not know.
 * @param hasTools the request has the new form, too
 * @returns whether they became tools
 */
function editFunctions({ body, request, edits, names }: NativeContext, hasTools: boolean): boolean {
  const functions = findMember(request, 'functions')?.elements ?? []
  if (hasTools || functions.length === 0) {
    edits.cut('functions')
    edits.cut('function_call')
    return false
  }
  const tools = functions.map((each) => `{"type":"function","function":${formatFunction(body, each, names)}}`)
  edits.rename('functions', 'tools', `[${tools.join(',')}]`)
  const choice = findMember(request, 'function_call')
  if (!isEmptyValue(body, findMember(request, 'tool_choice'))) edits.cut('function_call')
  else if (!isEmptyValue(body, choice))
    edits.rename('function_call', 'tool_choice', formatChoice(body, choice as Value, names))
  else edits.cut('function_call')
  return true
}

function formatFunction(body: Buffer, made: Value, names: NativeContext['names']): string {
  const value = findMember(made, 'name')
  const name = readText(body, value, Number.POSITIVE_INFINITY)
  const wanted = name === null ? null : names.nameFor(name)
  if (value === null || wanted === name) return sliceText(body, made)
  const ahead = body.toString('utf8', made.start, value.start)
  return `${ahead}${JSON.stringify(wanted)}${body.toString('utf8', value.end, made.end)}`
}

/** `{"name":NAME}` names a function. */
function formatChoice(body: Buffer, choice: Value, names: NativeContext['names']): string {
  const text = sliceText(body, choice)
  const parsed = text.startsWith('{') ? parseJson(text) : undefined
  return parsed === undefined
    ? text
    : JSON.stringify({ type: 'function', function: names.renameChoice(parsed) })
}

const LIMITS = ['max_completion_tokens', 'max_tokens']

/** Models take the limit of output tokens by one of two names. */
function editLimit({ body, request, edits, target }: NativeContext): void {
  const to = target.traits.limitField
  const other = to === 'max_tokens' ? 'max_completion_tokens' : 'max_tokens'
  if (findMember(request, other) === null) return
  if (isEmptyValue(body, findMember(request, to)) && !isEmptyValue(body, findMember(request, other)))
    edits.rename(other, to)
  else edits.cut(other)
}

/**
 * `reasoning` as an object becomes `reasoning_effort` where only that is taken. The effort becomes one that the model
 * has.
 */
function editEffort(context: NativeContext): void {
  const { body, request, edits, target, fields } = context
  const { efforts, reasoningObject } = target.traits
  if (efforts?.length === 0) {
    fields.drop('reasoning')
    fields.drop('reasoning_effort')
    return
  }
  const reasoning = findMember(request, 'reasoning')
  const inner = findString(body, findMember(reasoning, 'effort'))
  const outer = findMember(request, 'reasoning_effort')
  if (reasoningObject && reasoning?.members) {
    fitInner(context, reasoning, inner, findString(body, outer) !== null)
    if (findString(body, outer)) fitOuter(context, outer as Value)
    return
  }
  // What is no text is for the upstream to refuse.
  if (findString(body, outer) || !isEmptyValue(body, outer)) {
    if (!reasoningObject) edits.cut('reasoning')
    if (findString(body, outer)) fitOuter(context, outer as Value)
    return
  }
  const own = readText(body, inner)
  const wanted = fitEffort(target, own)
  if (reasoning !== null && !reasoningObject && inner !== null && wanted !== null) {
    edits.rename(
      'reasoning',
      'reasoning_effort',
      wanted === own ? sliceText(body, inner) : JSON.stringify(wanted),
    )
    return
  }
  if (own !== null && wanted === null) fields.report('reasoning')
  if (!reasoningObject) edits.cut('reasoning')
  if (wanted === null) return
  if (outer === null) edits.add('reasoning_effort', JSON.stringify(wanted))
  else edits.replace(outer, JSON.stringify(wanted))
}

/** Fits the effort of `reasoning_effort`. */
function fitOuter({ body, edits, target, fields }: NativeContext, outer: Value): void {
  const own = readText(body, outer)
  const wanted = fitEffort(target, own)
  if (wanted === null) fields.drop('reasoning_effort')
  else if (wanted !== own) edits.replace(outer, JSON.stringify(wanted))
}

/** @param isElsewhere the body has an effort beside the object */
function fitInner(context: NativeContext, reasoning: Value, inner: Value | null, isElsewhere: boolean): void {
  const { body, target, fields } = context
  const own = readText(body, inner)
  const wanted = fields.isRefused('reasoning.effort') ? null : fitEffort(target, own)
  if ((inner === null && isElsewhere) || wanted === own) {
    fields.cutParts('reasoning')
    return
  }
  if (wanted === null) fields.report('reasoning')
  setInner(context, reasoning, wanted)
}

/** Sets the effort in the object `reasoning`; OpenRouter takes either an effort or a limit of tokens in it. */
function setInner({ body, edits, fields }: NativeContext, reasoning: Value, wanted: string | null): void {
  const within = new ObjectEdits(reasoning)
  for (const { key } of reasoning.members ?? []) if (fields.isRefused(`reasoning.${key}`)) within.cut(key)
  within.cut('effort')
  if (wanted !== null) within.add('effort', JSON.stringify(wanted))
  if (wanted !== null && !isEmptyValue(body, findMember(reasoning, 'max_tokens'))) within.cut('max_tokens')
  edits.within(within.edits())
}
