import { findMember, findString, isEmptyValue, sliceText, type Value } from '../../json/outline.js'
import type { CallInput, Item, Json, Part, ResultItem, Role, ThinkingItem } from '../conversation.js'
import { readCustomInput } from './custom-input.js'
import { createTextPart, isEmptyText, markLast, PartReader } from './parts.js'
import { copyMember, copyString, isTrue, nameType, readMember, readWord } from './values.js'

/**
 * Reads messages of chat completions and of Messages, and items of Responses: one list from Cursor may mix them. Each
 * becomes one or more items, in their order.
 */
export class ItemReader {
  readonly items: Item[]
  private readonly body: Buffer
  private readonly customs: ReadonlySet<string>
  private readonly skip: (key: string) => void
  private readonly parts: PartReader
  /** Ids that were made for the last calls without one: their results have none, either. */
  private unnamed: string[]
  /** How many of them have their results. */
  private answered: number
  private madeIds: number
  /** Index of the message or item that is read. */
  private message: number

  /**
   * @param customs names of the custom tools: their calls may come as those of functions
   * @param skip gets the names of what is left out, such as `input[web_search_call]`
   */
  constructor(body: Buffer, customs: ReadonlySet<string>, skip: (key: string) => void) {
    this.items = []
    this.body = body
    this.customs = customs
    this.skip = skip
    this.parts = new PartReader(body, skip)
    this.unnamed = []
    this.answered = 0
    this.madeIds = 0
    this.message = -1
  }

  /** Adds a prompt that stands beside the messages: `system` or `instructions`. */
  addSystem(content: Value | null): void {
    this.addPlain('system', content, null)
  }

  /** Adds messages and items; a text is a message of the user's. */
  addList(list: Value | null): void {
    if (list === null) return
    if (list.elements === null) {
      if (findString(this.body, list)) this.addPlain('user', list, null)
      return
    }
    for (const [n, item] of list.elements.entries()) {
      this.message = n
      if (item.members !== null) this.addItem(item)
    }
  }

  private addItem(item: Value): void {
    const { body } = this
    const type = readWord(body, findMember(item, 'type'))
    switch (type) {
      case 'function_call':
        this.addCall(item, item, 'arguments', false)
        return
      case 'custom_tool_call':
        this.addCall(item, item, 'input', true)
        return
      case 'function_call_output':
      case 'custom_tool_call_output':
        this.addResult(item, findMember(item, 'output'))
        return
      case 'reasoning':
        this.items.push({ kind: 'thinking', api: 'responses', json: sliceText(body, item) })
        return
    }
    const role = readWord(body, findMember(item, 'role'))
    if (role === null && type !== null && type !== 'message') this.skip(`input[${nameType(body, item)}]`)
    // A reference need not have a type (API reference of Responses, `input`).
    else if (role === null && findMember(item, 'content') === null && findMember(item, 'id') !== null) {
      this.skip('input[item_reference]')
    } else this.addMessage(role ?? 'user', item)
  }

  private addMessage(role: string, message: Value): void {
    const { body } = this
    const content = findMember(message, 'content')
    const calls = findMember(message, 'tool_calls')?.elements ?? []
    if (role === 'tool' || role === 'function') {
      // Messages has its results in blocks that have their own ids.
      if (readId(body, message, RESULT_IDS) === null && isResult(body, content))
        this.addBlocks('user', content, message)
      else this.addResult(message, content)
    } else if (role === 'system' || role === 'developer') this.addPlain('system', content, message)
    else if (role === 'assistant' || role === 'model' || calls.length > 0) {
      this.addAssistant(message, content, calls)
    } else this.addBlocks('user', content, message)
  }

  private addAssistant(message: Value, content: Value | null, calls: readonly Value[]): void {
    const { body } = this
    const thinking = copyString(body, message, 'reasoning_content') ?? copyString(body, message, 'reasoning')
    if (thinking !== null && !isEmptyText(thinking)) {
      this.items.push({ kind: 'thinking', api: 'chat', json: thinking })
    }
    this.addBlocks('assistant', content, message)
    for (const call of calls) {
      if (call.members === null) continue
      const custom = findMember(call, 'custom')
      if (custom?.members) this.addCall(call, custom, 'input', true)
      else this.addCall(call, findMember(call, 'function'), 'arguments', false)
    }
    const legacy = findMember(message, 'function_call')
    if (legacy?.members) this.addCall(message, legacy, 'arguments', false)
  }

  /** Adds a message that has parts alone. @param message may have a mark for all of its content */
  private addPlain(role: Role, content: Value | null, message: Value | null): void {
    const parts: Part[] = []
    const lost = this.parts.addContent(content, parts)
    this.keepMark(parts, lost ?? copyMember(this.body, message, 'cache_control'))
    this.pushMessage(role, parts)
  }

