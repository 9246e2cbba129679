import type { ObjectEdits } from '../../json/object-edits.js'
import {
  equalsText,
  findMember,
  findString,
  isEmptyValue,
  readText,
  sliceText,
  type Value,
} from '../../json/outline.js'
import { isCallOf, renameKey, wrapArguments, wrapText } from '../custom-tools/wrap-history.js'
import { type CallIds, createCallIds } from '../repair/call-ids.js'
import { CANCELLED } from '../repair/turns.js'
import { HistoryEdits } from './history.js'
import { DistinctCallIds, editCallId, editToolName, readCallId } from './native-call-ids.js'
import { findThought, type NativeContext } from './native-context.js'
import { applyRepairs, type RepairWriter, type Turn } from './native-repairs.js'

/** Fits the items of `input` to the target. */
export function editItems(context: NativeContext): void {
  const { body, request, edits } = context
  const input = findMember(request, 'input')
  if (!input?.elements) return
  const history = new HistoryEdits(body, input)
  const ids = createCallIds('any')
  const own = listCallIds(history)
  const customIds = new Set<string>()
  for (let n = 0; n < history.messages.length; n++) {
    const item = history.messages[n] as Value
    if (item.members === null) continue
    const type = readText(body, findMember(item, 'type')) ?? 'message'
    cutEmptyCalls(history, n)
    editItemId(history, n, type)
    editCallId(history, n, findMember(item, 'call_id'), own, ids)
    if (type.endsWith('tool_call') || type === 'function_call')
      editToolName(history, n, findMember(item, 'name'), context.names)
    if (type === 'message') editParts(history, n, findMember(item, 'content'))
    else editCall(context, history, n, { type, own, customIds })
  }
  if (history.messages.some((item) => findMember(item, 'call_id') !== null)) {
    addReasoning(context, history)
    // What the vendor has of the conversation is not in the body: its calls have their results here.
    if (isEmptyValue(body, findMember(request, 'previous_response_id')) && isWhole(history)) {
      applyRepairs(history, new ItemRepairs(history, own, ids, customIds))
    }
  }
  history.addTo(edits)
}

function listCallIds({ body, messages }: HistoryEdits): DistinctCallIds {
  const own = new DistinctCallIds(body)
  let [turn, isModels] = [0, false]
  for (const item of messages) {
    const type = readText(body, findMember(item, 'type'))
    const wasModels = isModels
    isModels = isAssistants(body, item, type)
    if (isModels && !wasModels) turn++
    const id = findMember(item, 'call_id')
    if (type === 'function_call' || type === 'custom_tool_call') own.addCall(id, turn)
    else if (type === 'function_call_output' || type === 'custom_tool_call_output') own.addResult(id)
  }
  return own
}

/** Members of chat completions that Responses refuses in an item. */
function cutEmptyCalls(history: HistoryEdits, n: number): void {
  const calls = findMember(history.messages[n] as Value, 'tool_calls')
  if (calls === null) return
  if (calls.elements?.length === 0 || isEmptyValue(history.body, calls)) history.of(n).cut('tool_calls')
}

/** How the ids of items begin, by their type: "Expected an ID that begins with 'fc'". Other types are left alone. */
const ID_BEGINNINGS: Readonly<Record<string, RegExp>> = {
  message: /^msg[_-][\w-]{1,60}$/,
  function_call: /^fc[_-][\w-]{1,61}$/,
  function_call_output: /^fc\w?[_-][\w-]{1,60}$/,
  custom_tool_call: /^ctc[_-][\w-]{1,60}$/,
  custom_tool_call_output: /^ct\w{1,2}[_-][\w-]{1,60}$/,
}

/** An item needs no id of its own, so one that the vendor would refuse is left out. */
function editItemId(history: HistoryEdits, n: number, type: string): void {
  const id = findMember(history.messages[n] as Value, 'id')
  const beginning = ID_BEGINNINGS[type]
  if (id === null || beginning === undefined) return
  const text = readText(history.body, id)
  if (text === null || !beginning.test(text)) history.of(n).cut('id')
}

/** Parts of chat completions become those of Responses; the type of a text says who wrote it. */
function editParts(history: HistoryEdits, n: number, content: Value | null): void {
  const { body } = history
  const isModel = equalsText(body, findMember(history.messages[n] as Value, 'role'), 'assistant')
  for (const part of content?.elements ?? []) {
    const type = findMember(part, 'type')
    if (equalsText(body, type, 'text')) {
      history.of(n).replace(type as Value, isModel ? '"output_text"' : '"input_text"')
    } else if (isImageUrl(body, part)) history.of(n).replace(part, formatImage(body, part))
  }
}

function isImageUrl(body: Buffer, part: Value): boolean {
  const image = findMember(part, 'image_url')
  if (image?.members) return findString(body, findMember(image, 'url')) !== null
  return equalsText(body, findMember(part, 'type'), 'image_url') && findString(body, image) !== null
}

function formatImage(body: Buffer, part: Value): string {
  const image = findMember(part, 'image_url') as Value
  const url = findMember(image, 'url') ?? image
  const detail = findString(body, findMember(image, 'detail')) ?? findString(body, findMember(part, 'detail'))
  const level = detail === null ? '' : `,"detail":${sliceText(body, detail)}`
  return `{"type":"input_image","image_url":${sliceText(body, url)}${level}}`
}

interface CallFacts {
  readonly type: string
  readonly own: DistinctCallIds
  /** Ids of the calls so far that go out as custom tools'. */
  readonly customIds: Set<string>
}

/**
 * Cursor reads calls of custom tools as calls of functions (see `ChunkWriter.openCall`), and sends them back like
 * that in the next turn, with the tool's text for arguments. They become calls of custom tools again, and so do their
 * outputs. Where the tool goes out as a function, it is the other way around.
 */
