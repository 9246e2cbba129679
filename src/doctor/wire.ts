import type { IncomingMessage, RequestOptions } from 'node:http'
import { Agent as HttpAgent, request as requestPlain } from 'node:http'
import { Agent as HttpsAgent, request as requestSecure } from 'node:https'
import type { Transform } from 'node:stream'
import { constants, createBrotliDecompress, createGunzip, createInflate } from 'node:zlib'
import {
  type FlatHeaders,
  findHeader as findRawHeader,
  findHeaders as findRawHeaders,
} from '../http/flat-headers.js'

/** One request of the doctor's. */
export interface Ask {
  readonly method: string
  readonly url: URL
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer | null
  /** From the start to the end of the answer, in milliseconds. */
  readonly boundMs: number
  /** Certificates of the authorities that are trusted, PEM; null to look at no certificate. */
  readonly roots: readonly string[] | null
}

/** Bytes of a body, and when they came, in milliseconds from the request's start. */
export interface Piece {
  readonly atMs: number
  readonly bytes: Buffer
}

export interface Answer {
  readonly status: number
  /** Of HTTP: `1.0` or `1.1`. */
  readonly version: string
  /** Name, value, name, value. */
  readonly headers: FlatHeaders
  /** The body as it came, decompressed. */
  readonly pieces: readonly Piece[]
  /** When the head came, in milliseconds from the request's start, and by this machine's clock. */
  readonly headMs: number
  readonly headAt: number
  readonly totalMs: number
  /** `cut`: the connection was closed within the body. `late`: the time was up within it. */
  readonly end: 'whole' | 'cut' | 'late'
}

/** There was no answer. */
export interface Trouble {
  readonly trouble: string
  /** The time was up. */
  readonly late: boolean
}

/** Of a body; whatever sends more is not read on. */
const MOST_BYTES = 16 * 1024 * 1024

/** What clients that run on `fetch` say. */
const CODINGS = 'gzip, deflate, br'

/**
 * Sends a request on a connection of its own, as clients do: with keep-alive, though there is no second request. Never
 * rejects, and follows no redirect. An answer that comes before the request's body has gone counts.
 */
export function send(ask: Ask): Promise<Answer | Trouble> {
  return new Promise((resolve) => {
    const secure = ask.url.protocol === 'https:'
    const agent = secure ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true })
    const options: RequestOptions & { ca?: string[]; rejectUnauthorized: boolean } = {
      method: ask.method,
      agent,
      headers: {
        'accept-encoding': CODINGS,
        ...ask.headers,
        ...(ask.body === null ? {} : { 'content-length': ask.body.length }),
      },
      rejectUnauthorized: ask.roots !== null,
      ...(ask.roots === null ? {} : { ca: [...ask.roots] }),
    }
    const startedAt = performance.now()
    const req = secure ? requestSecure(ask.url, options) : requestPlain(ask.url, options)
    let reader: AnswerReader | null = null
    const finish = (outcome: Answer | Trouble): void => {
      clearTimeout(timer)
      req.destroy()
      agent.destroy()
      resolve(outcome)
    }
    const timer = setTimeout(() => {
      if (reader === null) finish({ trouble: `no answer in ${formatSeconds(ask.boundMs)}`, late: true })
      else reader.end('late')
    }, ask.boundMs)
    req.on('response', (res) => {
      reader = new AnswerReader(res, startedAt, finish)
    })
    // Behind an answer it tells no more than that the rest of the request was not wanted.
    req.on('error', (error: NodeJS.ErrnoException) => {
      if (reader === null) finish({ trouble: describeTrouble(error), late: false })
    })
    req.end(ask.body ?? undefined)
  })
}

/** Takes an answer apart into pieces and times; decompressed as it comes, so that the times are those of the text. */
class AnswerReader {
  private readonly res: IncomingMessage
  private readonly startedAt: number
  private readonly finish: (answer: Answer) => void
  private readonly headMs: number
  private readonly headAt: number
  private readonly pieces: Piece[] = []
  private bytes = 0
  private over = false

  constructor(res: IncomingMessage, startedAt: number, finish: (answer: Answer) => void) {
    this.res = res
    this.startedAt = startedAt
    this.finish = finish
    this.headMs = performance.now() - startedAt
    this.headAt = Date.now()
    const decoder = decoderFor(findRawHeader(res.rawHeaders, 'content-encoding'))
    const body = decoder === null ? res : res.pipe(decoder)
    body.on('data', (bytes: Buffer) => this.take(bytes))
    body.on('end', () => this.end('whole'))
    decoder?.on('error', () => this.end('cut'))
    // Node's words for a connection that is closed within a body; `end` does not come then.
    res.on('error', () => this.end('cut'))
    res.on('aborted', () => this.end('cut'))
    if (decoder !== null) res.on('close', () => decoder.end())
  }

  end(end: Answer['end']): void {
    if (this.over) return
    this.over = true
    this.finish({
      status: this.res.statusCode ?? 0,
      version: this.res.httpVersion,
      headers: this.res.rawHeaders,
      pieces: this.pieces,
      headMs: this.headMs,
      headAt: this.headAt,
      totalMs: performance.now() - this.startedAt,
      end,
    })
  }

  private take(bytes: Buffer): void {
    if (this.over) return
    this.pieces.push({ atMs: performance.now() - this.startedAt, bytes })
    this.bytes += bytes.length
    if (this.bytes > MOST_BYTES) this.end('late')
  }
}

/** Each gives what it has as soon as it has it, and does not mind a body that ends without its trailer. */
function decoderFor(coding: string | undefined): Transform | null {
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

export function isAnswer(outcome: Answer | Trouble): outcome is Answer {
  return 'status' in outcome
}

export function findHeader(answer: Answer, lower: string): string | undefined {
  return findRawHeader(answer.headers, lower)
}

/** All values of a header that should stand there once. */
export function findHeaders(answer: Answer, lower: string): readonly string[] {
  return findRawHeaders(answer.headers, lower)
}

export function decodeBody(answer: Answer): string {
  return Buffer.concat(answer.pieces.map(({ bytes }) => bytes)).toString()
}

/** Milliseconds as a person reads them. */
export function formatSeconds(ms: number): string {
  return ms < 999.5 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 9_950 ? 1 : 0)} s`
}

/** What went wrong in a word; a failure at several addresses at once (`AggregateError`) has no message of its own. */
export function describeTrouble(error: NodeJS.ErrnoException): string {
  return error.code ?? (error.message || error.name)
}