  /**
   * Adds a message whose content may have blocks of Messages. Results go ahead of the user's parts: they have to follow
   * directly behind their calls.
   */
  private addBlocks(role: Role, content: Value | null, message: Value): void {
    const { body } = this
    if (!content?.elements) {
      const refusal = createTextPart(copyString(body, message, 'refusal'), null, true)
      this.addPlain(role, content, message)
      if (refusal !== null) this.pushMessage(role, [refusal])
      return
    }
    let parts: Part[] = []
    for (const block of content.elements) {
      const item = this.readBlock(block)
      if (item === null) {
        this.keepMark(parts, this.parts.addPart(block, parts))
        continue
      }
      if (item === 'call' || role !== 'user') {
        this.pushMessage(role, parts)
        parts = []
      }
      if (item === 'call') this.addToolUse(block)
      else this.items.push(item)
    }
    const refusal = createTextPart(copyString(body, message, 'refusal'), null, true)
    if (refusal !== null) parts.push(refusal)
    this.keepMark(parts, copyMember(body, message, 'cache_control'))
    this.pushMessage(role, parts)
  }

  /** Null if the block is a part of the message. */
  private readBlock(block: Value): 'call' | ResultItem | ThinkingItem | null {
    const { body } = this
    if (block.members === null) return null
    switch (readWord(body, findMember(block, 'type'))) {
      case 'tool_use':
        return 'call'
      case 'tool_result':
        return this.readResult(block, findMember(block, 'content'))
      case 'thinking':
        if (findString(body, findMember(block, 'thinking')) === null) return null
        return { kind: 'thinking', api: 'messages', json: sliceText(body, block) }
      case 'redacted_thinking':
        return { kind: 'thinking', api: 'messages', json: sliceText(body, block) }
      default:
        return null
    }
  }

  /** A mark of a call has no place in a conversation: it goes to what is before it. */
  private addToolUse(block: Value): void {
    this.keepMark([], copyMember(this.body, block, 'cache_control'))
    this.addCall(block, block, 'input', false)
  }

  /** @param outer has the id @param inner has the name and, at `key`, the input */
  private addCall(outer: Value, inner: Value | null, key: string, isCustom: boolean): void {
    const { body } = this
    const name = readMember(body, inner, 'name')
    // No vendor takes a call without a name. Its result is left without a call, and goes as well.
    if (name === null || name === '') return
    const input = findMember(inner, key)
    const id = readId(body, outer, CALL_IDS) ?? this.createCallId()
    const source = { id, message: this.message }
    if (isCustom || this.customs.has(name)) {
      const text = isCustom ? copyString(body, inner, key) : readCustomInput(body, input)
      const free = { form: 'text', text: text ?? '""' } as const
      this.items.push({ kind: 'call', id, name, isCustom: true, input: free, source })
      return
    }
    this.items.push({ kind: 'call', id, name, isCustom: false, input: readInput(body, input, key), source })
  }

  private addResult(item: Value, content: Value | null): void {
    this.items.push(this.readResult(item, content))
  }

  private readResult(item: Value, content: Value | null): ResultItem {
    const { body } = this
    const parts: Part[] = []
    const lost = this.parts.addContent(content, parts)
    return {
      kind: 'result',
      id: readId(body, item, RESULT_IDS) ?? this.unnamed[this.answered++] ?? this.createId(),
      parts,
      isError: isTrue(body, findMember(item, 'is_error')),
      cache: copyMember(body, item, 'cache_control') ?? lost,
    }
  }

  /** Calls without ids, of legacy functions or local servers, belong to the results behind them by their order. */
  private createCallId(): string {
    if (this.items[this.items.length - 1]?.kind !== 'call') {
      this.unnamed = []
      this.answered = 0
    }
    const id = this.createId()
    this.unnamed.push(id)
    return id
  }

  private createId(): string {
    return `call_unnamed_${this.madeIds++}`
  }

  /** Gives a mark to the last of these parts, else to the last item before them that can have it. */
  private keepMark(parts: Part[], cache: Json | null): void {
    if (cache === null || markLast(parts, cache)) return
    const { items } = this
    const last = items[items.length - 1]
    if (last?.kind === 'message') markLast(last.parts as Part[], cache)
    else if (last?.kind === 'result' && last.cache === null) items[items.length - 1] = { ...last, cache }
  }

  private pushMessage(role: Role, parts: readonly Part[]): void {
    if (parts.length > 0) this.items.push({ kind: 'message', role, parts })
  }
}

/** The first is where the id belongs. The `id` of an item of Responses is not the call's, but better than none. */
const CALL_IDS = ['call_id', 'id']
const RESULT_IDS = ['tool_call_id', 'call_id', 'tool_use_id']

/** Whether a content begins with the result of a tool. */
function isResult(body: Buffer, content: Value | null): boolean {
  return readWord(body, findMember(content?.elements?.[0] ?? null, 'type')) === 'tool_result'
}

function readId(body: Buffer, object: Value, keys: readonly string[]): string | null {
  for (const key of keys) {
    const id = readMember(body, object, key)
    if (id !== null && id !== '') return id
  }
  return null
}

/** The arguments of a function as a text, or as an object. A call without any has no arguments. */
function readInput(body: Buffer, value: Value | null, key: string): CallInput {
  if (value === null || isEmptyValue(body, value)) {
    return key === 'input' ? { form: 'object', object: '{}' } : { form: 'text', text: '"{}"' }
  }
  const json = sliceText(body, value)
  if (json.startsWith('{')) return { form: 'object', object: json }
  if (json === '""') return { form: 'text', text: '"{}"' }
  return { form: 'text', text: json.startsWith('"') ? json : JSON.stringify(json) }
}
