import { STATUS_CODES } from 'node:http'
import { buildErrorHeaders, ERRORS, type ErrorCode, formatErrorBody } from '../api/errors.js'
import type { Exchange } from '../exchange/exchange.js'
import { formatServerTiming } from '../exchange/timing.js'
import { readContentLength } from '../http/request-headers.js'
import type { RelayContext } from './relay-context.js'
import { destroyResponse } from './reset.js'

/** A body that is still coming when its request was refused is read on for so long, that the answer can be read. */
const LINGER_MS = 10_000

/** Bodies up to this are left to Node, which reads them to the end and keeps the connection. */
const SMALL_BODY = 64 * 1024

/**
 * Answers an exchange with JSON of the relay's own.
 * @param last the connection is to close behind it: the relay is shutting down
 */
export function sendJson(exchange: Exchange, status: number, value: unknown, last: boolean): void {
  const body = `${JSON.stringify(value)}\n`
  answer(exchange, status, body, last, [
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

/**
 * Answers an exchange with an error of the relay's own, in the caller's format.
 * @param detail in place of the usual message; goes to the client
 */
export function sendError(exchange: Exchange, code: ErrorCode, last: boolean, detail?: string): void {
  exchange.setError(code)
  const body = formatErrorBody(code, exchange.request.errorFormat, exchange.request.requestId, detail)
  const headers = buildErrorHeaders(
    code,
    exchange.request.errorFormat,
    exchange.request.requestId,
    Buffer.byteLength(body),
  )
  answer(exchange, ERRORS[code].status, body, last, headers)
}

/**
 * Answers an exchange for which no upstream has answered.
 * @param cause goes to the log and, in the message, to the client: never a secret
 */
export function sendUpstreamError(
  exchange: Exchange,
  code: ErrorCode,
  cause: string,
  context: RelayContext,
): void {
  if (code === 'upstream_timeout') context.bounds.hit('firstByteMs')
  // undici refuses some requests: then the client has to change something, and no upstream has failed.
  const refused = code === 'invalid_request'
  exchange.conclude(refused ? 'refused' : 'upstream_failed', cause)
  sendError(exchange, code, context.draining, refused ? undefined : `${ERRORS[code].message} (${cause})`)
}

function answer(exchange: Exchange, status: number, body: string, last: boolean, headers: string[]): void {
  const { req, res } = exchange
  if (res.headersSent || res.destroyed) {
    destroyResponse(res)
    return
  }
  const bytes = exchange.request.method === 'HEAD' ? '' : body
  exchange.startLocalResponse(status, Buffer.byteLength(bytes))
  const length = req.complete ? 0 : readContentLength(req.rawHeaders)
  const unread = length === -1 || length > SMALL_BODY
  // A client that did not send what it announced may send it any time: it would be read as its next request.
  const late = exchange.outcome.errorCode === 'request_timeout'
  headers.push('server-timing', formatServerTiming(exchange.timeline, performance.now()))
  if (unread || late || last) headers.push('connection', 'close')
  // The reason is given so that one left behind by an answer that could not be sent is not used.
  res.writeHead(status, STATUS_CODES[status] ?? '', headers)
  if (!unread || late || exchange.awaitsContinue) {
    res.end(bytes)
    return
  }
  // Closing a socket with unread bytes resets it, and a reset throws away what the client has not read yet: the
  // very answer. So it is all sent, and the rest of the body is read and dropped before the connection closes.
  res.write(bytes)
  const close = () => res.end()
  const timer = setTimeout(close, LINGER_MS).unref()
  req.once('close', () => clearTimeout(timer))
  req.once('end', close)
  req.resume()
}
