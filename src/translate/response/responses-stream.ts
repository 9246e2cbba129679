import { filterObjects, isObject, type JsonObject, numberOr, stringOr } from '../../json/values.js'
import { createChatError } from './chat-errors.js'
import { readResponseUsage } from './chat-usage.js'
import type { FinishReason } from './chunk-writer.js'
import { StreamTranslation } from './stream.js'

/** An output item of the answer, as far as it has come. */
class Item {
  /** Index among the tool calls; -1 if it is none, or not one yet. */
  call: number
  callId: unknown
  /** Parts of it of which any text has been written: those of its content from 0 up, others below. */
  readonly written: Set<number>

  constructor() {
    this.call = -1
    this.callId = undefined
    this.written = new Set()
  }

  /** Whether a text of this part is to be written, which it then is. @param whole it is all of the part */
  admits(part: number, text: unknown, whole: boolean): text is string {
    if (typeof text !== 'string' || text === '' || (whole && this.written.has(part))) return false
    this.written.add(part)
    return true
  }

  /** @param callId that may be missing */
  mayBe(callId: unknown): boolean {
    return typeof callId !== 'string' || typeof this.callId !== 'string' || callId === this.callId
  }
}

const ARGUMENTS = -1

/**
 * The stream of a response (OpenAI API reference: Responses, Streaming events). Of tools, only those that the client runs
 * come through; what OpenAI runs itself shows in the text.
 *
 * Upstreams differ in what they name: items have an id, an index in the output, or both; some give each event an id of its
 * own; some send no deltas but what is done, or nothing but the end. Each text is written once all the same.
 */
export class ResponsesTranslation extends StreamTranslation {
  private readonly byId: Map<string, Item>
  private readonly byIndex: Map<number, Item>
  private last: Item | null
  /** There was an event that did not say which item it was about. */
  private lost: boolean
  /** Whose text, and whose part of reasoning, was written last: between two of them stands an empty line. */
  private spoken: Item | null
  private thought: Item | null
  private thoughtPart: number

  constructor(includeUsage: boolean, model: string | null) {
    super(includeUsage, model)
    this.byId = new Map()
    this.byIndex = new Map()
    this.last = null
    this.lost = false
    this.spoken = null
    this.thought = null
    this.thoughtPart = 0
  }

  protected read(type: string, event: JsonObject): void {
    switch (type) {
      case 'response.created':
      case 'response.in_progress':
      case 'response.queued':
        this.begin(event.response)
        return
      case 'response.output_text.delta':
        this.takeText(this.find(event), partOf(event), event.delta)
        return
      case 'response.output_text.done':
        this.takeText(this.find(event), partOf(event), event.text, true)
        return
      case 'response.refusal.delta':
        this.takeRefusal(this.find(event), partOf(event), event.delta)
        return
      case 'response.refusal.done':
        this.takeRefusal(this.find(event), partOf(event), event.refusal, true)
        return
      case 'response.reasoning_text.delta':
        this.takeThought(this.find(event), partOf(event), event.delta)
        return
      case 'response.reasoning_text.done':
        this.takeThought(this.find(event), partOf(event), event.text, true)
        return
      case 'response.reasoning_summary_text.delta':
        this.takeThought(this.find(event), summaryOf(event.summary_index), event.delta)
        return
      case 'response.reasoning_summary_text.done':
        this.takeThought(this.find(event), summaryOf(event.summary_index), event.text, true)
        return
      case 'response.output_item.added':
        if (isObject(event.item)) this.open(event.item, this.itemOf(event.item, event.output_index))
        return
      case 'response.function_call_arguments.delta':
      case 'response.custom_tool_call_input.delta':
        this.takeArguments(this.find(event), event.delta)
        return
      case 'response.function_call_arguments.done':
        this.takeArguments(this.find(event), event.arguments, true)
        return
      case 'response.custom_tool_call_input.done':
        this.takeArguments(this.find(event), event.input, true)
        return
      case 'response.output_item.done':
        if (isObject(event.item)) this.takeItem(event.item, event.output_index)
        return
      case 'response.completed':
      case 'response.incomplete':
      case 'response.failed':
      case 'response.cancelled':
      case 'response.done':
        this.finish(type, event)
    }
  }

  private begin(response: unknown): void {
    const { id, created_at, model } = isObject(response) ? response : {}
    this.writer.begin(stringOr(id, null), numberOr(created_at, null), stringOr(model, null) || null)
  }

  // Texts. With `whole` it is all of a part, which is left out if any of it has been written.

  private takeText(item: Item, part: number, text: unknown, whole = false): void {
    if (!item.admits(part, text, whole)) return
    const apart = this.spoken !== null && this.spoken !== item
    this.spoken = item
    this.writer.content(apart ? `\n\n${text}` : text)
  }

  private takeRefusal(item: Item, part: number, text: unknown, whole = false): void {
    if (item.admits(part, text, whole)) this.writer.refusal(text)
  }

