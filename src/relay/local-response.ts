import { STATUS_CODES } from 'node:http'
import { buildErrorHeaders, formatErrorBody, NO_DETAILS, type RefusalDetails } from '../api/error-response.js'
import { ERRORS, type ErrorCode } from '../api/errors.js'
import type { Exchange } from '../exchange/exchange.js'
import { formatServerTiming } from '../exchange/timing.js'
import { buildPreflightHeaders } from '../http/cors.js'
import { readContentLength } from '../http/request-headers.js'
import { adviseOnTls } from '../lib/tls-advice.js'
import { discardInput } from './discard-input.js'
import type { RelayContext } from './relay-context.js'
import { destroyResponse } from './reset.js'

/** Milliseconds that the rest of a refused request's body is read, so that the client can read the response. */
const LINGER_MS = 10_000

/**
 * Small pieces of such a body that are parsed. Whoever sends more is read on, at far less cost, but its end is not
 * seen. It is not paused: honest clients send all of a body before they read the response.
 */
const MOST_SMALL_PIECES = 512
const SMALL_PIECE = 4 * 1024

/** Bytes up to which Node reads an unread body to its end and keeps the connection. */
const SMALL_BODY = 64 * 1024

/**
 * Sends a JSON response of the relay itself.
 * @param isLast close the connection after it: the relay is shutting down
 */
export function sendJson(exchange: Exchange, status: number, value: unknown, isLast: boolean): void {
  const body = `${JSON.stringify(value)}\n`
  send(exchange, status, body, isLast, [
    'content-type',
    'application/json; charset=utf-8',
    'content-length',
    String(Buffer.byteLength(body)),
    'cache-control',
    'no-store',
    'x-request-id',
    exchange.request.requestId,
    'access-control-allow-origin',
    '*',
  ])
}

/** Answers a CORS preflight. @param isLast close the connection after it */
export function sendPreflight(exchange: Exchange, isLast: boolean): void {
  const { request, req } = exchange
  send(exchange, 204, '', isLast, buildPreflightHeaders(req.rawHeaders, request.requestId))
}

/** Sends an error response of the relay itself, in the format of the client's API. */
export function sendError(
  exchange: Exchange,
  code: ErrorCode,
  isLast: boolean,
  details: RefusalDetails = NO_DETAILS,
): void {
  exchange.setError(code)
  const { errorFormat, requestId } = exchange.request
  const body = formatErrorBody(code, errorFormat, requestId, details)
  const headers = buildErrorHeaders(code, errorFormat, requestId, Buffer.byteLength(body), details)
  send(exchange, ERRORS[code].status, body, isLast, headers)
}

/**
 * Sends the error response of an exchange that got no upstream response.
 * @param cause for the log and, in the message, for the client: never a secret
 */
export function sendUpstreamError(
  exchange: Exchange,
  code: ErrorCode,
  cause: string,
  context: RelayContext,
): void {
  if (code === 'upstream_timeout') context.bounds.hit('firstByteMs')
  // A request that cannot be written as HTTP: the client must change it, and no upstream has failed.
  const refused = code === 'invalid_request'
  exchange.conclude(refused ? 'refused' : 'upstream_failed', cause)
  sendError(
    exchange,
    code,
    context.draining,
    refused ? NO_DETAILS : { message: `${ERRORS[code].message} (${adviseOnTls(cause)})` },
  )
}

function send(exchange: Exchange, status: number, body: string, isLast: boolean, headers: string[]): void {
  const { req, res } = exchange
  if (res.headersSent || res.destroyed) {
    destroyResponse(res)
    return
  }
  const bytes = exchange.request.method === 'HEAD' ? '' : body
  exchange.startLocalResponse(status, Buffer.byteLength(bytes))
  const length = req.complete ? 0 : readContentLength(req.rawHeaders)
  const unread = length === -1 || length > SMALL_BODY
  // A client that is late with its body may still send it: it would be read as the next request.
  const isLate = exchange.outcome.errorCode === 'request_timeout'
  headers.push('server-timing', formatServerTiming(exchange.timeline, performance.now()))
  if (unread || isLate || isLast) headers.push('connection', 'close')
  // An explicit reason: a `writeHead` that failed before has left its own.
  res.writeHead(status, STATUS_CODES[status] ?? '', headers)
  if (!unread || isLate || exchange.awaitsContinue) {
    res.end(bytes)
    return
  }
  // Closing a socket with unread bytes resets it, and a reset drops the response that the client has not read yet. So
  // the response is sent first, and the rest of the body is read and dropped before the connection closes.
  if (bytes === '') res.flushHeaders()
  else res.write(bytes)
  const close = () => res.end()
  const timer = setTimeout(close, LINGER_MS).unref()
  req.once('close', () => clearTimeout(timer))
  req.once('end', close)
  let small = 0
  req.on('data', ({ length }: Buffer) => {
    if (length >= SMALL_PIECE) return
    small++
    if (small === MOST_SMALL_PIECES) discardInput(req.socket)
  })
}
