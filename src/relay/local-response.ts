import { STATUS_CODES } from 'node:http'
import { ERRORS, type ErrorCode, errorBody, errorHeaders } from '../api/errors.js'
import type { Exchange } from '../exchange/exchange.js'
import { serverTiming } from '../exchange/timing.js'
import { declaredLength } from '../http/headers.js'
import { resetSocket } from './reset.js'

/** A body that is still coming when its request was refused is read on for so long, that the answer can be read. */
const LINGER_MS = 10_000

/** Bodies up to this are left to Node, which reads them to the end and keeps the connection. */
const SMALL_BODY = 64 * 1024

/**
 * Answers an exchange with JSON of the relay's own.
 * @param last the connection is to close behind it: the relay is shutting down
 */
export function answerJson(x: Exchange, status: number, value: unknown, last: boolean): void {
  const body = `${JSON.stringify(value)}\n`
  answer(x, status, body, last, [
    'content-type',
    'application/json; charset=utf-8',
    'content-length',
    String(Buffer.byteLength(body)),
    'cache-control',
    'no-store',
    'x-request-id',
    x.requestId,
    'access-control-allow-origin',
    '*',
  ])
}

/**
 * Answers an exchange with an error of the relay's own, in the caller's format.
 * @param detail in place of the usual message; goes to the client
 */
export function answerError(x: Exchange, code: ErrorCode, last: boolean, detail?: string): void {
  x.errorCode = code
  const body = errorBody(code, x.dialect, x.requestId, detail)
  const headers = errorHeaders(code, x.dialect, x.requestId, Buffer.byteLength(body))
  answer(x, ERRORS[code].status, body, last, headers)
}

function answer(x: Exchange, status: number, body: string, last: boolean, headers: string[]): void {
  const { req, res } = x
  if (res.headersSent || res.destroyed) {
    // Where a body ends with its connection, a FIN would make the cut look like the end.
    if (req.httpVersionMinor === 0) resetSocket(res.socket)
    res.destroy()
    return
  }
  x.status = status
  x.stage = null
  const bytes = x.method === 'HEAD' ? '' : body
  x.bytesOut = Buffer.byteLength(bytes)
  const length = req.complete ? 0 : declaredLength(req.rawHeaders)
  const unread = length === -1 || length > SMALL_BODY
  // A client that did not send what it announced may send it any time: it would be read as its next request.
  const late = x.errorCode === 'request_timeout'
  headers.push('server-timing', serverTiming(x, performance.now()))
  if (unread || late || last) headers.push('connection', 'close')
  // The reason is given so that one left behind by an answer that could not be sent is not used.
  res.writeHead(status, STATUS_CODES[status] ?? '', headers)
  if (!unread || late || x.awaitsContinue) {
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
