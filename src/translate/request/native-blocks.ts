import { ArrayEdits } from '../../json/object-edits.js'
import {
  equalsText,
  findMember,
  findString,
  isEmptyValue,
  readText,
  sliceText,
  type Value,
} from '../../json/outline.js'
import { isBlankString } from '../../json/scanner.js'
import { wrapMessagesCall } from '../custom-tools/wrap-history.js'
import { type CallIds, createCallIds } from '../repair/call-ids.js'
import { HistoryEdits } from './history.js'
import { formatImageBlock } from './image-block.js'
import { DistinctCallIds, editCallId, editToolName, readCallId } from './native-call-ids.js'
import { findThought, type NativeContext } from './native-context.js'
import { type Contents, MessagesRepairs, removeMessage } from './native-messages-repairs.js'
import { applyRepairs } from './native-repairs.js'
import { SystemPrompt } from './system-prompt.js'

/**
 * Fits the system prompt and the messages of a Messages body to the target.
 * @returns false if the last turn with calls has no thinking, which the API requires where thinking has a budget
 */
export function editMessagesHistory(context: NativeContext): boolean {
  const { body, request, edits } = context
  const system = new SystemPrompt(context)
  const conversation = findMember(request, 'messages')
  if (!conversation?.elements) {
    system.write()
    return true
  }
  const history = new HistoryEdits(body, conversation)
  hoistSystem(history, system)
  system.write()
  const contents: Contents = new Map()
  const ids = createCallIds('any')
  const own = listCallIds(history)
  for (let n = 0; n < history.messages.length; n++) {
    if (!history.isCut(n)) editMessage(context, { history, n, contents, own, ids })
  }
  const thinks = addThinking(context, history, contents)
  applyRepairs(history, new MessagesRepairs(history, contents, own, ids))
  history.addTo(edits)
  return thinks
}

/**
 * Messages has its system prompt beside the messages. System messages ahead of all others move there. A later one stays
 * in its place and becomes the user's: moved ahead, it would change the beginning of a prompt that is in the cache
 * already. As a system message, only newer Claude models take it, at some places, and not on every provider.
 */
function hoistSystem(history: HistoryEdits, system: SystemPrompt): void {
  const { body, messages } = history
  let isLeading = true
  messages.forEach((message, n) => {
    const role = findMember(message, 'role')
    if (!equalsText(body, role, 'system') && !equalsText(body, role, 'developer')) isLeading = false
    else if (!isLeading) history.of(n).replace(role as Value, '"user"')
    else {
      history.cut(n)
      system.add(findMember(message, 'content'))
    }
  })
}

interface MessagePlace {
  readonly history: HistoryEdits
  readonly n: number
  readonly contents: Contents
  readonly own: DistinctCallIds
  readonly ids: CallIds
}

function listCallIds({ body, messages }: HistoryEdits): DistinctCallIds {
  const own = new DistinctCallIds(body)
  let [turn, isModels] = [0, false]
  for (const message of messages) {
    const wasModels = isModels
    isModels = equalsText(body, findMember(message, 'role'), 'assistant')
    if (isModels && !wasModels) turn++
    for (const block of findMember(message, 'content')?.elements ?? []) {
      const type = findMember(block, 'type')
      if (equalsText(body, type, 'tool_use')) own.addCall(findMember(block, 'id'), turn)
      else if (equalsText(body, type, 'tool_result')) own.addResult(findMember(block, 'tool_use_id'))
    }
  }
  return own
}

function editMessage(context: NativeContext, place: MessagePlace): void {
  const { history, n, contents } = place
  const { body } = history
  const message = history.messages[n] as Value
  if (message.members === null) return
  const calls = findMember(message, 'tool_calls')
  // As no call is in them, they say nothing: a body with calls of chat completions is not for Messages.
  if (calls !== null && (calls.elements?.length === 0 || isEmptyValue(body, calls)))
    history.of(n).cut('tool_calls')
  const content = findMember(message, 'content')
  if (isBlank(body, content)) {
    removeMessage(history, n)
    return
  }
  if (!content?.elements) return
  const array = new ArrayEdits(content)
  contents.set(n, array)
  new BlockList(context, place, array).edit(content.elements)
  if (array.countLeft() === 0) removeMessage(history, n)
}

/** Edits the blocks of one message. */
class BlockList {
  private readonly context: NativeContext
  private readonly history: HistoryEdits
  private readonly n: number
  private readonly array: ArrayEdits
  private readonly own: DistinctCallIds
  private readonly ids: CallIds

  constructor(context: NativeContext, { history, n, own, ids }: MessagePlace, array: ArrayEdits) {
    this.context = context
    this.history = history
    this.n = n
    this.array = array
    this.own = own
    this.ids = ids
  }

