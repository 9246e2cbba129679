import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { KeyRecord } from '../access/keyring.js'
import type { BodyApi } from '../api/apis.js'
import { type ErrorFormat, errorFormatOf } from '../api/error-format.js'
import type { ErrorCode } from '../api/errors.js'
import type { RequestTarget } from '../api/request-target.js'
import { findHeader } from '../http/headers.js'
import type { Meter } from '../metering/meter.js'
import type { PromptSample } from '../metering/prompt-sample.js'
import type { RequestBody } from '../relay/request-body.js'
import { type CacheOutcome, type End, PHASES, type Phase } from './outcome.js'
import type { Stage } from './stage.js'
import type { TokenUsage } from './token-usage.js'

const BOOT = randomBytes(4).toString('hex')
let count = 0

/** The record of one request, from its head to the settling of its account. */
export class Exchange {
  /** Unique over restarts; short, as people read it out to each other. */
  readonly id: string
  readonly req: IncomingMessage
  readonly res: ServerResponse
  /** Epoch milliseconds, for people; durations are taken from `startedAt`. */
  readonly receivedAt: number
  /** `performance.now()`, as all times below. */
  readonly startedAt: number
  phase: Phase
  /** What works for it now. */
  stage: Stage | null
  method: string
  path: string
  query: string
  /** It came by Cursor's own route. */
  cursor: boolean
  /** Of such a body: whose API it is written for; null before that is known. */
  bodyApi: BodyApi | null
  /** The model, if it stands in the path. */
  deployment: string | null
  errorFormat: ErrorFormat
  /** What the client called its request, or our id: `x-request-id` of the answer, unless the upstream has one. */
  requestId: string
  key: KeyRecord | null
  model: string | null
  stream: boolean | null
  upstream: string | null
  upstreamRequestId: string | null
  status: number
  end: End | null
  errorCode: ErrorCode | null
  /** For the log alone: what exactly went wrong. Never holds a secret or a piece of a prompt. */
  cause: string | null
  bytesIn: number
  bytesOut: number
  pieces: number
  /** Longest time between two of them, in milliseconds. */
  longestGap: number
  private pieceAt: number
  /** Bytes of its request body that are counted against `limits.bufferedBytes`, until it is settled. */
  heldBytes: number
  /** Null if the request has none. */
  body: RequestBody | null
  /** What is kept of a prompt that has been sent to an upstream, when the rest of it is let go. */
  prompt: PromptSample | null
  /** Null if it is not one of those whose answers are kept. */
  cache: CacheOutcome | null
  /** What it is answered from; null if that is an upstream of its own. */
  sharedUsage: { readonly usage: TokenUsage | null } | null
  /** The client sends its body only once it is told to (`Expect: 100-continue`), and has not been. */
  awaitsContinue: boolean
  /** Its body was begun to be read; 0 if it has none. */
  readAt: number
  /** Milliseconds until that was whole; -1 before. */
  readMs: number
  /** The request was handed to the first upstream's pool. */
  attemptAt: number
  /** And to that of the one that answered; 0 if none has. */
  askedAt: number
  /** Upstreams that were asked; one may have been twice. */
  attempts: number
  /** Which of them did not answer, or not well, and why: `azure 429, groq ECONNREFUSED`. */
  failures: string | null
  /** The upstream has a connection for it, and may have read some of it. */
  connected: boolean
  /** The first byte of the upstream's answer; 0 if there was none. */
  answeredAt: number
  /** Milliseconds in which the head of the answer was handed on. */
  headMs: number
  /** What looks at the answer as it passes; null if nothing does. */
  meter: Meter | null
  settled: boolean
  /** Where it stands among those that are live; -1 when it is not. */
  place: number

  constructor(req: IncomingMessage, res: ServerResponse, now: number) {
    count++
    this.id = `tw-${BOOT}-${count.toString(36)}`
    this.req = req
    this.res = res
    this.receivedAt = Date.now()
    this.startedAt = now
    this.phase = 'admit'
    this.stage = null
    this.method = req.method ?? 'GET'
    this.path = '/'
    this.query = ''
    this.cursor = false
    this.bodyApi = null
    this.deployment = null
    this.errorFormat = 'openai'
    this.requestId = clientRequestId(req.rawHeaders) ?? this.id
    this.key = null
    this.model = null
    this.stream = null
    this.upstream = null
    this.upstreamRequestId = null
    this.status = 0
    this.end = null
    this.errorCode = null
    this.cause = null
    this.bytesIn = 0
    this.bytesOut = 0
    this.pieces = 0
    this.longestGap = 0
    this.pieceAt = 0
    this.heldBytes = 0
    this.body = null
    this.prompt = null
    this.cache = null
    this.sharedUsage = null
    this.awaitsContinue = false
    this.readAt = 0
    this.readMs = -1
    this.attemptAt = 0
    this.askedAt = 0
    this.attempts = 0
    this.failures = null
    this.connected = false
    this.answeredAt = 0
    this.headMs = 0
    this.meter = null
    this.settled = false
    this.place = -1
  }

  setTarget({ path, query, cursor, deployment }: RequestTarget): void {
    this.path = path
    this.query = query
    this.cursor = cursor
    this.deployment = deployment
    this.model = deployment
    this.errorFormat = errorFormatOf(path)
  }

  /** A piece of the answer has come. */
  countPiece(): void {
    const now = performance.now()
    if (this.pieces > 0) this.longestGap = Math.max(this.longestGap, now - this.pieceAt)
    this.pieces++
    this.pieceAt = now
  }

  /** Phases only go forward: a request that is planned again while it is attempted stays where it is. */
  enter(phase: Phase): void {
    if (PHASES.indexOf(phase) > PHASES.indexOf(this.phase)) this.phase = phase
  }

  /** The request goes to the first target. @param now `performance.now()` */
  startAttempt(now: number): void {
    this.enter('attempt')
    this.attemptAt = now
    this.connected = false
  }

  /** The response has begun. @param now `performance.now()` */
  startResponse(status: number, upstreamRequestId: string | null, now: number): void {
    this.phase = 'respond'
    this.status = status
    this.answeredAt = now
    this.upstreamRequestId = upstreamRequestId
  }

  /** The head of the response has been handed to the client's socket. @param now `performance.now()` */
  markHeadSent(now: number): void {
    this.headMs = now - this.answeredAt
  }

  /**
   * Records the end reason. The first call wins: what follows (a closed socket, an abort) is its consequence.
   * @param cause for the log alone: never a secret or a piece of a prompt
   */
  conclude(end: End, cause: string | null = null, code: ErrorCode | null = null): void {
    if (this.end !== null) return
    this.end = end
    this.cause ??= cause
    this.errorCode ??= code
  }
}

/** The client's own `x-request-id`, if it is one that can be put in a header and a log line as it is. */
function clientRequestId(rawHeaders: readonly string[]): string | undefined {
  const id = findHeader(rawHeaders, 'x-request-id')
  return id !== undefined && /^[\x21-\x7e]{1,128}$/.test(id) ? id : undefined
}
