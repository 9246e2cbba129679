import { findMember, findOnly, readElements, sliceText, type Value, WHOLE } from '../../json/outline.js'
import { asArray, filterObjects, isObject, type JsonObject, numberOr, stringOr } from '../../json/values.js'
import { ThoughtGroups } from '../thinking/thought-groups.js'
import type { Translation } from '../translation.js'
import { CallIds, CallInput } from './call-input.js'
import { createChatError } from './chat-errors.js'
import { readResponseUsage } from './chat-usage.js'
import { isCall, type OutputItem, OutputItems } from './output-items.js'
import type { FinishReason, ResponseWriter } from './response-writer.js'
import { findError, PLAIN, type ReaderOptions, StreamTranslation } from './stream.js'

const ITEM = findOnly({ arguments: WHOLE })
const OUTPUT = readElements(ITEM)
/** An event, or a whole response. */
const EVENT = findOnly({
  item: ITEM,
  arguments: WHOLE,
  output: OUTPUT,
  response: findOnly({ output: OUTPUT }),
})

/** The part number of a call's arguments. Parts of a reasoning summary come below it. */
const ARGUMENTS = -1

/**
 * Reads a response of the Responses API, as a stream (OpenAI API reference: Responses, Streaming events) or as a whole
 * (The response object). Calls of tools that OpenAI runs itself are dropped: their results show in the text.
 *
 * Some upstreams send no deltas but complete items only, or only the last event. Each text is written once in all
 * cases.
 */
export class ResponsesStream extends StreamTranslation {
  private readonly items: OutputItems
  /** The items whose text and reasoning were written last: an empty line separates two items or parts. */
  private lastText: OutputItem | null
  private lastReasoning: OutputItem | null
  private lastReasoningPart: number

  private readonly calls: CallInput[]
  /** How many calls have no name yet. */
  private nameless: number
  private id: string | null
  private readonly callIds: CallIds
  private readonly groups: ThoughtGroups

  constructor(writer: ResponseWriter, options: ReaderOptions = PLAIN, makes: Translation['makes'] = null) {
    super(writer, options, makes)
    this.items = new OutputItems()
    this.lastText = null
    this.lastReasoning = null
    this.lastReasoningPart = 0
    this.calls = []
    this.nameless = 0
    this.id = null
    this.callIds = new CallIds()
    this.groups = new ThoughtGroups()
  }

  protected read(type: string, event: JsonObject): void {
    switch (type) {
      case 'response.created':
      case 'response.in_progress':
      case 'response.queued':
        this.begin(event.response)
        return
      case 'response.output_text.delta': {
        const [item, part] = [this.items.findOfEvent(event), contentPart(event)]
        this.writeText(item, part, event.delta)
        this.say(event.delta, (text) => this.writeText(item, part, text))
        return
      }
      case 'response.output_text.done':
        this.writeText(this.items.findOfEvent(event), contentPart(event), event.text, true)
        return
      case 'response.refusal.delta':
        this.writeRefusal(this.items.findOfEvent(event), contentPart(event), event.delta)
        return
      case 'response.refusal.done':
        this.writeRefusal(this.items.findOfEvent(event), contentPart(event), event.refusal, true)
        return
      case 'response.reasoning_text.delta':
        this.readReasoning(event, contentPart(event))
        return
      case 'response.reasoning_text.done':
        this.writeReasoning(this.items.findOfEvent(event), contentPart(event), event.text, true)
        return
      case 'response.reasoning_summary_text.delta':
        this.readReasoning(event, summaryPart(event.summary_index))
        return
      case 'response.reasoning_summary_text.done':
        this.writeReasoning(this.items.findOfEvent(event), summaryPart(event.summary_index), event.text, true)
        return
      case 'response.output_item.added':
        if (isObject(event.item)) this.open(event.item, this.items.find(event.item, event.output_index))
        return
      case 'response.function_call_arguments.delta':
      case 'response.custom_tool_call_input.delta': {
        const item = this.items.findOfEvent(event)
        this.writeArguments(item, this.readText(event.delta))
        this.say(event.delta, (text) => this.writeArguments(item, text))
        return
      }
      case 'response.function_call_arguments.done':
        this.endArguments(this.items.findOfEvent(event), this.readArguments(event, -1))
        return
      case 'response.custom_tool_call_input.done':
        this.endArguments(this.items.findOfEvent(event), this.readText(event.input))
        return
      case 'response.output_item.done':
        if (isObject(event.item)) this.endItem(event.item, event.output_index)
        else this.failUnreadable()
        return
      case 'response.completed':
      case 'response.incomplete':
      case 'response.failed':
      case 'response.cancelled':
      case 'response.done':
        this.finish(type, event)
        return
      // Not OpenAI's, but some servers that imitate its API send it.
      case 'response.error':
        this.writer.fail(createChatError(findError(event)))
    }
  }

