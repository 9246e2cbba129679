import * as zlib from 'node:zlib'
import { decodeLatin1, findHeader, type RawHeaders } from '../http/flat-headers.js'
import { isEventStream } from '../http/media-type.js'
import { EMPTY } from '../lib/bytes.js'
import type { BodyRedactor, CredentialRedactor } from './credential-redactor.js'
import type { DispatchHandler, RawHeaderList } from './dispatch-handler.js'
import { filterRawSocket, takeRawSocket } from './raw-socket.js'

/** Bytes of a compressed error that are held, and of its text. */
const HELD_MAX = 1024 * 1024

/** Milliseconds that such an error may take: one that never ends must not keep another target from being asked. */
const HELD_MS = 1_000

const TOO_SLOW = new Error('the error did not end in time')

/** Takes the place of an error that cannot be read. */
const UNREADABLE = Buffer.from(
  '{"error":{"message":"The upstream refused the request. Its message was compressed in a way that this relay cannot read, so that it cannot be passed on.","type":"server_error","param":null,"code":null}}',
)

const ENCODING_HEADERS: ReadonlySet<string> = new Set([
  ...['content-encoding', 'content-length', 'content-md5', 'content-digest', 'repr-digest', 'digest', 'etag'],
])

/** An error whose body is compressed, until it is complete. */
interface HeldError {
  readonly status: number
  readonly raw: RawHeaderList
  readonly resume: () => void
  readonly reason: string
  readonly coding: string
  readonly timer: NodeJS.Timeout
  chunks: Buffer[] | null
  bytes: number
}

/** A handler that passes a redacted response to another handler. */
export class RedactedResponse implements DispatchHandler {
  private readonly handler: DispatchHandler
  private readonly redactor: CredentialRedactor
  private body: BodyRedactor | null
  private heldError: HeldError | null
  private abort: ((reason?: Error) => void) | null
  /** The error was not waited for: its handler has got all it gets. */
  private isOver: boolean

  constructor(handler: DispatchHandler, redactor: CredentialRedactor) {
    this.handler = handler
    this.redactor = redactor
    this.body = null
    this.heldError = null
    this.abort = null
    this.isOver = false
  }

  onConnect(abort: (reason?: Error) => void): void {
    this.abort = abort
    this.handler.onConnect(abort)
  }

  onHeaders(status: number, raw: RawHeaderList, resume: () => void, reason: string): boolean {
    const { redactor, handler } = this
    if (status < 200) return handler.onHeaders(status, raw, resume, reason)
    redactor.hideInHeaders(raw)
    const shown = status < 300 ? reason : redactor.hide(reason)
    const coding = readCoding(raw)
    if (coding !== null && status >= 300 && status !== 304) {
      takeRawSocket()
      const timer = setTimeout(giveUpWaiting, HELD_MS, this).unref()
      this.heldError = { status, raw, resume, reason: shown, coding, timer, chunks: [], bytes: 0 }
      return true
    }
    if (coding === null) this.readBody(status, raw)
    return handler.onHeaders(status, raw, resume, shown)
  }

  onData(chunk: Buffer): boolean {
    const { heldError } = this
    if (this.isOver) return true
    if (heldError !== null) {
      hold(heldError, chunk)
      return true
    }
    const redacted = this.body === null ? chunk : this.body.push(chunk)
    return redacted.length === 0 || this.handler.onData(redacted)
  }

  onComplete(trailers: string[] | null): void {
    const { heldError } = this
    if (this.isOver) return
    if (heldError !== null) this.releaseError(heldError)
    const rest = this.body?.end() ?? EMPTY
    if (rest.length > 0) this.handler.onData(rest)
    this.handler.onComplete(trailers)
  }

  onError(error: Error): void {
    clearTimeout(this.heldError?.timer)
    if (!this.isOver) this.handler.onError(error)
  }

  /** The error takes too long: the client gets its status. */
  giveUpWaiting(): void {
    const { heldError, abort } = this
    if (heldError === null || this.isOver) return
    heldError.chunks = null
    try {
      this.onComplete(null)
    } catch (error) {
      this.handler.onError(error as Error)
    }
    this.isOver = true
    abort?.(TOO_SLOW)
  }

  private readBody(status: number, raw: RawHeaders): void {
    const { redactor } = this
    if (status < 300 && isEventStream(findHeader(raw, 'content-type'))) {
      // Chunks pass at the socket; what the parser hands over comes through here.
      this.body = redactor.events()
      filterRawSocket(redactor.wire())
      return
    }
    this.body = status < 300 ? redactor.answer() : redactor.body()
    // The handler behind this one must not divert a body that has to be redacted.
    takeRawSocket()
  }

  /** The error is complete: it passes as it came if it contains no credential, and else without its compression. */
  private releaseError({ status, raw, resume, reason, coding, timer, chunks }: HeldError): void {
    const { handler, redactor } = this
    clearTimeout(timer)
    this.heldError = null
    const body = chunks === null ? null : Buffer.concat(chunks)
    const text = body === null || body.length === 0 ? body : decode(body, coding)
    const isClean = text !== null && body !== null && !redactor.isIn(text)
    handler.onHeaders(status, isClean ? raw : removeEncoding(raw), resume, reason)
    if (isClean) {
      if (body.length > 0) handler.onData(body)
      return
    }
    this.body = redactor.body()
    const redacted = this.body.push(text ?? UNREADABLE)
    if (redacted.length > 0) handler.onData(redacted)
  }
}

function giveUpWaiting(response: RedactedResponse): void {
  response.giveUpWaiting()
}

function hold(error: HeldError, chunk: Buffer): void {
  error.bytes += chunk.length
  if (error.bytes > HELD_MAX) error.chunks = null
  // A chunk is valid until the call returns.
  else error.chunks?.push(Buffer.from(chunk))
}

/** Null if the body is not compressed. */
function readCoding(raw: RawHeaders): string | null {
  const coding = (findHeader(raw, 'content-encoding') ?? '').trim().toLowerCase()
  return coding === '' || coding === 'identity' ? null : coding
}

function removeEncoding(raw: RawHeaders): RawHeaderList {
  const kept: RawHeaderList = []
  for (let i = 0; i + 1 < raw.length; i += 2) {
    const name = raw[i] as Buffer | string
    if (!ENCODING_HEADERS.has(decodeLatin1(name).toLowerCase()))
      kept.push(name, raw[i + 1] as Buffer | string)
  }
  return kept
}

const BOUND = { maxOutputLength: HELD_MAX }

/** Errors are short, so that decoding them at once costs less than a turn of the loop. @returns null if it is broken */
function decode(body: Buffer, coding: string): Buffer | null {
  try {
    switch (coding) {
      case 'gzip':
      case 'x-gzip':
        return zlib.gunzipSync(body, BOUND)
      case 'deflate':
        return zlib.inflateSync(body, BOUND)
      case 'br':
        return zlib.brotliDecompressSync(body, BOUND)
      default:
        return null
    }
  } catch {
    return null
  }
}
