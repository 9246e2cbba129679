import { type Plan, parseOutline, type Value } from '../../json/outline.js'
import { isObject, type JsonObject, parseJson } from '../../json/values.js'
import { EMPTY } from '../../lib/bytes.js'
import type { EventForm } from '../../sse/event-form.js'
import { type EventHandler, EventReader } from '../../sse/event-reader.js'
import type { ThoughtSink } from '../thinking/thought-sink.js'
import type { Translation } from '../translation.js'
import { createChatError } from './chat-errors.js'
import { RepeatedEvents, type TextReceiver } from './repeated-events.js'
import type { ResponseWriter } from './response-writer.js'

/** What a reader of responses knows of the request. */
export interface ReaderOptions {
  /** Names of the custom tools that went out as functions: their calls are custom tools' again. */
  readonly wrapped: readonly string[]
  /** Gets the thinking of the response; null if it is not kept. */
  readonly thoughts: ThoughtSink | null
}

/** No wrapped tools, and no thinking is kept. */
export const PLAIN: ReaderOptions = { wrapped: [], thoughts: null }

const UNREADABLE =
  "A part of the upstream's response is not in the form of its API, so that it cannot be read."

/** Names of events that only keep a connection alive, in servers that invent them. */
const KEEP_ALIVE = /^(?:ping|heartbeat|keep[-_]?alive)$/i

/**
 * Reads the response of one API, as a stream or as a whole body, and tells a `ResponseWriter` what it says. Each event
 * is read when it is complete, and its output leaves at once. Events without a counterpart are dropped, comments are
 * kept. An event that cannot be read ends the stream with an error, as a part of the answer would be missing.
 */
export abstract class StreamTranslation implements Translation, EventHandler {
  readonly makes: Translation['makes']
  protected readonly writer: ResponseWriter
  protected readonly wrapped: readonly string[]
  protected readonly thoughts: ThoughtSink | null
  protected readonly reader: EventReader
  private readonly repeated: RepeatedEvents
  /** The text of the last event, if it did nothing but hand it on; and what it was handed to. */
  protected said: string | null
  private receiver: TextReceiver | null
  /** JSON text of the current event. */
  private data: string
  /** The same as bytes, or the whole body; null until they are asked for. */
  private bytes: Buffer | null
  private outline: Value | null

  /** @param makes see `Translation`: a client that asked for no stream gets a whole body */
  constructor(writer: ResponseWriter, options: ReaderOptions = PLAIN, makes: Translation['makes'] = null) {
    this.makes = makes
    this.writer = writer
    this.wrapped = options.wrapped
    this.thoughts = options.thoughts
    this.reader = new EventReader(this)
    this.repeated = new RepeatedEvents()
    this.said = null
    this.receiver = null
    this.data = ''
    this.bytes = null
    this.outline = null
  }

  push(chunk: Buffer): Buffer {
    const { reader, repeated } = this
    const at = reader.isBetweenEvents ? repeated.read(chunk) : 0
    if (at < chunk.length) this.parse(at === 0 ? chunk : chunk.subarray(at))
    return this.writer.take()
  }

  /** A stream without its end event is incomplete, however cleanly its connection ended: the client gets an error. */
  end(): Buffer {
    this.reader.end()
    if (!this.writer.over) this.endWithoutFinish()
    return this.writer.take()
  }

  get bytesHeld(): number {
    return this.reader.bytesHeld + this.writer.bytesHeld
  }

  /** Nothing if the end or an error is written already. */
  abort(error: string): Buffer {
    const body = parseJson(error)
    this.writer.fail(createChatError(findError(body)))
    return this.writer.take()
  }

  /** Nothing: the output of all complete events has left. */
  breakOff(): Buffer {
    return EMPTY
  }

  takeEvent(name: string, data: string): void {
    this.said = null
    if (this.writer.over) return
    // Not every API ends like this, but some servers that imitate one do.
    if (data === '[DONE]') {
      this.endWithFinish()
      return
    }
    const event = parseJson(data)
    if (!isObject(event)) {
      this.takeOddEvent(name, data, event)
      return
    }
    const type = typeof event.type === 'string' ? event.type : name
    if (type === 'ping' || type === 'keepalive') this.writer.keepAlive()
    else if (type === 'error' || (event.type === undefined && hasError(event)))
      this.writer.fail(createChatError(findError(event)))
    else {
      this.data = data
      this.bytes = null
      this.outline = null
      this.read(type, event)
    }
  }