  protected readWhole(response: unknown): void {
    if (!isObject(response) || !(response.object === 'response' || Array.isArray(response.output))) return
    this.finish('response.completed', { response })
  }

  private begin(response: unknown): void {
    const { id, created_at, model } = isObject(response) ? response : {}
    this.id = stringOr(id, '') || this.id
    this.writer.begin(stringOr(id, null), numberOr(created_at, null), stringOr(model, null) || null)
  }

  // With `whole`, a text is all of its part, and is left out if any of the part is written.

  private writeText(item: OutputItem, part: number, value: unknown, whole = false): void {
    const text = this.readText(value)
    if (!item.admits(part, text, whole)) return
    const isNext = this.lastText !== null && this.lastText !== item
    this.lastText = item
    this.writer.content(isNext ? `\n\n${text}` : text)
  }

  private writeRefusal(item: OutputItem, part: number, value: unknown, whole = false): void {
    const text = this.readText(value)
    if (item.admits(part, text, whole)) this.writer.refusal(text)
  }

  private writeReasoning(item: OutputItem, part: number, value: unknown, whole = false): void {
    const text = this.readText(value)
    if (!item.admits(part, text, whole)) return
    const isNext =
      this.lastReasoning !== null && (this.lastReasoning !== item || this.lastReasoningPart !== part)
    this.lastReasoning = item
    this.lastReasoningPart = part
    this.writer.reasoning(isNext ? `\n\n${text}` : text)
  }

  private readReasoning(event: JsonObject, part: number): void {
    const item = this.items.findOfEvent(event)
    this.writeReasoning(item, part, event.delta)
    this.say(event.delta, (text) => this.writeReasoning(item, part, text))
  }

  /** While a call has no name its deltas are dropped: the complete item repeats all arguments. */
  private writeArguments(item: OutputItem, text: string): void {
    item.call?.push(text)
  }

  private endArguments(item: OutputItem, text: string): void {
    if (text !== '') item.call?.end(text)
  }

  /** An item is complete. */
  private endItem(done: JsonObject, index: unknown): void {
    if (this.thoughts !== null && done.type === 'reasoning') this.addThought(done)
    this.writeItem(done, index, -1)
  }

