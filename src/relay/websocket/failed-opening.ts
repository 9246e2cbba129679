import type { IncomingMessage } from 'node:http'
import { ERRORS, type ErrorCode } from '../../api/errors.js'
import type { Exchange } from '../../exchange/exchange.js'
import { asObject, parseJson } from '../../json/values.js'
import type { BoundCounters } from '../../lib/limit-counters.js'
import type { Upstream } from '../../upstream/upstream.js'
import type { ClientSocket } from './client-socket.js'
import { formatRefusalEvent } from './error-event.js'
import { readRefusal } from './refusal-body.js'
import type { ResponseStarter } from './response-starter.js'
import type { ResponseTracker } from './response-tracker.js'

/** Tells a client whose handshake the relay has accepted that no target has accepted it. */
export class FailedOpening {
  private readonly exchange: Exchange
  private readonly client: ClientSocket
  private readonly starter: ResponseStarter
  private readonly tracker: ResponseTracker
  /** What an upstream says to a handshake that it refuses, while it is read; null for nothing. */
  private refusal: IncomingMessage | null

  constructor(exchange: Exchange, client: ClientSocket, starter: ResponseStarter, tracker: ResponseTracker) {
    this.exchange = exchange
    this.client = client
    this.starter = starter
    this.tracker = tracker
    this.refusal = null
  }

  /** @param done is called with the reason of the close when the client has been told */
  refuse({ redactor }: Upstream, res: IncomingMessage, done: (reason: string) => void): void {
    const status = res.statusCode ?? 502
    this.refusal = res
    readRefusal(res, redactor, (body) => {
      if (this.refusal === null) return
      this.refusal = null
      const { client, starter, tracker, exchange } = this
      const event = formatRefusalEvent(status, body, client.style, starter.first?.lane ?? '')
      tracker.refuseOpen(status, asObject(asObject(parseJson(event)).error))
      client.sendText(event)
      exchange.conclude('upstream_failed', `status ${status}`)
      done(`upstream refused: ${status}`)
    })
  }

  fail(code: ErrorCode, cause: string, bounds: BoundCounters): void {
    if (code === 'upstream_timeout') bounds.hit('firstByteMs')
    this.exchange.conclude('upstream_failed', cause, code)
    this.client.sendError(code, this.starter.first, { message: `${ERRORS[code].message} (${cause})` })
  }

  /** The connection is over. */
  drop(): void {
    const { refusal } = this
    this.refusal = null
    refusal?.destroy()
  }
}
