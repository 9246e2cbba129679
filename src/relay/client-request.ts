import { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

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

  static {
    // Node's server lets go of a request whose body was read to its end. The types have a field here, and no accessor.
    Object.defineProperty(ClientRequest.prototype, 'readableEnded', {
      get(this: ClientRequest): boolean {
        return this.isDelivered || Reflect.get(IncomingMessage.prototype, 'readableEnded', this) === true
      },
    })
  }
}

/** Private members of Node's request. The same in Node 20, 22, 24 and 26. */
interface NodeMembers {
  /** Somebody reads the body. */
  _consuming: boolean
}
