import type { ErrorCode } from '../api/errors.js'
import type { Exchange } from '../exchange/exchange.js'
import { removeHeader } from '../http/flat-headers.js'
import { removePersonalHeaders } from '../http/response-headers.js'
import { EMPTY } from '../lib/bytes.js'
import { ClientWriter } from '../relay/client-writer.js'
import { sendError } from '../relay/local-response.js'
import type { RelayContext } from '../relay/relay-context.js'
import type { CutReason, FilteredHead, ResponseFeed } from '../relay/response-sink.js'
import type { ResponseSource } from './cached-response.js'

/**
 * A client that gets a response from memory: at once all that has arrived, and the rest as it arrives. It reads at its
 * own pace, and no other client waits for it.
 */
export class Subscriber implements ResponseFeed {
  readonly exchange: Exchange
  readonly writer: ClientWriter
  /** Index of the next chunk to write. */
  next: number
  readonly source: ResponseSource
  private readonly context: RelayContext

  /** @param stallMs `timeouts.clientStallMs` */
  constructor(exchange: Exchange, source: ResponseSource, context: RelayContext, stallMs: number) {
    this.exchange = exchange
    this.writer = new ClientWriter(exchange, this, context, stallMs)
    this.next = 0
    this.source = source
    this.context = context
    exchange.stage = this.writer
    exchange.setSharedUsage(source.sharedUsage)
  }

  /** @throws if the head cannot be sent; the client has got nothing then */
  begin(head: FilteredHead): void {
    const { source, exchange } = this
    const headers = [...head.headers]
    // Whoever did not make the response gets no cookies, ids and limits of whoever did.
    if (exchange.outcome.cache !== 'miss') removePersonalHeaders(headers)
    if (source.age !== null) headers.push('age', String(source.age))
    else if (source.isComplete) this.setLength(headers)
    this.writer.begin({ ...head, headers })
    exchange.setUpstream(source.upstream)
  }

  /** Writes what has arrived and was not written. */
  pump(): void {
    const { writer, source } = this
    while (writer.isOpen && !writer.isBlocked && this.next < source.chunkCount) {
      writer.countChunk()
      writer.write(source.chunk(this.next++))
    }
    if (source.isComplete && this.next === source.chunkCount) writer.end()
  }

  cut(end: CutReason | 'client_stalled', cause: string): void {
    this.writer.cut(end, cause, EMPTY)
  }

  fail(code: ErrorCode, cause: string): void {
    this.writer.fail(code, cause)
  }

  /** Ends the response because a newer request of the same session has arrived. */
  supersede(): void {
    const { exchange, writer } = this
    if (!writer.isOpen) return
    exchange.conclude('superseded')
    // Before the status changes to that of the error: the prompt sample is taken for upstream statuses alone.
    exchange.body?.release()
    const began = writer.withdraw()
    this.source.unsubscribe(this)
    if (!began) sendError(exchange, 'superseded', this.context.draining)
  }

  hasSentEnd(): boolean {
    return this.next === this.source.chunkCount && this.source.hasEndMark()
  }

  onDrain(): void {
    this.pump()
    this.source.onTaken()
  }

  onClientGone(): void {
    this.source.unsubscribe(this)
  }

  onTick(now: number): void {
    this.source.onTick(now)
  }

  /** A response that is complete needs no chunked framing. */
  private setLength(headers: string[]): void {
    removeHeader(headers, 'content-length')
    let bytes = 0
    for (let i = 0; i < this.source.chunkCount; i++) bytes += this.source.chunk(i).length
    headers.push('content-length', String(bytes))
  }
}
