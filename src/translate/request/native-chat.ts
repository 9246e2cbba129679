import { ObjectEdits } from '../../json/object-edits.js'
import {
  equalsText,
  findMember,
  findString,
  isEmptyValue,
  readText,
  sliceText,
  type Value,
} from '../../json/outline.js'
import { wrapChatCall } from '../custom-tools/wrap-history.js'
import { type CallIds, createCallIds, LONGEST_CHAT_CALL_ID } from '../repair/call-ids.js'
import { CANCELLED, type TurnFacts } from '../repair/turns.js'
import { UNKNOWN_SIGNATURE } from '../write/chat.js'
import { HistoryEdits } from './history.js'
import { editCallId, readCallId } from './native-call-ids.js'
import { findThought, fitEffort, type NativeContext } from './native-context.js'
import { applyRepairs, type RepairWriter } from './native-repairs.js'

/** Changes what Cursor puts into chat completions from other APIs, and what the model does not take. */
export function editChat(context: NativeContext): void {
  const { body, request, edits, target, fields } = context
  const tools = findMember(request, 'tools')
  if (tools === null || tools.elements?.length === 0 || isEmptyValue(body, tools)) {
    // Cursor sends `"tools":null,"tool_choice":"auto"` (a recording of gabrii's proxy for it). OpenAI refuses a choice
    // and parallel_tool_calls without tools, and an empty array of tools.
    edits.cut('tools')
    edits.cut('tool_choice')
    edits.cut('parallel_tool_calls')
  }
  editLimit(context)
  editEffort(context)
  fields.dropRefused({ [target.traits.limitField]: LIMITS, reasoning_effort: ['reasoning'] })
  editHistory(context)
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
  const { body, edits, target, fields } = context
  const own = readText(body, inner)
  if (inner === null && isElsewhere) return
  const wanted = fitEffort(target, own)
  if (wanted === own) return
  if (wanted === null) fields.report('reasoning')
  setInner(body, reasoning, wanted, edits)
}

/** Sets the effort in the object `reasoning`; OpenRouter takes either an effort or a limit of tokens in it. */
function setInner(body: Buffer, reasoning: Value, wanted: string | null, edits: ObjectEdits): void {
  const within = new ObjectEdits(reasoning)
  within.cut('effort')
  if (wanted !== null) within.add('effort', JSON.stringify(wanted))
  if (wanted !== null && !isEmptyValue(body, findMember(reasoning, 'max_tokens'))) within.cut('max_tokens')
  edits.within(within.edits())
}

/** Fits earlier calls and their results to the target. A chat without calls is not looked at. */
function editHistory(context: NativeContext): void {
  const { body, request, edits, target } = context
  const conversation = findMember(request, 'messages')
  if (!conversation?.elements?.some(hasCall)) return
  const history = new HistoryEdits(body, conversation)
  const ids = target.traits.callIds === 'nine' ? createCallIds('nine') : SHORT_IDS
  for (let n = 0; n < history.messages.length; n++) {
    const message = history.messages[n] as Value
    if (message.members === null) continue
    editCalls(context, history, n, ids)
    editCallId(history, n, findMember(message, 'tool_call_id'), ids)
  }
  applyRepairs(history, new ChatRepairs(history, ids))
  history.addTo(edits)
}

function hasCall(message: Value): boolean {
  return findMember(message, 'tool_calls') !== null || findMember(message, 'tool_call_id') !== null
}

/** Chat completions of most vendors take any id that is not too long, and some want their own form back (Kimi). */
const SHORT_IDS: CallIds = {
  idFor: (id) =>
    id.length <= LONGEST_CHAT_CALL_ID ? id : createCallIds('any', LONGEST_CHAT_CALL_ID).idFor(id),
}

function editCalls(context: NativeContext, history: HistoryEdits, n: number, ids: CallIds): void {
  const { body, target } = context
  const message = history.messages[n] as Value
  const calls = findMember(message, 'tool_calls')
  if (calls === null) return
  if (calls.elements === null ? isEmptyValue(body, calls) : calls.elements.length === 0) {
    cutEmptyCalls(body, message, history.of(n))
    return
  }
  for (const call of calls.elements ?? []) {
    if (call.members === null) continue
    wrapChatCall(context, call, history.of(n))
    editCallId(history, n, findMember(call, 'id'), ids)
  }
  if (target.traits.chatThinking === 'reasoning_content') addReasoning(context, calls, history, n)
  else if (target.traits.chatThinking === 'thought_signature') addSignatures(context, calls, history, n)
}

