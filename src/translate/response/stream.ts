import { isObject, type JsonObject, parseJson } from '../../json/values.js'
import { EMPTY } from '../../lib/bytes.js'
import { type EventHandler, EventReader } from '../../sse/event-reader.js'
import type { Translation } from '../translation.js'
import { createChatError } from './chat-errors.js'
import { ChunkWriter } from './chunk-writer.js'

/**
 * Translates the stream of another API to chat completion chunks. Each event is translated when it is complete, and its
 * chunks leave at once. Events without a counterpart are dropped, comments are kept.
 */
export abstract class StreamTranslation implements Translation, EventHandler {
  /** The upstream's response is a stream already. */
  readonly makesStream: boolean
  protected readonly writer: ChunkWriter
  private readonly reader: EventReader

  /** @param model the name for the chunks if the upstream gives none */
  constructor(includeUsage: boolean, model: string | null) {
    this.makesStream = false
    this.writer = new ChunkWriter(includeUsage, model)
    this.reader = new EventReader(this)
  }

  push(chunk: Buffer): Buffer {
    this.reader.push(chunk)
    return this.writer.take()
  }

  /** A stream without its end event is incomplete, however cleanly its connection ended: the client gets an error. */
  end(): Buffer {
    this.reader.end()
    if (!this.writer.over) this.endWithoutFinish()
    return this.writer.take()
  }

  get bytesHeld(): number {
    return this.reader.bytesHeld
  }

  abort(error: string): Buffer {
    return Buffer.from(`data: ${error}\n\n`)
  }

  /** Nothing: the chunks of all complete events have left. */
  breakOff(): Buffer {
    return EMPTY
  }

  takeEvent(name: string, data: string): void {
    if (this.writer.over) return
    // Neither API ends like this, but some servers that imitate them do.
    if (data === '[DONE]') {
      this.endWithFinish()
      return
    }
    const event = parseJson(data)
    const type = isObject(event) && typeof event.type === 'string' ? event.type : name
    if (type === 'ping') this.writer.keepAlive()
    else if (type === 'error' || (isObject(event) && isObject(event.error) && event.type === undefined))
      this.writer.fail(createChatError(findError(event)))
    else if (isObject(event)) this.read(type, event)
  }

  takeComment(text: string): void {
    this.writer.comment(text)
  }

  /** Translates one event. @param type never an error or a ping */
  protected abstract read(type: string, event: JsonObject): void

  /** Writes the finish reason and the usage, as far as they are known. */
  protected abstract endWithFinish(): void

  /** The stream ended without its end event. */
  protected endWithoutFinish(): void {
    const message = "The upstream's response ended before it was complete. Try again."
    this.writer.fail({ message, type: 'server_error', param: null, code: 'upstream_incomplete' })
  }
}

/** The error object of an event: nested on the wire, flat in the specification of Responses. */
function findError(event: unknown): JsonObject | null {
  if (!isObject(event)) return typeof event === 'string' ? { message: event } : null
  const { error } = event
  if (typeof error === 'string') return { ...event, message: error }
  return isObject(error) ? error : event
}
