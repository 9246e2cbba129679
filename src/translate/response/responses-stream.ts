import { filterObjects, isObject, type JsonObject, numberOr, stringOr } from '../../json/values.js'
import { createChatError } from './chat-errors.js'
import { readResponseUsage } from './chat-usage.js'
import type { FinishReason } from './response-writer.js'
import { StreamTranslation } from './stream.js'

/** An output item of a response, as far as it has arrived. */
class Item {
  /** Index among the tool calls; -1 if the item is none, or has no name yet. */
  call: number
  callId: unknown
  /** The parts whose text is written, or begun: parts of the content from 0 up, others below 0. */
  readonly written: Set<number>

  constructor() {
    this.call = -1
    this.callId = undefined
    this.written = new Set()
  }

  /**
   * Decides whether a text has to be written, and notes that its part has text.
   * @param whole the text is all of the part, so it is a repetition if any of the part is written
   */
  admits(part: number, text: unknown, whole: boolean): text is string {
    if (typeof text !== 'string' || text === '' || (whole && this.written.has(part))) return false
    this.written.add(part)
    return true
  }

  /** Whether an item with this call id may be this one: ids may be missing. */
  mayBe(callId: unknown): boolean {
    return typeof callId !== 'string' || typeof this.callId !== 'string' || callId === this.callId
  }
}

/** The part number of a call's arguments. Parts of a reasoning summary come below it. */
const ARGUMENTS = -1

/**
 * Translates the stream of a response (OpenAI API reference: Responses, Streaming events). Calls of tools that OpenAI
 * runs itself are dropped: their results show in the text.
 *
 * Upstreams differ in how they identify items: by an id, by an index in the output, or by both. Some give each event
 * a new id. Some send no deltas but complete items only, or only the last event. Each text is written once in all
 * cases.
 */
export class ResponsesTranslation extends StreamTranslation {
  private readonly byId: Map<string, Item>
  private readonly byIndex: Map<number, Item>
  private last: Item | null
  /** There was an event that did not identify its item. */
  private hasUnidentified: boolean
  /** The items whose text and reasoning were written last: an empty line separates two items or parts. */
  private lastText: Item | null
  private lastReasoning: Item | null
  private lastReasoningPart: number

  constructor(includeUsage: boolean, model: string | null) {
    super(includeUsage, model)
    this.byId = new Map()
    this.byIndex = new Map()
    this.last = null
    this.hasUnidentified = false
    this.lastText = null
    this.lastReasoning = null
    this.lastReasoningPart = 0
  }

