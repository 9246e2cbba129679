import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { BoundCounters } from '../lib/limit-counters.js'
import type { ByteBudget } from '../relay/byte-budget.js'
import { discardInput } from '../relay/discard-input.js'
import { HeldBytes } from './held-bytes.js'

/**
 * What llhttp takes from its callback at the end of a head as "stop here" (HPE_PAUSED). Node hands on what `onIncoming`
 * returns, and reports the stop as an error with this code. The same in Node 20, 22, 24 and 26.
 */
const STOP = 21
export const STOPPED = 'HPE_PAUSED'

/** Node's HTTP parser of a connection, as far as it is used here. */
interface Parser {
  onIncoming?: ((req: IncomingMessage, keepAlive: boolean) => number) | null
  resume?: () => void
}

/** A request that was read behind unanswered ones, and the bytes behind its head. */
interface HeldRequest {
  readonly res: ServerResponse
  readonly begin: () => void
  readonly bytes: HeldBytes
  /** Node's own readers of the connection. */
  readers: Array<(piece: Buffer) => void>
}

/**
 * Limits the unanswered requests of a connection (`limits.unansweredRequestsPerConnection`): the parser stops behind
 * the head of the first one that is too many, until an earlier one is answered. Pausing the socket alone would not do:
 * the parser goes on to the end of the bytes in hand, which may have thousands of requests.
 *
 * The connection is read on into memory, so that a client that leaves is seen.
 */
export class Pipelining {
  private readonly limit: number
  private readonly bounds: BoundCounters
  private readonly budget: ByteBudget
  private readonly mayHoldMore: (socket: Socket, bytes: number) => boolean
  /** Open requests of a connection whose response has to wait for its turn. */
  private readonly queued: WeakMap<Socket, number>
  private readonly held: WeakMap<Socket, HeldRequest>
  /** Set while the parser is in its callback: it has to stop at the end of it. */
  private mustStop: boolean

  /** @param mayHoldMore whether bytes of this connection may be held that no request has begun with */
  constructor(
    limit: number,
    bounds: BoundCounters,
    budget: ByteBudget,
    mayHoldMore: (socket: Socket, bytes: number) => boolean,
  ) {
    this.limit = limit
    this.bounds = bounds
    this.budget = budget
    this.mayHoldMore = mayHoldMore
    this.queued = new WeakMap()
    this.held = new WeakMap()
    this.mustStop = false
  }

  /** Makes the parser of a new connection stoppable. */
  watch(socket: Socket): void {
    const parser = parserOf(socket)
    const onIncoming = parser?.onIncoming
    if (parser === null || typeof onIncoming !== 'function') return
    parser.onIncoming = (req, keepAlive) => {
      const result = onIncoming(req, keepAlive)
      if (!this.mustStop) return result
      this.mustStop = false
      return result === 0 ? STOP : result
    }
  }

  /**
   * Takes a request whose response has to wait for earlier ones. Called in the parser's callback.
   * @param begin is called at its turn, if it has to wait
   * @returns whether it has to wait
   */
  hold(socket: Socket, res: ServerResponse, begin: () => void): boolean {
    const queued = this.queued.get(socket) ?? 0
    if (queued + 1 < this.limit || parserOf(socket) === null) {
      this.queue(socket, res)
      return false
    }
    this.mustStop = true
    this.bounds.hit('unansweredRequestsPerConnection')
    const bytes = new HeldBytes(socket, this.budget, this.mayHoldMore)
    this.held.set(socket, { res, bytes, begin, readers: [] })
    // With a limit of 1, no queued request calls `release`.
    res.once('socket', () => this.release(socket))
    return true
  }

  /** Stops the parser of the request that is in its callback, for good: nothing behind it is read. */
  stop(): void {
    this.mustStop = true
  }

  /** The parser has stopped. @param rest the bytes that it has not read */
  onStopped(socket: Socket, rest: Buffer): void {
    const held = this.held.get(socket)
    if (held === undefined) {
      discardInput(socket)
      return
    }
    held.readers = socket.listeners('data') as HeldRequest['readers']
    for (const reader of held.readers) socket.removeListener('data', reader)
    held.bytes.start(rest)
  }

  /** Counts a request whose response waits for its turn. */
  private queue(socket: Socket, res: ServerResponse): void {
    this.queued.set(socket, (this.queued.get(socket) ?? 0) + 1)
    res.once('socket', () => {
      this.queued.set(socket, (this.queued.get(socket) ?? 1) - 1)
      this.release(socket)
    })
  }

  private release(socket: Socket): void {
    const held = this.held.get(socket)
    if (held === undefined) return
    this.held.delete(socket)
    // One request of a connection in each turn of the event loop: others come in between.
    setImmediate(() => {
      const rest = held.bytes.end()
      if (!socket.writable) return
      // A stream that flows hands on at once what is put back, before what is put in front of that.
      socket.pause()
      if (held.res.socket === null) this.queue(socket, held.res)
      held.begin()
      for (const reader of held.readers) socket.on('data', reader)
      parserOf(socket)?.resume?.()
      for (let i = rest.length - 1; i >= 0; i--) socket.unshift(rest[i])
      socket.resume()
    })
  }
}

/** Node keeps it in this private member, and has no public one. */
function parserOf(socket: Socket): Parser | null {
  return (socket as { parser?: Parser | null }).parser ?? null
}