  edit(blocks: readonly Value[]): void {
    const { body } = this.context
    removeBlanks(body, blocks, this.array, this.history, this.n)
    for (let k = 0; k < blocks.length; k++) {
      const block = blocks[k] as Value
      if (this.array.isCut(k) || block.members === null) continue
      if (editPart(body, block, this.history, this.n)) continue
      const type = findMember(block, 'type')
      if (equalsText(body, type, 'tool_use')) {
        editCallId(this.history, this.n, findMember(block, 'id'), this.own, this.ids)
        editToolName(this.history, this.n, findMember(block, 'name'), this.context.names)
        if (this.context.wrapped.size > 0) wrapMessagesCall(this.context, block, this.history.of(this.n))
      } else if (equalsText(body, type, 'tool_result')) this.editResult(block)
    }
  }

  private editResult(block: Value): void {
    const { body } = this.context
    editCallId(this.history, this.n, findMember(block, 'tool_use_id'), this.own, this.ids)
    const content = findMember(block, 'content')
    if (!content?.elements?.length) return
    const array = new ArrayEdits(content)
    removeBlanks(body, content.elements, array, this.history, this.n)
    content.elements.forEach((part, k) => {
      if (!array.isCut(k)) editPart(body, part, this.history, this.n)
    })
    if (array.countLeft() === 0) this.history.of(this.n).replace(content, '""')
    else if (array.countLeft() < content.elements.length) this.history.of(this.n).within(array.edits())
  }
}

/**
 * Messages refuses empty texts, and texts of white space alone. The cache mark of such a text goes to the block before
 * it, where the same prompt ends.
 */
function removeBlanks(
  body: Buffer,
  blocks: readonly Value[],
  array: ArrayEdits,
  history: HistoryEdits,
  n: number,
): void {
  let last: Value | null = null
  for (let k = 0; k < blocks.length; k++) {
    const block = blocks[k] as Value
    if (!isBlankText(body, block)) {
      last = block
      continue
    }
    array.cut(k)
    const mark = findMember(block, 'cache_control')
    if (mark === null || last === null || !canCache(body, last)) continue
    const at: number = last.end - 1
    history.of(n).within([{ start: at, end: at, text: `,"cache_control":${sliceText(body, mark)}` }])
    last = null
  }
}

function canCache(body: Buffer, block: Value): boolean {
  const type = readText(body, findMember(block, 'type'))
  if (findMember(block, 'cache_control') !== null) return false
  return type !== null && type !== 'thinking' && type !== 'redacted_thinking' && !IMAGE_PARTS.has(type)
}

/** These are written again, with all that is in them. */
const IMAGE_PARTS: ReadonlySet<string> = new Set(['image_url', 'input_image'])

function isBlankText(body: Buffer, block: Value): boolean {
  const text = findString(body, findMember(block, 'text'))
  if (text === null || !isBlankString(body, text.start + 1, text.end - 1)) return false
  const type = findMember(block, 'type')
  return TEXT_PARTS.some((name) => equalsText(body, type, name))
}

const TEXT_PARTS = ['text', 'input_text', 'output_text']

/** Parts of OpenAI's APIs become blocks. @returns whether it was one */
function editPart(body: Buffer, part: Value, history: HistoryEdits, n: number): boolean {
  const type = findMember(part, 'type')
  if (equalsText(body, type, 'input_text') || equalsText(body, type, 'output_text')) {
    history.of(n).replace(type as Value, '"text"')
    return true
  }
  const image = formatImageBlock(body, part)
  if (image === null) return false
  history.of(n).replace(part, image)
  return true
}

function isBlank(body: Buffer, content: Value | null): boolean {
  if (content === null || isEmptyValue(body, content) || content.elements?.length === 0) return true
  return findString(body, content) !== null && isBlankString(body, content.start + 1, content.end - 1)
}

/**
 * Adds what is remembered of the thinking ahead of calls, where the client did not send it back.
 * @returns false if the last turn of the model has calls, and no thinking
 */
function addThinking(
  { body, request, target }: NativeContext,
  history: HistoryEdits,
  contents: Contents,
): boolean {
  const type = readText(body, findMember(findMember(request, 'thinking'), 'type'))
  const isOn =
    type === 'enabled' || type === 'adaptive' || (target.effort !== null && target.effort !== 'none')
  if (!isOn) return true
  let isGiven = false
  let isWanting = false
  history.messages.forEach((message, n) => {
    if (history.isCut(n)) return
    if (!equalsText(body, findMember(message, 'role'), 'assistant')) {
      isGiven = false
      return
    }
    isWanting = false
    const array = contents.get(n)
    for (const block of findMember(message, 'content')?.elements ?? []) {
      const kind = findMember(block, 'type')
      if (equalsText(body, kind, 'thinking') || equalsText(body, kind, 'redacted_thinking')) isGiven = true
      if (isGiven || array === undefined || !equalsText(body, kind, 'tool_use')) continue
      const thought = findThought(target, 'messages', readCallId(body, findMember(block, 'id')), n)
      isWanting = thought === null
      if (thought === null) continue
      array.insert(0, thought)
      isGiven = true
    }
  })
  return !isWanting
}