  protected read(type: string, event: JsonObject): void {
    switch (type) {
      case 'response.created':
      case 'response.in_progress':
      case 'response.queued':
        this.begin(event.response)
        return
      case 'response.output_text.delta':
        this.writeText(this.findEventItem(event), contentPart(event), event.delta)
        return
      case 'response.output_text.done':
        this.writeText(this.findEventItem(event), contentPart(event), event.text, true)
        return
      case 'response.refusal.delta':
        this.writeRefusal(this.findEventItem(event), contentPart(event), event.delta)
        return
      case 'response.refusal.done':
        this.writeRefusal(this.findEventItem(event), contentPart(event), event.refusal, true)
        return
      case 'response.reasoning_text.delta':
        this.writeReasoning(this.findEventItem(event), contentPart(event), event.delta)
        return
      case 'response.reasoning_text.done':
        this.writeReasoning(this.findEventItem(event), contentPart(event), event.text, true)
        return
      case 'response.reasoning_summary_text.delta':
        this.writeReasoning(this.findEventItem(event), summaryPart(event.summary_index), event.delta)
        return
      case 'response.reasoning_summary_text.done':
        this.writeReasoning(this.findEventItem(event), summaryPart(event.summary_index), event.text, true)
        return
      case 'response.output_item.added':
        if (isObject(event.item)) this.open(event.item, this.findItem(event.item, event.output_index))
        return
      case 'response.function_call_arguments.delta':
      case 'response.custom_tool_call_input.delta':
        this.writeArguments(this.findEventItem(event), event.delta)
        return
      case 'response.function_call_arguments.done':
        this.writeArguments(this.findEventItem(event), event.arguments, true)
        return
      case 'response.custom_tool_call_input.done':
        this.writeArguments(this.findEventItem(event), event.input, true)
        return
      case 'response.output_item.done':
        if (isObject(event.item)) this.writeItem(event.item, event.output_index)
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

  // With `whole`, a text is all of its part, and is left out if any of the part is written.

  private writeText(item: Item, part: number, text: unknown, whole = false): void {
    if (!item.admits(part, text, whole)) return
    const isNext = this.lastText !== null && this.lastText !== item
    this.lastText = item
    this.writer.content(isNext ? `\n\n${text}` : text)
  }

  private writeRefusal(item: Item, part: number, text: unknown, whole = false): void {
    if (item.admits(part, text, whole)) this.writer.refusal(text)
  }

  private writeReasoning(item: Item, part: number, text: unknown, whole = false): void {
    if (!item.admits(part, text, whole)) return
    const isNext =
      this.lastReasoning !== null && (this.lastReasoning !== item || this.lastReasoningPart !== part)
    this.lastReasoning = item
    this.lastReasoningPart = part
    this.writer.reasoning(isNext ? `\n\n${text}` : text)
  }

  private writeArguments(item: Item, text: unknown, whole = false): void {
    // While a call has no name its deltas are dropped: the complete item repeats all arguments.
    if (item.call === -1 || !item.admits(ARGUMENTS, text, whole)) return
    this.writer.callArguments(item.call, text)
  }

  /** Writes those parts of a complete item that are not written yet. */
  private writeItem(done: JsonObject, index: unknown): void {
    const item = this.findItem(done, index)
    if (isCall(done)) {
      this.open(done, item)
      this.writeArguments(item, readArguments(done), true)
      return
    }
    if (item.written.size > 0) return
    for (const [i, part] of filterObjects(done.summary).entries())
      this.writeReasoning(item, summaryPart(i), part.text)
    for (const [i, part] of filterObjects(done.content).entries()) {
      if (part.type === 'refusal') this.writeRefusal(item, i, part.refusal)
      else if (part.type === 'reasoning_text') this.writeReasoning(item, i, part.text)
      else this.writeText(item, i, part.text)
    }
  }

  /** Begins a call as soon as its name is known. */
  private open(call: JsonObject, item: Item): void {
    const { name, call_id: callId, id } = call
    if (item.call !== -1 || !isCall(call) || typeof name !== 'string' || name === '') return
    if (typeof callId === 'string') this.byId.set(callId, item)
    item.callId = callId
    item.call = this.writer.openCall(readCallId(callId, id, this.writer.calls), name)
  }

  /** The response has ended, well or with an error. */
  private finish(type: string, event: JsonObject): void {
    const response = isObject(event.response) ? event.response : {}
    this.begin(response)
    const status = stringOr(response.status, type.slice('response.'.length))
    const error = response.error ?? event.error
    if (status === 'failed' || status === 'cancelled' || isObject(error)) {
      this.writer.fail(createChatError(isObject(error) ? error : null))
      return
    }
    // The indexes in here may differ from those of the events; ids of calls are the same.
    const isEmpty = !this.writer.filled
    for (const item of filterObjects(response.output)) if (isEmpty || isCall(item)) this.writeItem(item, null)
    this.writer.finish(
      readResponseFinish(response, status, this.writer.calls),
      readResponseUsage(response.usage),
    )
  }

  protected override endWithFinish(): void {
    this.writer.finish(readResponseFinish({}, 'completed', this.writer.calls), null)
  }

  /** The known item with these ids, or else with this index; a new one if there is none. */
  private findItem(item: JsonObject, index: unknown): Item {
    const { id, call_id: callId } = item
    const byId =
      (typeof callId === 'string' ? this.byId.get(callId) : undefined) ??
      (typeof id === 'string' ? this.byId.get(id) : undefined)
    if (byId !== undefined) return byId
    const byIndex = typeof index === 'number' ? this.byIndex.get(index) : undefined
    // Some upstreams count wrong and use an index twice.
    if (byIndex?.mayBe(callId)) return byIndex
    if (this.hasUnidentified && this.last !== null && !isCall(item)) return this.last
    return this.remember(new Item(), id, index)
  }

  /** The item of an event. It may never have been added, and an unknown id identifies nothing. */
  private findEventItem({ item_id: id, output_index: index }: JsonObject): Item {
    const byId = typeof id === 'string' ? this.byId.get(id) : undefined
    if (byId !== undefined) return byId
    const byIndex = typeof index === 'number' ? this.byIndex.get(index) : undefined
    if (byIndex !== undefined) return byIndex
    if (typeof index === 'number') return this.remember(new Item(), id, index)
    this.hasUnidentified = true
    return this.last ?? this.remember(new Item(), id, index)
  }

  private remember(item: Item, id: unknown, index: unknown): Item {
    this.last = item
    if (typeof id === 'string') this.byId.set(id, item)
    if (typeof index === 'number') this.byIndex.set(index, item)
    return item
  }
}

/**
 * Converts the end of a response.
 * @param status of the response
 * @param calls the number of tool calls for the client
 */
export function readResponseFinish(response: JsonObject, status: string, calls: number): FinishReason {
  if (status === 'incomplete') {
    const details = response.incomplete_details
    return isObject(details) && details.reason === 'content_filter' ? 'content_filter' : 'length'
  }
  return calls > 0 ? 'tool_calls' : 'stop'
}

/** Whether an item is a call of a tool that the client runs. */
export function isCall(item: JsonObject): boolean {
  return item.type === 'function_call' || item.type === 'custom_tool_call'
}

/** The arguments of a call as JSON text, `{}` if it has none; of a custom tool's call, its text. */
export function readArguments(call: JsonObject): string {
  if (call.type === 'custom_tool_call') return stringOr(call.input, '')
  return stringOr(call.arguments, '') || '{}'
}

/**
 * The id of a call: `call_id`, or else `id`, or else a name with its index.
 * @param index the index among the tool calls
 */
export function readCallId(callId: unknown, id: unknown, index: number): string {
  return stringOr(callId, '') || stringOr(id, '') || `call_${index}`
}

function contentPart(event: JsonObject): number {
  return numberOr(event.content_index, 0)
}

function summaryPart(index: unknown): number {
  return ARGUMENTS - 1 - numberOr(index, 0)
}
