import { decodeLatin1, type RawHeaders } from '../http/flat-headers.js'
import { removeEntityHeaders } from '../http/response-headers.js'
import type { DispatchHandler, RawHeaderList } from './dispatch-handler.js'
import { takeRawSocket } from './raw-socket.js'
import { isRewritable, type RelayLinks } from './relay-links.js'

/** A longer body passes as it came. */
const HELD_MAX = 1024 * 1024

/** The head of a response that waits for its body. */
interface HeldHead {
  readonly status: number
  readonly raw: RawHeaderList
  readonly resume: () => void
  readonly reason: string
}

/**
 * A handler that passes a response to another handler, with the URLs of the upstream in its body rewritten. It
 * holds a short JSON body back until it is complete, so that a body without such a URL passes as it came, head and all,
 * and the length of another one is right.
 */
export class LinkedResponse implements DispatchHandler {
  private readonly handler: DispatchHandler
  private readonly links: RelayLinks
  /** Null if nothing is held. */
  private head: HeldHead | null
  private chunks: Buffer[]
  private bytes: number

  constructor(handler: DispatchHandler, links: RelayLinks) {
    this.handler = handler
    this.links = links
    this.head = null
    this.chunks = []
    this.bytes = 0
  }

  onConnect(abort: (reason?: Error) => void): void {
    this.handler.onConnect(abort)
  }

  onHeaders(status: number, raw: RawHeaderList, resume: () => void, reason: string): boolean {
    if (!isRewritable(status, raw, HELD_MAX)) return this.handler.onHeaders(status, raw, resume, reason)
    // The handler behind this one must not divert a body that is held.
    takeRawSocket()
    this.head = { status, raw, resume, reason }
    return true
  }

  onData(chunk: Buffer): boolean {
    if (this.head === null) return this.handler.onData(chunk)
    // A chunk is valid until the call returns.
    this.chunks.push(Buffer.from(chunk))
    this.bytes += chunk.length
    return this.bytes <= HELD_MAX || this.release(this.head, null)
  }

  onComplete(trailers: string[] | null): void {
    if (this.head !== null) this.release(this.head, this.links.rewriteBody(Buffer.concat(this.chunks)))
    this.handler.onComplete(trailers)
  }

  onError(error: Error): void {
    // What came is the client's, and then the cut.
    if (this.head !== null) this.release(this.head, null)
    this.handler.onError(error)
  }

  /** Hands on what is held. @param changed the body in its place; null if it goes as it came */
  private release({ status, raw, resume, reason }: HeldHead, changed: Buffer | null): boolean {
    this.head = null
    const { handler } = this
    const headers = changed === null ? raw : replaceLength(raw, changed.length)
    let more = handler.onHeaders(status, headers, resume, reason)
    for (const chunk of changed === null ? this.chunks : [changed]) more = handler.onData(chunk)
    this.chunks = []
    return more
  }
}

function replaceLength(raw: RawHeaders, length: number): RawHeaderList {
  const headers = raw.map((text) => decodeLatin1(text))
  removeEntityHeaders(headers)
  headers.push('content-length', String(length))
  return headers
}
