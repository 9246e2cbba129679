import type { Edit } from '../../json/edits.js'
import { ObjectEdits } from '../../json/object-edits.js'
import {
  equalsText,
  findMember,
  findString,
  isEmptyValue,
  sliceText,
  type Value,
} from '../../json/outline.js'
import { wrapChatCall } from '../custom-tools/wrap-history.js'
import { type CallIds, createChatCallIds } from '../repair/call-ids.js'
import { CANCELLED, type TurnFacts } from '../repair/turns.js'
import { UNKNOWN_SIGNATURE } from '../write/chat.js'
import { type ChatCallIds, isToolRole, listChatCallIds } from './chat-call-ids.js'
import { placeMedia, takeMedia } from './chat-media.js'
import { HistoryEdits } from './history.js'
import { editToolName, readCallId } from './native-call-ids.js'
import { findThought, type NativeContext, type NativeTarget } from './native-context.js'
import { applyRepairs, type RepairWriter } from './native-repairs.js'
import { parseRequestOutline } from './request-outline.js'

/** Fits earlier calls and their results to the target. A chat without calls is not looked at. */
export function editChatHistory(context: NativeContext): void {
  const { body, request, edits, target } = context
  const conversation = findMember(request, 'messages')
  if (!conversation?.elements?.some((message) => hasCall(body, message))) return
  const history = new HistoryEdits(body, conversation)
  const short = createChatCallIds(target.traits.callIds)
  const ids = listChatCallIds(body, history.messages)
  for (let n = 0; n < history.messages.length; n++) {
    const message = history.messages[n] as Value
    if (message.members === null) continue
    editCalls(context, history, n, ids.calls[n] ?? NONE, short)
    editResult(history, n, ids.results[n] ?? null, short)
    if (isToolRole(body, message)) editToolName(history, n, findMember(message, 'name'), context.names)
  }
  const media = takeMedia(history)
  applyRepairs(history, new ChatRepairs(history, ids, short))
  placeMedia(history, media)
  history.addTo(edits)
}

/** Puts the thinking of earlier turns back into a chat whose bytes stay otherwise. */
export function addChatThinking(body: Buffer, target: NativeTarget): Edit[] {
  const request = parseRequestOutline(body)
  const conversation = findMember(request, 'messages')
  if (request === null || !conversation?.elements) return []
  const history = new HistoryEdits(body, conversation)
  for (const [n, message] of history.messages.entries()) {
    const calls = findMember(message, 'tool_calls')
    if (calls?.elements?.length) addThinking({ body, target }, calls, history, n)
  }
  const edits = new ObjectEdits(request)
  history.addTo(edits)
  return edits.edits()
}

function hasCall(body: Buffer, message: Value): boolean {
  return (
    findMember(message, 'tool_calls') !== null ||
    findMember(message, 'function_call')?.members != null ||
    isToolRole(body, message)
  )
}

/** @param own ids of the message's calls, in their order @param ids as the target takes them */
function editCalls(
  context: NativeContext,
  history: HistoryEdits,
  n: number,
  own: readonly string[],
  ids: CallIds,
): void {
  const { body } = context
  const message = history.messages[n] as Value
  const calls = findMember(message, 'tool_calls')
  const legacy = findMember(message, 'function_call')
  if (legacy?.members) {
    if (calls?.elements?.length) history.of(n).cut('function_call')
    else {
      editLegacyCall(context, legacy, ids.idFor(own[0] as string), history, n)
      return
    }
  }
  if (calls === null) return
  if (calls.elements === null ? isEmptyValue(body, calls) : calls.elements.length === 0) {
    cutEmptyCalls(body, message, history.of(n))
    return
  }
  for (const [k, call] of (calls.elements ?? []).entries()) {
    if (!call.members?.length) continue
    wrapChatCall(context, call, history.of(n))
    const made = findMember(call, 'function') ?? findMember(call, 'custom')
    editToolName(history, n, findMember(made, 'name'), context.names)
    const id = findMember(call, 'id')
    if (id !== null && own[k] !== '') replaceId(history, n, id, ids.idFor(own[k] as string))
  }
  addThinking(context, calls, history, n)
}

/** The body of a chat, and where it goes. */
type ThinkingContext = Pick<NativeContext, 'body' | 'target'>

function addThinking(context: ThinkingContext, calls: Value, history: HistoryEdits, n: number): void {
  const { chatThinking } = context.target.traits
  if (chatThinking === 'reasoning_content') addReasoning(context, calls, history, n)
  else if (chatThinking === 'thought_signature') addSignatures(context, calls, history, n)
}

function replaceId(history: HistoryEdits, n: number, value: Value, wanted: string): void {
  if (readCallId(history.body, value) !== wanted) history.of(n).replace(value, JSON.stringify(wanted))
}

/** @param own the id of the message, if it is the result of a call */
function editResult(history: HistoryEdits, n: number, own: string | null, ids: CallIds): void {
  if (own === null) return
  const { body } = history
  const message = history.messages[n] as Value
  const role = findMember(message, 'role') as Value
  if (equalsText(body, role, 'function')) history.of(n).replace(role, '"tool"')
  const id = findMember(message, 'tool_call_id')
  if (id === null) history.of(n).add('tool_call_id', JSON.stringify(ids.idFor(own)))
  else replaceId(history, n, id, ids.idFor(own))
}

/** `function_call` is the older form of `tool_calls`, which most servers do not know. */
function editLegacyCall(
  context: NativeContext,
  legacy: Value,
  id: string,
  history: HistoryEdits,
  n: number,
): void {
  const { body, target } = context
  const args = findMember(legacy, 'arguments')
  const text = args === null || equalsText(body, args, '') ? '"{}"' : sliceText(body, args)
  const name = JSON.stringify(context.names.nameFor(readCallId(body, findMember(legacy, 'name')) ?? ''))
  const made = `{"name":${name},"arguments":${text.startsWith('"') ? text : JSON.stringify(text)}}`
  const known = { id, type: 'function' }
  const extra = target.traits.chatThinking === 'thought_signature' ? `,"extra_content":${UNKNOWN_EXTRA}` : ''
  const call = `${JSON.stringify(known).slice(0, -1)},"function":${made}${extra}}`
  const edits = history.of(n)
  edits.rename('function_call', 'tool_calls', `[${call}]`)
  if (findMember(history.messages[n] as Value, 'content') === null) edits.add('content', 'null')
  if (
    target.traits.chatThinking === 'reasoning_content' &&
    findMember(history.messages[n] as Value, 'reasoning_content') === null
  )
    edits.add('reasoning_content', '""')
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
function addReasoning(
  { body, target }: ThinkingContext,
  calls: Value,
  history: HistoryEdits,
  n: number,
): void {
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
  { body, target }: ThinkingContext,
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
/** How repairs are written in chat completions: each result is a message. */
class ChatRepairs implements RepairWriter {
  readonly turns: RepairWriter['turns']
  private readonly history: HistoryEdits
  private readonly ids: CallIds

  /** @param own of the calls and results @param ids as the target takes them */
  constructor(history: HistoryEdits, own: ChatCallIds, ids: CallIds) {
    this.history = history
    this.ids = ids
    this.turns = history.messages.map((_, n) => {
      const result = own.results[n] ?? null
      const facts: TurnFacts = {
        calls: own.calls[n]?.filter((id) => id !== '') ?? NONE,
        results: result === null ? NONE : [result],
      }
      return { facts, first: n, last: n }
    })
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
