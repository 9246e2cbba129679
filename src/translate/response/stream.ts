import { isObject, type JsonObject, parseJson } from '../../json/values.js'
import { type EventHandler, EventReader } from '../../sse/event-reader.js'
import type { Translation } from '../translation.js'
import { createChatError } from './chat-errors.js'
import { ChunkWriter } from './chunk-writer.js'

const NOTHING = Buffer.alloc(0)

/**
 * Makes a chat completion's stream of another API's: each event is changed when it is whole, and what comes of it leaves at
 * once. Events that mean nothing here are left out; comments go on.
 */
export abstract class StreamTranslation implements Translation, EventHandler {
  /** The upstream's response is a stream already. */
  readonly makesStream: boolean
  protected readonly writer: ChunkWriter
  private readonly reader: EventReader

  /** @param model for upstreams that do not tell theirs */
  constructor(includeUsage: boolean, model: string | null) {
    this.makesStream = false
    this.writer = new ChunkWriter(includeUsage, model)
    this.reader = new EventReader(this)
  }

  push(piece: Buffer): Buffer {
    this.reader.push(piece)
    return this.writer.take()
  }

  /** A stream that has not told its own end is not whole, however well its connection ended: the client is told so. */
  end(): Buffer {
    this.reader.end()
    if (!this.writer.over) this.endUntold()
    return this.writer.take()
  }

  get bytesHeld(): number {
    return this.reader.bytesHeld
  }

  abort(error: string): Buffer {
    return Buffer.from(`data: ${error}\n\n`)
  }

  /** All whole events have left. */
  breakOff(): Buffer {
    return NOTHING
  }

  takeEvent(name: string, data: string): void {
    if (this.writer.over) return
    // Of the APIs that are translated none ends so, but some that speak as they do.
    if (data === '[DONE]') {
      this.endTold()
      return
    }
    const event = parseJson(data)
    const type = isObject(event) && typeof event.type === 'string' ? event.type : name
    if (type === 'ping') this.writer.keepAlive()
    else if (type === 'error' || (isObject(event) && isObject(event.error) && event.type === undefined))
      this.writer.fail(createChatError(errorOf(event)))
    else if (isObject(event)) this.read(type, event)
  }

  takeComment(text: string): void {
    this.writer.comment(text)
  }

  /** @param type of any event but errors and pings */
  protected abstract read(type: string, event: JsonObject): void

  /** It ends well, with what is known of it. */
  protected abstract endTold(): void

  /** It ends, and nothing said that it would. */
  protected endUntold(): void {
    const message = "The upstream's answer ended before it was complete. Try again."
    this.writer.fail({ message, type: 'server_error', param: null, code: 'upstream_incomplete' })
  }
}

/** Nested on the wire, flat in the specification of Responses. */
function errorOf(event: unknown): JsonObject | null {
  if (!isObject(event)) return typeof event === 'string' ? { message: event } : null
  const { error } = event
  if (typeof error === 'string') return { ...event, message: error }
  return isObject(error) ? error : event
}
