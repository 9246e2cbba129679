import { type IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { findHeader } from '../http/flat-headers.js'

/** Takes the body of a request. */
export interface BodyReceiver {
  onData(data: Buffer): void
  /** The body is complete. */
  onEnd(): void
}

/**
 * A client's request: Node's, whose parser hands the body on to the relay directly. As a stream, a body that came with
 * its head would wait for two further turns, and the stream would be closed in two more: 3 % of a request (bench
 * `requests`).
 *
 * Whoever listens to the stream gets the rest of the body in the usual way: that is how the rest of a refused body is
 * read and dropped.
 */
export class ClientRequest extends IncomingMessage {
  private receiver: BodyReceiver | null
  private isDelivered: boolean
  /** Set by Node's parser: the request offers an upgrade. */
  declare readonly upgrade: boolean

  constructor(socket: Socket) {
    super(socket)
    this.receiver = null
    this.isDelivered = false
  }

  /** Hands the body on as it is parsed. To be called in the turn in which the head was handed over. */
  deliverTo(receiver: BodyReceiver): void {
    this.receiver = receiver
    // Else Node reads the body away when the response is complete.
    ;(this as unknown as NodeMembers)._consuming = true
  }

  /** Called by Node's parser. @param chunk null at the end of the body */
  override push(chunk: Buffer | null): boolean {
    const { receiver } = this
    if (receiver === null || this.readableFlowing !== null) return super.push(chunk)
    if (chunk !== null) {
      receiver.onData(chunk)
      return true
    }
    this.isDelivered = true
    receiver.onEnd()
    // Of Node's server, if the response was complete before the body.
    if (this.listenerCount('end') > 0) this.emit('end')
    return false
  }

  // The types have fields where Node has accessors, so that a class cannot have its own.
  static {
    Object.defineProperties(ClientRequest.prototype, {
      // Node's server lets go of a request whose body was read to its end.
      readableEnded: {
        get(this: ClientRequest): boolean {
          return this.isDelivered || Reflect.get(IncomingMessage.prototype, 'readableEnded', this) === true
        },
      },
      // Node 20 asks each request for `expect`, and makes an object of all headers for that. The relay itself reads
      // `rawHeaders`, and this only of what offers an upgrade. Node must not be told to ask for `host`.
      headers: {
        get(this: ClientRequest): IncomingHttpHeaders {
          const isRead = this.upgrade || findHeader(this.rawHeaders, 'expect') !== undefined
          return isRead ? Reflect.get(IncomingMessage.prototype, 'headers', this) : NO_HEADERS
        },
      },
    })
  }
}

const NO_HEADERS: IncomingHttpHeaders = Object.freeze({})

/** Private members of Node's request. The same in Node 20, 22, 24 and 26. */
interface NodeMembers {
  /** Somebody reads the body. */
  _consuming: boolean
}
