import type { IncomingMessage, RequestOptions } from 'node:http'
import { Agent as HttpAgent, request as requestPlain } from 'node:http'
import { Agent as HttpsAgent, request as requestSecure } from 'node:https'
import type { Transform } from 'node:stream'
import { constants, createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import { findHeader as findRawHeader } from '../http/flat-headers.js'

/** One request of the doctor. */
export interface HttpRequest {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer | null
  /** Longest time from the start to the end of the response, in milliseconds. */
  readonly timeoutMs: number
  /** Certificates of the trusted authorities, PEM; null to accept every certificate. */
  readonly roots: readonly string[] | null
  /** Ends the request before its time: it fails as if it were late. */
  readonly signal?: AbortSignal
  /** The address of this machine to send it from. */
  readonly localAddress?: string
}

/** Bytes of a body, and their arrival in milliseconds from the start of the request. */
export interface BodyChunk {
  readonly atMs: number
  readonly bytes: Buffer
}

/** A response, complete or not. */
export interface HttpResponse {
  readonly status: number
  /** HTTP version: `1.0` or `1.1`. */
  readonly version: string
  /** Name, value, name, value. */
  readonly headers: readonly string[]
  /** The body as it arrived, decompressed. */
  readonly chunks: readonly BodyChunk[]
  /** Arrival of the head: milliseconds from the start of the request, and by this machine's clock. */
  readonly headMs: number
  readonly headAt: number
  readonly totalMs: number
  /** `cut`: the connection was closed within the body. `late`: the timeout came within the body. */
  readonly end: 'whole' | 'cut' | 'late'
}

/** Why there was no response. */
export interface RequestFailure {
  readonly reason: string
  /** The timeout came. */
  readonly late: boolean
}

/** Largest body that is read. */
const BODY_MAX_BYTES = 16 * 1024 * 1024

/** The `accept-encoding` of clients that use `fetch`. */
const CODINGS = 'gzip, deflate, br'

/**
 * Sends a request on a connection of its own, with keep-alive as clients do. Never rejects and follows no redirect. A
 * response that comes before the end of the request body counts, too.
 */
export function send(request: HttpRequest): Promise<HttpResponse | RequestFailure> {
  return new Promise((resolve) => {
    const secure = request.url.protocol === 'https:'
    const agent = secure ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true })
    const options: RequestOptions & { ca?: string[]; rejectUnauthorized: boolean } = {
      method: request.method,
      agent,
      headers: {
        'accept-encoding': CODINGS,
        ...request.headers,
        ...(request.body === null ? {} : { 'content-length': request.body.length }),
      },
      rejectUnauthorized: request.roots !== null,
      ...(request.roots === null ? {} : { ca: [...request.roots] }),
      ...(request.localAddress === undefined ? {} : { localAddress: request.localAddress }),
    }
    const startedAt = performance.now()
    const req = secure ? requestSecure(request.url, options) : requestPlain(request.url, options)
    let reader: ResponseReader | null = null
    const finish = (outcome: HttpResponse | RequestFailure): void => {
      clearTimeout(timer)
      request.signal?.removeEventListener('abort', giveUp)
      req.destroy()
      agent.destroy()
      resolve(outcome)
    }
    const giveUp = (): void => {
      const ms = Math.min(performance.now() - startedAt, request.timeoutMs)
      if (reader === null) finish({ reason: `no response in ${formatSeconds(ms)}`, late: true })
      else reader.end('late')
    }
    const timer = setTimeout(giveUp, request.timeoutMs)
    request.signal?.addEventListener('abort', giveUp)
    req.on('response', (res) => {
      reader = new ResponseReader(res, startedAt, finish)
    })
    // After a response an error means only that the rest of the request was not read.
    req.on('error', (error: NodeJS.ErrnoException) => {
      if (reader === null) finish({ reason: describeError(error), late: false })
    })
    req.end(request.body ?? undefined)
  })
}

/**
 * Collects a response with the time of each chunk. It is decompressed as it arrives, so that the times are those of
 * the text.
 */
class ResponseReader {
  private readonly res: IncomingMessage
  private readonly startedAt: number
  private readonly finish: (response: HttpResponse) => void
  private readonly headMs: number
  private readonly headAt: number
  private readonly chunks: BodyChunk[] = []
  private bytes = 0
  private over = false

  constructor(res: IncomingMessage, startedAt: number, finish: (response: HttpResponse) => void) {
    this.res = res
    this.startedAt = startedAt
    this.finish = finish
    this.headMs = performance.now() - startedAt
    this.headAt = Date.now()
    const decoder = createDecoder(findRawHeader(res.rawHeaders, 'content-encoding'))
    const body = decoder === null ? res : res.pipe(decoder)
    body.on('data', (bytes: Buffer) => this.take(bytes))
    body.on('end', () => this.end('whole'))
    decoder?.on('error', () => this.end('cut'))
    // Node emits these when a connection is closed within a body; then there is no `end`.
    res.on('error', () => this.end('cut'))
    res.on('aborted', () => this.end('cut'))
    if (decoder !== null) res.on('close', () => decoder.end())
  }

  end(end: HttpResponse['end']): void {
    if (this.over) return
    this.over = true
    this.finish({
      status: this.res.statusCode ?? 0,
      version: this.res.httpVersion,
      headers: this.res.rawHeaders,
      chunks: this.chunks,
      headMs: this.headMs,
      headAt: this.headAt,
      totalMs: performance.now() - this.startedAt,
      end,
    })
  }

  private take(bytes: Buffer): void {
    if (this.over) return
    this.chunks.push({ atMs: performance.now() - this.startedAt, bytes })
    this.bytes += bytes.length
    if (this.bytes > BODY_MAX_BYTES) this.end('late')
  }
}

/** A decompressor that passes on each byte at once and accepts a body without its trailer. */
function createDecoder(coding: string | undefined): Transform | null {
  const flush = { flush: constants.Z_SYNC_FLUSH, finishFlush: constants.Z_SYNC_FLUSH }
  switch (coding?.trim().toLowerCase()) {
    case 'gzip':
    case 'x-gzip':
      return createGunzip(flush)
    case 'deflate':
      return createInflate(flush)
    case 'br': {
      const operation = constants.BROTLI_OPERATION_FLUSH
      return createBrotliDecompress({ flush: operation, finishFlush: operation })
    }
    default:
      return null
  }
}

/** Whether a request got a response. */
export function isResponse(outcome: HttpResponse | RequestFailure): outcome is HttpResponse {
  return 'status' in outcome
}

/** The first value of a header. @param lower its name in lower case */
export function findHeader(response: HttpResponse, lower: string): string | undefined {
  return findRawHeader(response.headers, lower)
}

/** All values of a header. @param lower its name in lower case */
export function findHeaders(response: HttpResponse, lower: string): string[] {
  return response.headers.filter((_, i) => i % 2 === 1 && response.headers[i - 1]?.toLowerCase() === lower)
}

/** The body as text. */
export function decodeBody(response: HttpResponse): string {
  return Buffer.concat(response.chunks.map(({ bytes }) => bytes)).toString()
}

/** Formats milliseconds for people: `120 ms`, `1.2 s`, `12 s`. */
export function formatSeconds(ms: number): string {
  return ms < 999.5 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 9_950 ? 1 : 0)} s`
}

/** The code of an error, or else its message. An `AggregateError` (a failure at several addresses) has no message. */
export function describeError(error: NodeJS.ErrnoException): string {
  return error.code ?? (error.message || error.name)
}