  private takeThought(item: Item, part: number, text: unknown, whole = false): void {
    if (!item.admits(part, text, whole)) return
    const apart = this.thought !== null && (this.thought !== item || this.thoughtPart !== part)
    this.thought = item
    this.thoughtPart = part
    this.writer.reasoning(apart ? `\n\n${text}` : text)
  }

  private takeArguments(item: Item, text: unknown, whole = false): void {
    // Of a call whose name has not come yet, all arguments come once more when it is done.
    if (item.call === -1 || !item.admits(ARGUMENTS, text, whole)) return
    this.writer.callArguments(item.call, text)
  }

  /** All of an item, of which most or none may have been written. */
  private takeItem(done: JsonObject, index: unknown): void {
    const item = this.itemOf(done, index)
    if (isCall(done)) {
      this.open(done, item)
      this.takeArguments(item, readArguments(done), true)
      return
    }
    if (item.written.size > 0) return
    for (const [i, part] of filterObjects(done.summary).entries())
      this.takeThought(item, summaryOf(i), part.text)
    for (const [i, part] of filterObjects(done.content).entries()) {
      if (part.type === 'refusal') this.takeRefusal(item, i, part.refusal)
      else if (part.type === 'reasoning_text') this.takeThought(item, i, part.text)
      else this.takeText(item, i, part.text)
    }
  }

  private open(call: JsonObject, item: Item): void {
    const { name, call_id: callId, id } = call
    if (item.call !== -1 || !isCall(call) || typeof name !== 'string' || name === '') return
    if (typeof callId === 'string') this.byId.set(callId, item)
    item.callId = callId
    item.call = this.writer.openCall(readCallId(callId, id, this.writer.calls), name)
  }

  private finish(type: string, event: JsonObject): void {
    const response = isObject(event.response) ? event.response : {}
    this.begin(response)
    const status = stringOr(response.status, type.slice('response.'.length))
    const error = response.error ?? event.error
    if (status === 'failed' || status === 'cancelled' || isObject(error)) {
      this.writer.fail(createChatError(isObject(error) ? error : null))
      return
    }
    // Indexes in here are not always those of the events; the ids of calls are.
    const nothing = !this.writer.filled
    for (const item of filterObjects(response.output)) if (nothing || isCall(item)) this.takeItem(item, null)
    this.writer.finish(
      readResponseFinish(response, status, this.writer.calls),
      readResponseUsage(response.usage),
    )
  }

  protected override endTold(): void {
    this.writer.finish(readResponseFinish({}, 'completed', this.writer.calls), null)
  }

  /** The item that this one is, by its ids, or else by its index; a new one if it is none of those that are known. */
  private itemOf(item: JsonObject, index: unknown): Item {
    const { id, call_id: callId } = item
    const named =
      (typeof callId === 'string' ? this.byId.get(callId) : undefined) ??
      (typeof id === 'string' ? this.byId.get(id) : undefined)
    if (named !== undefined) return named
    const placed = typeof index === 'number' ? this.byIndex.get(index) : undefined
    // Some upstreams count wrong, and give an index twice.
    if (placed?.mayBe(callId)) return placed
    if (this.lost && this.last !== null && !isCall(item)) return this.last
    return this.remember(new Item(), id, index)
  }

  /** The item that an event is about: it may never have been added, and an id that nobody knows says nothing. */
  private find({ item_id: id, output_index: index }: JsonObject): Item {
    const named = typeof id === 'string' ? this.byId.get(id) : undefined
    if (named !== undefined) return named
    const placed = typeof index === 'number' ? this.byIndex.get(index) : undefined
    if (placed !== undefined) return placed
    if (typeof index === 'number') return this.remember(new Item(), id, index)
    this.lost = true
    return this.last ?? this.remember(new Item(), id, index)
  }

  private remember(item: Item, id: unknown, index: unknown): Item {
    this.last = item
    if (typeof id === 'string') this.byId.set(id, item)
    if (typeof index === 'number') this.byIndex.set(index, item)
    return item
  }
}

/** @param status of a response that has ended @param calls of tools that the client is to run */
export function readResponseFinish(response: JsonObject, status: string, calls: number): FinishReason {
  if (status === 'incomplete') {
    const details = response.incomplete_details
    return isObject(details) && details.reason === 'content_filter' ? 'content_filter' : 'length'
  }
  return calls > 0 ? 'tool_calls' : 'stop'
}

/** A tool that the client runs. */
export function isCall(item: JsonObject): boolean {
  return item.type === 'function_call' || item.type === 'custom_tool_call'
}

/** A function without any has an empty object; a custom tool's input is any text. */
export function readArguments(call: JsonObject): string {
  if (call.type === 'custom_tool_call') return stringOr(call.input, '')
  return stringOr(call.arguments, '') || '{}'
}

/** @param index the call's own, for one that has no id at all */
export function readCallId(callId: unknown, id: unknown, index: number): string {
  return stringOr(callId, '') || stringOr(id, '') || `call_${index}`
}

function partOf(event: JsonObject): number {
  return numberOr(event.content_index, 0)
}

function summaryOf(index: unknown): number {
  return ARGUMENTS - 1 - numberOr(index, 0)
}