/** Strict servers refuse an empty array of calls, and a message without calls and without a content. */
function cutEmptyCalls(body: Buffer, message: Value, edits: ObjectEdits): void {
  edits.cut('tool_calls')
  const content = findMember(message, 'content')
  if (!equalsText(body, findMember(message, 'role'), 'assistant')) return
  if (content === null) edits.add('content', '""')
  else if (isEmptyValue(body, content)) edits.replace(content, '""')
}

/**
 * DeepSeek and Kimi refuse a call of theirs without its `reasoning_content`; an empty one stands for what is not known.
 */
function addReasoning({ body, target }: NativeContext, calls: Value, history: HistoryEdits, n: number): void {
  const known = findMember(history.messages[n] as Value, 'reasoning_content')
  if (findString(body, known)) return
  let thought: string | null = null
  for (const call of calls.elements ?? []) {
    thought ??= findThought(target, 'chat', readCallId(body, findMember(call, 'id')), n)
  }
  const text = thought?.startsWith('"') ? thought : '""'
  if (known === null) history.of(n).add('reasoning_content', text)
  else history.of(n).replace(known, text)
}

/**
 * Gemini's compatible API refuses the first of parallel calls without a signature, which stands in `extra_content`. One
 * that is not known, as the call is another model's or was forgotten, is replaced by what Gemini takes for it.
 */
function addSignatures(
  { body, target }: NativeContext,
  calls: Value,
  history: HistoryEdits,
  n: number,
): void {
  const edits = history.of(n)
  for (const [k, call] of (calls.elements ?? []).entries()) {
    if (!call.members?.length || !isEmptyValue(body, findMember(call, 'extra_content'))) continue
    const found = findThought(target, 'chat', readCallId(body, findMember(call, 'id')), n)
    const thought = found?.startsWith('{') ? found : k === 0 ? UNKNOWN_EXTRA : null
    if (thought === null) continue
    const known = findMember(call, 'extra_content')
    if (known !== null) edits.replace(known, thought)
    else edits.within([{ start: call.end - 1, end: call.end - 1, text: `,"extra_content":${thought}` }])
  }
}

const UNKNOWN_EXTRA = `{"google":{"thought_signature":"${UNKNOWN_SIGNATURE}"}}`

const NONE: readonly string[] = []
const NO_FACTS: TurnFacts = { calls: NONE, results: NONE }

function readFacts(body: Buffer, message: Value): TurnFacts {
  const role = findMember(message, 'role')
  if (equalsText(body, role, 'tool')) {
    const id = readCallId(body, findMember(message, 'tool_call_id'))
    return id === null ? NO_FACTS : { calls: NONE, results: [id] }
  }
  const elements = equalsText(body, role, 'assistant') ? findMember(message, 'tool_calls')?.elements : null
  if (!elements?.length) return NO_FACTS
  const calls: string[] = []
  for (const call of elements) {
    const id = readCallId(body, findMember(call, 'id'))
    if (id !== null) calls.push(id)
  }
  return { calls, results: NONE }
}

/** How repairs are written in chat completions: each result is a message. */
class ChatRepairs implements RepairWriter {
  readonly turns: RepairWriter['turns']
  private readonly history: HistoryEdits
  private readonly ids: CallIds

  constructor(history: HistoryEdits, ids: CallIds) {
    this.history = history
    this.ids = ids
    const { body } = history
    this.turns = history.messages.map((message, n) => ({
      facts: readFacts(body, message),
      first: n,
      last: n,
    }))
  }

  drop(turn: number): void {
    this.history.cut(turn)
  }

  endDrops(): void {}

  cancel(cancelled: readonly string[], before: number): void {
    for (const id of cancelled) {
      const call = JSON.stringify(this.ids.idFor(id))
      this.history.insert(before, `{"role":"tool","tool_call_id":${call},"content":${CANCELLED}}`)
    }
  }
}
