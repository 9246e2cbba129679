import type { ErrorCode } from '../api/errors.js'
import type { ResponseFacts } from '../http/response-headers.js'
import type { Meter } from '../metering/meter.js'
import type { RawSocket } from '../upstream/raw-socket.js'

/** An upstream's response head, filtered for clients: without hop-by-hop headers, and adapted to a translated body. */
export interface FilteredHead {
  readonly status: number
  /** Latin-1, as Node writes it; empty if the upstream's reason cannot be sent. */
  readonly reason: string
  /** Name, value, name, value. */
  readonly headers: readonly string[]
  readonly facts: ResponseFacts
}

/** Why a response stops before its end. */
export type CutReason = 'upstream_cut' | 'upstream_idle'

/**
 * Where a response goes: to one client (`ClientWriter`) or to a shared response that any number of clients subscribe to
 * (`SharedResponse`). All calls are synchronous; a sink whose clients have left ignores them.
 */
export interface ResponseSink {
  /** The sink wants the rest of the response even if no client is left, because it may be cached. */
  readonly keepsResponse: boolean
  /** Some client still wants the response. */
  readonly hasClients: boolean
  /** The sink holds as much as it may. It calls `ResponsePipeline.resume` when it has room again. */
  readonly isBlocked: boolean
  /**
   * @param head the sink may keep it and add to its headers
   * @throws if the head cannot be sent; no client has got anything then
   */
  begin(head: FilteredHead & { readonly headers: string[] }): void
  /** Sends the head alone, if no body bytes have gone out. */
  flushHead(): void
  /** Lets the chunks of a chunked body pass from socket to socket, where the sink can do that. */
  passChunks(observer: ChunkObserver, rawSocket: RawSocket): void
  /** The upstream may send again: resumes the chunks that pass from socket to socket. */
  resumeChunks(): void
  /** A chunk has arrived from the upstream. */
  countChunk(): void
  /** @returns false if the upstream has to wait */
  write(chunk: Buffer): boolean
  /**
   * The response is complete.
   * @param meter the meter that has read it; null if it is not metered
   */
  end(meter: Meter | null): void
  /** The response was too long to be translated; `end` follows. */
  refuseTooLong(): void
  /**
   * Breaks the connection of every client, so that no client mistakes the part for a complete response.
   * @param tail bytes that may still be sent before the cut; often empty
   */
  cut(end: CutReason, cause: string, tail: Buffer): void
  /** There is no response. Nothing was sent to any client. */
  fail(code: ErrorCode, cause: string): void
  /** The rest of the response was cancelled because no client is left. */
  drop(): void
}

/** Follows a body that passes from socket to socket. */
export interface ChunkObserver {
  /** Data of the body has arrived and has left. */
  observe(data: Buffer): void
  /** Something was read from the upstream's socket: it is not idle. */
  countRead(): void
}

/** Where a client's response comes from. It is notified of events at the client's end. */
export interface ResponseFeed {
  /**
   * Whether the client had been sent the response's own end mark, such as `[DONE]`. Called when the client has left: if
   * so, it left because it had everything.
   */
  hasSentEnd(): boolean
  /** The client has room again after a write that returned false. */
  onDrain(): void
  /** The client has left, has stalled, or does not want the response any more. May be called again. */
  onClientGone(): void
  /** Called at every tick of the listener's clock. @param now `performance.now()` */
  onTick(now: number): void
}
