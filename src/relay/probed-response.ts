import { findHeader, type RawHeaders } from '../http/flat-headers.js'
import { isAwsEventStream, isEventStream, isJson } from '../http/media-type.js'
import type { ErrorFacts } from '../routing/error-facts.js'
import type { RawBodyReader, RawSocket } from '../upstream/raw-socket.js'
import type { Attempt, BodyHandler, ResponseHead } from './attempt.js'
import { AwsBeginning } from './aws-beginning.js'
import { BudgetedBuffer } from './budgeted-buffer.js'
import type { ByteBudget } from './byte-budget.js'
import { ChunkWalker } from './chunk-walker.js'
import type { Failover } from './failover.js'
import { type Beginning, FirstContentFinder } from './first-content.js'
import type { HeldResponse } from './held-response.js'
import { JsonBeginning } from './json-beginning.js'

/** Finds in a body where the answer begins. */
interface BeginningReader {
  /** Of an error in place of an answer; null before one is complete. */
  readonly facts: ErrorFacts | null
  push(data: Buffer): Beginning
  end(): Beginning
}

/**
 * The beginning of a response, held back until it has content. Keep-alive comments (DeepSeek, OpenRouter), blank lines
 * and events that only announce an answer are no content. While nothing has gone to the client, another target can
 * still be tried.
 *
 * Chunks are read at the socket, framing and all, so that they can pass from socket to socket once the answer has
 * begun.
 */
export class ProbedResponse implements BodyHandler, HeldResponse, RawBodyReader {
  readonly attempt: Attempt
  readonly head: ResponseHead
  readonly held: BudgetedBuffer
  /** When the head arrived: `performance.now()`. */
  readonly since: number
  private reader: BeginningReader
  private readonly failover: Failover
  /** The connection, while the held chunks have their framing; null if the parser reads it. */
  private rawSocket: RawSocket | null
  private readonly walker: ChunkWalker | null
  /** The beginning of a size line, until the rest of it arrives; it is held already. */
  private carried: Buffer | null

  constructor(failover: Failover, attempt: Attempt, head: ResponseHead, budget: ByteBudget) {
    this.attempt = attempt
    this.head = head
    this.held = new BudgetedBuffer(budget)
    this.since = performance.now()
    this.reader = createReader(head.raw)
    this.failover = failover
    this.rawSocket = head.rawSocket
    this.walker = head.rawSocket === null ? null : new ChunkWalker()
    this.carried = null
    head.rawSocket?.take(this)
  }

  /** Data from the socket, with its framing. */
  onWire(read: Buffer): boolean {
    const { walker } = this
    const hasRoom = this.held.push(read)
    if (walker === null || !hasRoom) return this.failover.onContent(this)
    const bytes = this.carried === null ? read : Buffer.concat([this.carried, read])
    this.carried = null
    const passed = walker.walk(bytes)
    for (let i = 0; i < walker.data.length; i += 2) {
      const found = this.reader.push(bytes.subarray(walker.data[i], walker.data[i + 1]))
      if (found === 'content') return this.failover.onContent(this)
      if (found === 'error') return this.onError()
    }
    if (passed === bytes.length) return true
    if (walker.end === 'partial') {
      this.carried = Buffer.from(bytes.subarray(passed))
      return true
    }
    return this.leaveToParser()
  }

  onData(chunk: Buffer): boolean {
    if (!this.held.push(chunk)) return this.failover.onContent(this)
    const found = this.reader.push(chunk)
    if (found === 'empty') return true
    return found === 'content' ? this.failover.onContent(this) : this.onError()
  }

  onEnd(): void {
    const found = this.reader.end()
    if (found === 'error') this.onError()
    else if (found === 'content' || !this.failover.onEmpty(this)) this.failover.onContent(this)
    this.attempt.onComplete()
  }

  onCut(error: Error): void {
    this.failover.onFailed(this.attempt, error)
  }

  /** Hands what was held to the receiver of the response. @returns false to pause reading */
  release(receiver: BodyHandler): boolean {
    const { held, rawSocket } = this
    const chunks = [...held.chunks]
    held.free()
    this.rawSocket = null
    let more = true
    for (const chunk of chunks)
      more = rawSocket === null ? receiver.onData(chunk) : rawSocket.passOn(chunk, this)
    return more
  }

  /** Gives the head its connection again while the receiver takes it, so that the receiver can read the chunks. */
  offerSocket(isOffered: boolean): void {
    this.head.rawSocket = isOffered ? this.rawSocket : null
  }

  /**
   * The end of the body, or framing that is not plain: the parser reads all of it, and `onData` sees it from the
   * start.
   */
  private leaveToParser(): boolean {
    this.reader = createReader(this.head.raw)
    return this.release(this)
  }

  private onError(): boolean {
    return this.failover.onErrorEvent(this, this.reader.facts ?? UNKNOWN)
  }
}

const UNKNOWN: ErrorFacts = { words: [], message: '', delayMs: null }

/** Whether a body says in its beginning whether it has an answer. */
export function isReadable(raw: RawHeaders): boolean {
  const type = findHeader(raw, 'content-type') ?? ''
  return isPlain(raw) && (isEventStream(type) || isAwsEventStream(type) || isJson(type.trim()))
}

/** Whether a body is not compressed. */
export function isPlain(raw: RawHeaders): boolean {
  return /^\s*(?:identity\s*)?$/i.test(findHeader(raw, 'content-encoding') ?? '')
}

function createReader(raw: RawHeaders): BeginningReader {
  if (!isReadable(raw)) return new AnyContent()
  const type = findHeader(raw, 'content-type') ?? ''
  if (isAwsEventStream(type)) return new AwsBeginning()
  return isEventStream(type) ? new FirstContentFinder() : new JsonBeginning()
}

/** Of a body that cannot be read: anything but white space is an answer. */
class AnyContent implements BeginningReader {
  readonly facts: ErrorFacts | null

  constructor() {
    this.facts = null
  }

  push(data: Buffer): Beginning {
    return data.some(isVisible) ? 'content' : 'empty'
  }

  /** Its end says no more: it may have no body. */
  end(): Beginning {
    return 'content'
  }
}

/** Whether a byte is more than white space. */
function isVisible(byte: number): boolean {
  return byte > 0x20
}