function editCall(context: NativeContext, history: HistoryEdits, n: number, facts: CallFacts): void {
  const { body, target, customs, wrapped } = context
  const { type, own, customIds } = facts
  const item = history.messages[n] as Value
  const id = own.read(findMember(item, 'call_id'))
  switch (type) {
    case 'function_call':
      if (id === null || !isCallOf(body, item, customs)) {
        wrapItemArguments(body, item, isCallOf(body, item, wrapped), history, n)
        return
      }
      customIds.add(id)
      setType(item, history.of(n), 'custom_tool_call')
      unwrapCall(body, item, history.of(n))
      return
    case 'custom_tool_call':
      if (id !== null && target.traits.customTools) customIds.add(id)
      if (!target.traits.customTools) wrapCall(body, item, history.of(n))
      return
    case 'function_call_output':
      if (id !== null && customIds.has(id)) setType(item, history.of(n), 'custom_tool_call_output')
      break
    case 'custom_tool_call_output':
      if (!target.traits.customTools) setType(item, history.of(n), 'function_call_output')
      break
    default:
      return
  }
  // A result may have parts, as a message has.
  editParts(history, n, findMember(item, 'output'))
}

function wrapItemArguments(
  body: Buffer,
  item: Value,
  isWrapped: boolean,
  history: HistoryEdits,
  n: number,
): void {
  const args = findMember(item, 'arguments')
  if (args !== null && (isWrapped || findString(body, args) === null)) {
    wrapArguments(body, args, isWrapped, history.of(n))
  }
}

function setType(item: Value, edits: ObjectEdits, type: string): void {
  edits.replace(findMember(item, 'type') as Value, `"${type}"`)
  // An id says the type that the item had.
  edits.cut('id')
}

function unwrapCall(body: Buffer, item: Value, edits: ObjectEdits): void {
  const args = findMember(item, 'arguments')
  if (args === null) return
  edits.cut('input')
  edits.rename('arguments', 'input')
  if (findString(body, args) === null) edits.replace(args, JSON.stringify(sliceText(body, args)))
}

function wrapCall(body: Buffer, item: Value, edits: ObjectEdits): void {
  setType(item, edits, 'function_call')
  const input = findMember(item, 'input')
  if (input === null) return
  renameKey(item, input, 'arguments', edits)
  edits.replace(input, wrapText(body, input))
}

/** Adds what is remembered of the reasoning ahead of calls, where the client did not send it back. */
function addReasoning({ body, target }: NativeContext, history: HistoryEdits): void {
  if (target.thoughts === null) return
  const known = new Set<string>()
  /** The turn has reasoning of the client's. */
  let isGiven = false
  history.messages.forEach((item, n) => {
    const type = readText(body, findMember(item, 'type'))
    if (type === 'reasoning') isGiven = true
    else if (!isAssistants(body, item, type)) isGiven = false
    if ((type !== 'function_call' && type !== 'custom_tool_call') || isGiven) return
    const thought = findThought(target, 'responses', readCallId(body, findMember(item, 'call_id')), n)
    // Calls that came together share their reasoning, and no item may come twice.
    if (thought === null || known.has(thought)) return
    known.add(thought)
    history.insert(n, thought)
  })
}

/** Whether an item is a part of the model's turn. */
function isAssistants(body: Buffer, item: Value, type: string | null): boolean {
  if (type === null || type === 'message') return equalsText(body, findMember(item, 'role'), 'assistant')
  return type === 'reasoning' || type.endsWith('_call')
}

/** Whether the items say all of the conversation: none refers to one that the vendor has. */
function isWhole({ body, messages }: HistoryEdits): boolean {
  return !messages.some((item) => equalsText(body, findMember(item, 'type'), 'item_reference'))
}

/** How repairs are written in Responses: calls and results are items. */
class ItemRepairs implements RepairWriter {
  readonly turns: readonly Turn[]
  private readonly history: HistoryEdits
  private readonly ids: CallIds
  private readonly customIds: ReadonlySet<string>

  constructor(history: HistoryEdits, own: DistinctCallIds, ids: CallIds, customIds: ReadonlySet<string>) {
    this.history = history
    this.ids = ids
    this.customIds = customIds
    this.turns = listTurns(history, own)
  }

  /** A turn of results is one item. */
  drop(turn: number): void {
    this.history.cut((this.turns[turn] as Turn).first)
  }

  endDrops(): void {}

  cancel(cancelled: readonly string[], before: number): void {
    for (const id of cancelled) {
      const type = this.customIds.has(id) ? 'custom_tool_call_output' : 'function_call_output'
      const call = JSON.stringify(this.ids.idFor(id))
      this.history.insert(before, `{"type":"${type}","call_id":${call},"output":${CANCELLED}}`)
    }
  }
}

/** Neighbours of the model's count as one turn; any other item is one by itself. */
function listTurns({ body, messages }: HistoryEdits, own: DistinctCallIds): Turn[] {
  const turns: { facts: { calls: string[]; results: string[] }; first: number; last: number }[] = []
  let isModels = false
  messages.forEach((item, n) => {
    const type = readText(body, findMember(item, 'type'))
    const wasModels = isModels
    isModels = isAssistants(body, item, type)
    const joined = isModels && wasModels ? turns.at(-1) : undefined
    const turn = joined ?? { facts: { calls: [], results: [] }, first: n, last: n }
    if (joined === undefined) turns.push(turn)
    turn.last = n
    const id = own.read(findMember(item, 'call_id'))
    if (id === null) return
    if (type === 'function_call' || type === 'custom_tool_call') turn.facts.calls.push(id)
    else if (type === 'function_call_output' || type === 'custom_tool_call_output')
      turn.facts.results.push(id)
  })
  return turns
}