  takeComment(text: string): void {
    this.writer.comment(text)
  }

  /**
   * Reads a complete body in place of a stream. The writer is over then: a body that is none of this API's is an
   * error.
   */
  readBody(body: Buffer): void {
    const response = parseJson(body.toString('utf8'))
    this.bytes = body
    const first: unknown = Array.isArray(response) ? response[0] : response
    if (isObject(first) && (first.type === 'error' || hasError(first)))
      this.writer.fail(createChatError(findError(first)))
    else this.readWhole(response)
    if (!this.writer.over)
      this.failUnreadable("The upstream's response is neither a stream nor a complete answer.")
  }

  /**
   * To be called for an event that does nothing but hand on one text. It must do the same with any other text, as long
   * as no event of another form comes: these are not parsed then.
   */
  protected say(text: unknown, receiver: TextReceiver): void {
    this.said = typeof text === 'string' && text !== '' ? text : null
    this.receiver = receiver
  }

  /** Whether the counts of an event's form are those that its reader took from it. */
  protected knowsCounts(form: EventForm): boolean {
    return form.countNames.length === 0
  }

  /** Reads one event. @param type never an error or a ping; '' if the event has neither a type nor a name */
  protected abstract read(type: string, event: JsonObject): void

  /** Reads a whole body, up to its end. Does nothing if it is none of this API's. */
  protected abstract readWhole(response: unknown): void

  /** Writes the finish reason and the usage, as far as they are known. */
  protected abstract endWithFinish(): void

  /** The stream ended without its end event. */
  protected endWithoutFinish(): void {
    const message = "The upstream's response ended before it was complete. Try again."
    this.writer.fail({ message, type: 'server_error', param: null, code: 'upstream_incomplete' })
  }

  /** A part of the response is not in the form of its API. */
  protected failUnreadable(message = UNREADABLE): void {
    this.writer.fail({ message, type: 'server_error', param: null, code: 'upstream_unreadable' })
  }

  /** The text, if it is one; '' if it is missing. Anything else is an error. */
  protected readText(value: unknown): string {
    if (typeof value === 'string') return value
    if (value !== undefined && value !== null) this.failUnreadable()
    return ''
  }

  /** Bytes of the event or the body: values are copied from them where numbers have to keep their digits. */
  protected get json(): Buffer {
    this.bytes ??= Buffer.from(this.data)
    return this.bytes
  }

  /** The places of values in `json`. @param plan the same in each call for one event */
  protected outlineOf(plan: Plan): Value | null {
    this.outline ??= parseOutline(this.json, plan)
    return this.outline
  }

  private parse(chunk: Buffer): void {
    const { reader, repeated } = this
    const startsEvent = reader.isBetweenEvents
    this.said = null
    reader.push(chunk)
    if (this.said === null || this.receiver === null || !startsEvent || !reader.isBetweenEvents) return
    repeated.learn(chunk, this.said, this.receiver, (form) => this.knowsCounts(form))
  }

  /** An event without an object. */
  private takeOddEvent(name: string, data: string, value: unknown): void {
    const first: unknown = Array.isArray(value) ? value[0] : null
    if (name === 'error') this.writer.fail(createChatError(findError(value)))
    else if (isObject(first) && hasError(first)) this.writer.fail(createChatError(findError(first)))
    else if (KEEP_ALIVE.test(name)) this.writer.keepAlive()
    else if (data.trim() === '[DONE]') this.endWithFinish()
    // A name alone, or empty data, says nothing: some servers send it against idle timeouts.
    else if (data.trim() !== '') this.failUnreadable()
  }
}

/** Whether an event or a body says that something went wrong. */
export function hasError({ error }: JsonObject): boolean {
  return isObject(error) || (typeof error === 'string' && error !== '')
}

/** The error object of an event: nested on the wire, flat in the specification of Responses. */
export function findError(event: unknown): JsonObject | null {
  if (!isObject(event)) return typeof event === 'string' ? { message: event } : null
  const { error } = event
  if (typeof error === 'string') return { ...event, message: error }
  return isObject(error) ? error : event
}