  /**
   * Writes those parts of a complete item that are not written yet.
   * @param at its index in the output; -1 if the event has it alone
   */
  private writeItem(done: JsonObject, index: unknown, at: number): void {
    const item = this.items.find(done, index)
    if (isCall(done)) {
      this.open(done, item)
      // No more comes of it: without its name, nothing can be called.
      if (item.call === null) this.failUnreadable()
      if (done.type === 'custom_tool_call') this.endArguments(item, this.readText(done.input))
      else this.endArguments(item, this.readArguments(done, at) || '{}')
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

  /**
   * The arguments of a call as JSON text; '' if it has none. Some upstreams give an object: it is copied, as a parsed
   * number may have lost digits.
   * @param at index of the call in the output; -1 if the event has it alone
   */
  private readArguments(call: JsonObject, at: number): string {
    if (!isObject(call.arguments)) return this.readText(call.arguments)
    const event = this.outlineOf(EVENT)
    const output = findMember(event, 'output') ?? findMember(findMember(event, 'response'), 'output')
    const item = at === -1 ? (findMember(event, 'item') ?? event) : (output?.elements?.[at] ?? null)
    const value: Value | null = findMember(item, 'arguments')
    return value === null ? '' : sliceText(this.json, value)
  }

  /** Begins a call as soon as its name is known. */
  private open(call: JsonObject, item: OutputItem): void {
    const { name, call_id: callId, id } = call
    if (item.call !== null || !isCall(call)) return
    const isNameless = typeof name !== 'string' || name === ''
    if (isNameless !== item.isNameless) this.nameless += isNameless ? 1 : -1
    item.isNameless = isNameless
    if (isNameless) return
    if (typeof callId === 'string') this.items.name(item, callId)
    item.callId = callId
    const { calls } = this.writer
    const known = stringOr(callId, '') || stringOr(id, '') || this.callIds.create(this.id, calls)
    item.call = new CallInput(this.writer, known, name, call.type === 'custom_tool_call', this.wrapped)
    this.calls.push(item.call)
    this.groups.addCall(known)
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
    for (const [at, item] of asArray(response.output).entries())
      if (isObject(item) && (isEmpty || isCall(item))) this.writeItem(item, null, at)
    if (this.nameless > 0) this.failUnreadable()
    this.rememberThoughts(response)
    this.endCalls()
    this.writer.finish(
      readResponseFinish(response, status, this.writer.calls),
      readResponseUsage(response.usage),
    )
  }

  protected override endWithFinish(): void {
    if (this.nameless > 0) this.failUnreadable()
    this.rememberThoughts({})
    this.endCalls()
    this.writer.finish(readResponseFinish({}, 'completed', this.writer.calls), null)
  }

  private endCalls(): void {
    for (const call of this.calls) if (call.hasParts) call.end('')
  }

  private rememberThoughts({ output }: JsonObject): void {
    if (this.thoughts === null || this.writer.over) return
    // Some upstreams have reasoning items in the last event alone.
    const hasThoughts = filterObjects(output).some(({ type }) => type === 'reasoning')
    if (this.groups.isEmpty && hasThoughts) {
      this.groups.clear()
      for (const item of filterObjects(output)) {
        if (item.type === 'reasoning') this.addThought(item)
        else if (isCall(item) && typeof item.call_id === 'string') this.groups.addCall(item.call_id)
      }
    }
    this.groups.remember(this.thoughts)
  }

  /**
   * Keeps a reasoning item as it has to be sent back where nothing is stored: its encrypted content is the thinking,
   * and its id is required (OpenAI docs, Reasoning models). Its `status` is left out, as a request must not have it.
   */
  private addThought({ id, summary, encrypted_content: encrypted }: JsonObject): void {
    if (typeof encrypted !== 'string' || encrypted === '') return
    const texts = filterObjects(summary).map(({ text }) => ({
      type: 'summary_text',
      text: stringOr(text, ''),
    }))
    const known = typeof id === 'string' && id !== '' ? { id } : {}
    this.groups.add(
      JSON.stringify({ type: 'reasoning', ...known, summary: texts, encrypted_content: encrypted }),
    )
  }
}

/**
 * Reads a whole response of the Responses API.
 * @param writer gets its content and its end, or an error if the body is no response
 */
export function readWholeResponse(
  body: Buffer,
  writer: ResponseWriter,
  options: ReaderOptions = PLAIN,
): void {
  new ResponsesStream(writer, options).readBody(body)
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

function contentPart(event: JsonObject): number {
  return numberOr(event.content_index, 0)
}

function summaryPart(index: unknown): number {
  return ARGUMENTS - 1 - numberOr(index, 0)
}
