import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { Exchange } from '../exchange/exchange.js'
import type { InFlight } from '../exchange/in-flight.js'
import { ignore } from '../lib/ignore.js'

/** Calls `onClose` when the socket of a pipelined exchange closes: its response has no socket yet. */
function watchQueuedResponse(exchange: Exchange, onClose: () => void): void {
  const { socket } = exchange.req
  // Any number of requests may be queued.
  socket.setMaxListeners(0)
  socket.once('close', onClose)
  // The connection may outlive thousands of requests.
  exchange.res.once('close', () => socket.removeListener('close', onClose))
}

/** Creates the last response on a socket that Node has handed over. */
export function createLastResponse(req: IncomingMessage, socket: Socket): ServerResponse {
  const res = new ServerResponse(req)
  res.shouldKeepAlive = false
  // Node may have set its keep-alive limit, if there was a request before.
  socket.setTimeout(0)
  socket.on('error', ignore)
  res.assignSocket(socket)
  res.once('finish', () => socket.destroySoon())
  return res
}

/** Finds the open response of a connection. Node keeps it in this private member, and has no public one. */
export function messageOf(socket: Socket): ServerResponse | undefined {
  return (socket as { _httpMessage?: ServerResponse | null })._httpMessage ?? undefined
}

/** Opens the exchange of a request. @param onClose called when its response is over, or its client has left */
export function openExchange(
  req: IncomingMessage,
  res: ServerResponse,
  inFlight: InFlight,
  onClose: (exchange: Exchange) => void,
): Exchange {
  const exchange = new Exchange(req, res, performance.now())
  inFlight.add(exchange)
  // Not `once`, which wraps the listener and removes it again: a second call does nothing.
  res.on('close', () => onClose(exchange))
  // A write to a closing socket raises 'error'. 'close' follows, and handles it.
  res.on('error', ignore)
  if (res.socket === null) watchQueuedResponse(exchange, () => onClose(exchange))
  return exchange
}
