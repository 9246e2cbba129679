import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import type { UseFault } from '../../access/key-limits.js'
import type { ErrorCode } from '../../api/errors.js'
import type { Exchange } from '../../exchange/exchange.js'
import type { Stage } from '../../exchange/stage.js'
import { readErrorCode } from '../../lib/error-code.js'
import type { Target } from '../../routing/route.js'
import type { Upstream } from '../../upstream/upstream.js'
import { sendError, sendUpstreamError } from '../local-response.js'
import type { RelayContext } from '../relay-context.js'
import type { ClientEvent } from './client-event.js'
import { ClientGate, type Verdict } from './client-gate.js'
import { ClientSocket } from './client-socket.js'
import { Connector, hasNoWebSocket, type SocketRoute } from './connector.js'
import { FailedOpening } from './failed-opening.js'
import { CLOSE, CLOSE_CODES, encodeClose, encodeFrame, PING, PONG, TEXT } from './frames.js'
import { HeldMemory } from './held-memory.js'
import { MessageReader } from './message-reader.js'
import { RefusedHandshake } from './refused-handshake.js'
import { ResponseStarter } from './response-starter.js'
import { LATER, ResponseTracker } from './response-tracker.js'
import { SocketEnd } from './socket-end.js'
import { closeCodeOf, type EventRefusal, type SocketRules } from './socket-rules.js'

/** Bytes that a client may send before the upstream has accepted. */
const EARLY_BYTES = 64 * 1024

/**
 * `choosing`: the relay has accepted the handshake, and waits for the message that names the model. `opening`: a target
 * is asked. `open`: frames pass. `closing`: the relay has sent a close frame. `over`: nothing passes.
 */
type State = 'choosing' | 'opening' | 'open' | 'closing' | 'over'

/**
 * A WebSocket through the relay (RFC 6455). Bytes pass both ways unchanged; the events are read beside them, and each
 * response gets a record. Where the handshake names no model, the relay accepts it itself, and the first message
 * decides the route.
 */
export class SocketRelay implements Stage {
  private readonly exchange: Exchange
  private readonly socket: Socket
  private readonly context: RelayContext
  private readonly rules: SocketRules
  private readonly gate: ClientGate
  private readonly messages: MessageReader
  private readonly tracker: ResponseTracker
  private readonly starter: ResponseStarter
  private readonly client: ClientSocket
  private readonly memory: HeldMemory
  private readonly failed: FailedOpening
  private state: State
  /** The relay has accepted the handshake itself. */
  private hasAccepted: boolean
  private connector: Connector | null
  private target: Target<Upstream> | null
  private upstream: Socket | null
  /** What came before the upstream accepted a handshake that was forwarded. */
  private early: Buffer[]
  private readonly ending: SocketEnd
  /** `performance.now()`, of the client's last message. */
  private lastMessageAt: number

  constructor(exchange: Exchange, socket: Socket, head: Buffer, context: RelayContext, rules: SocketRules) {
    this.exchange = exchange
    this.socket = socket
    this.context = context
    this.rules = rules
    const isRealtime = /\/realtime(?:$|\/)/.test(exchange.request.path)
    this.gate = new ClientGate(this, rules.bodyBytes, false, isRealtime)
    this.tracker = new ResponseTracker(exchange, isRealtime, rules)
    this.ending = new SocketEnd(exchange, this.tracker)
    this.messages = new MessageReader(this.tracker, () => {
      this.ending.closedBy ??= 'upstream'
    })
    this.client = new ClientSocket(exchange, socket, this.messages.frames, isRealtime)
    this.starter = new ResponseStarter(exchange, context, rules, this.tracker)
    this.failed = new FailedOpening(exchange, this.client, this.starter, this.tracker)
    this.memory = new HeldMemory(exchange, context)
    this.state = 'opening'
    this.hasAccepted = false
    this.connector = null
    this.target = null
    this.upstream = null
    this.early = head.length > 0 ? [head] : []
    this.lastMessageAt = performance.now()
    exchange.stage = this
  }

  /** The handshake that has waited is refused. Reading continues, so that a client is noticed that leaves. */
  drop(): void {
    this.state = 'over'
    this.early = []
    this.socket.resume()
  }

  /** Accepts the handshake, and waits for the first message. See `ClientSocket.accept`. */
  accept(key: string, protocol: string | null): void {
    const { exchange } = this
    this.hasAccepted = true
    this.state = 'choosing'
    this.gate.isLocal = true
    exchange.acceptUpgrade(performance.now())
    this.client.accept(key, protocol)
    this.listen()
    for (const data of this.early.splice(0)) this.onClientData(data)
  }

  // The client's side

  /** Called once, before `connect`. */
  listen(): void {
    const { socket, exchange } = this
    // Read from the start: else the relay would not notice a client that leaves.
    socket.on('data', this.onClientData)
    // WebSockets are not half-closed: a FIN means that the client has left (RFC 6455, 7.1.1: the server closes first).
    socket.once('end', () => exchange.res.destroy())
    socket.on('drain', () => this.upstream?.resume())
  }

  private readonly onClientData = (data: Buffer): void => {
    const { state, socket } = this
    if (state === 'closing' || state === 'over') return
    if (state === 'opening' && !this.hasAccepted) {
      this.early.push(data)
      if (this.early.reduce((sum, { length }) => sum + length, 0) > EARLY_BYTES) socket.pause()
      return
    }
    this.exchange.countBytesIn(data.length)
    this.upstream?.cork()
    this.gate.push(data)
    this.upstream?.uncork()
    if (this.gate.waitingBytes > EARLY_BYTES) socket.pause()
  }

  onMessageStart(): void {
    this.lastMessageAt = performance.now()
  }

  onPass(bytes: Buffer): void {
    const { upstream, socket } = this
    if (upstream?.writable === true && !upstream.write(bytes)) socket.pause()
  }

  onReplaced(payload: Buffer): void {
    this.onPass(encodeFrame(TEXT, payload, randomBytes(4)))
  }

  onEvent(event: ClientEvent, bytes: number): Verdict {
    if (this.state === 'choosing') return this.onFirstEvent(event, bytes)
    const started = this.starter.start(event, bytes)
    if (started === LATER) return this.hold(event, bytes)
    if (started === null || Buffer.isBuffer(started)) return started ?? 'pass'
    this.client.sendError(started.code, event, started)
    this.closeWhenBarred()
    return 'drop'
  }

  /** The message that decides where the connection goes. */
  private onFirstEvent(event: ClientEvent, bytes: number): Verdict {
    const { exchange } = this
    exchange.endBody(performance.now())
    exchange.enter('plan')
    const route = this.starter.route(event, bytes)
    if (route === LATER) return this.hold(event, bytes)
    if ('ending' in route) {
      this.refuseConnection(route.ending, event)
      return 'drop'
    }
    if ('code' in route) {
      this.client.sendError(route.code, event, route)
      return 'drop'
    }
    this.connect(route)
    return 'wait'
  }

  /** Nothing passes until it is known what the event goes on from, and whether the limits let it pass. */
  private hold(event: ClientEvent, bytes: number): Verdict {
    void (this.tracker.awaited ?? this.starter.whenKnown()).then(() => {
      if (this.state === 'closing' || this.state === 'over') return
      const verdict = this.onEvent(event, bytes)
      if (verdict !== 'wait') this.gate.resume(verdict)
      this.socket.resume()
    })
    return 'wait'
  }

  onCloseFrame(): void {
    this.ending.closedBy ??= 'client'
  }

  onLocalControl(opcode: number, payload: Buffer): void {
    // A pong for the last ping is enough (RFC 6455, 5.5.3): those for a client that does not read are left out.
    if (opcode === PING && !this.client.isBlocked) this.client.write(encodeFrame(PONG, payload, null))
    if (opcode !== CLOSE) return
    this.ending.closedBy = 'client'
    this.exchange.conclude('done')
    this.end(encodeFrame(CLOSE, payload.subarray(0, 2), null))
  }

  onTooLong(): void {
    this.context.bounds.hit('bodyBytes')
    this.refuseConnection({ code: 'body_too_large' }, null)
  }

  onHold(bytes: number): boolean {
    const fits = this.memory.take(bytes)
    if (!fits) this.refuseConnection({ code: 'relay_busy' }, null)
    return fits
  }

  onRelease(bytes: number): void {
    this.memory.give(bytes)
  }

  onInvalid(): void {
    this.exchange.conclude('refused', null, 'invalid_request')
    this.close(CLOSE_CODES.protocolError, 'invalid frame')
  }

  /** @param event that is refused; null if it is not complete */
  private refuseConnection(refusal: EventRefusal, event: ClientEvent | null): void {
    this.exchange.conclude('refused', null, refusal.code)
    this.client.sendError(refusal.code, event, refusal)
    this.close(closeCodeOf(refusal.code), refusal.code)
  }

  // The upstream's side

  connect(route: SocketRoute): void {
    this.state = 'opening'
    this.connector = new Connector(this.exchange, route, this)
    this.connector.start()
  }

  onOpen(target: Target<Upstream>, res: IncomingMessage, upstream: Socket, head: Buffer): void {
    const { socket, hasAccepted } = this
    this.client.startResponse(res, target.upstream, hasAccepted)
    this.connector = null
    this.target = target
    this.upstream = upstream
    this.state = 'open'
    this.lastMessageAt = performance.now()
    this.tracker.setUpstream(target.upstream)
    upstream.on('error', (error) => this.onUpstreamOver(readErrorCode(error)))
    upstream.on('close', () => this.onUpstreamOver(null))
    upstream.on('drain', () => socket.resume())
    if (head.length > 0) this.onUpstreamData(head)
    const renamed = this.starter.setTarget(target)
    // What has waited may be thousands of frames: together they are one write.
    upstream.cork()
    this.gate.isLocal = false
    if (hasAccepted) this.gate.resume(renamed ?? 'pass')
    upstream.uncork()
    const early = this.early.splice(0)
    // Bytes that wait for the upstream are not bounded by the socket: it is asked again for the next ones.
    socket.resume()
    for (const data of early) this.onClientData(data)
    upstream.on('data', (data: Buffer) => this.onUpstreamData(data))
  }

  onRefused(target: Target<Upstream>, res: IncomingMessage): void {
    const { exchange } = this
    const { upstream } = target
    const status = res.statusCode ?? 502
    this.connector = null
    if (!this.hasAccepted) {
      this.drop()
      const refused = new RefusedHandshake(exchange, upstream, res)
      exchange.stage = refused
      refused.start()
      return
    }
    if (hasNoWebSocket(status)) this.rules.onNoWebSocket(upstream)
    this.failed.refuse(upstream, res, (reason) => this.close(CLOSE_CODES.internalError, reason))
  }

  onFailed(code: ErrorCode, cause: string): void {
    this.connector = null
    if (!this.hasAccepted) {
      this.state = 'over'
      sendUpstreamError(this.exchange, code, cause, this.context)
      return
    }
    this.failed.fail(code, cause, this.context.bounds)
    this.close(CLOSE_CODES.internalError, code)
  }

  private onUpstreamData(data: Buffer): void {
    if (this.state !== 'open') return
    this.exchange.countChunk()
    if (!this.client.write(data)) this.upstream?.pause()
    this.messages.push(data)
    this.client.flush()
    this.closeWhenBarred()
  }

  /** The upstream's connection is over: so is the client's, and what has come is written first. */
  private onUpstreamOver(cause: string | null): void {
    if (this.state !== 'open') return
    this.ending.conclude('upstream', cause)
    this.state = 'over'
    this.socket.destroySoon()
  }

  private stopOpening(): void {
    this.connector?.giveUp()
    this.connector = null
    this.failed.drop()
  }

  onClose(): void {
    this.ending.conclude('client', null)
    this.state = 'over'
    this.stopOpening()
    this.gate.end()
    this.tracker.close()
    this.upstream?.destroySoon()
  }

  onTick(now: number): void {
    const { state, client, target, rules, tracker, lastMessageAt } = this
    if (state === 'closing') client.expire(now)
    if (state === 'closing' || state === 'over') return
    this.starter.checkKey()
    this.closeWhenBarred()
    if (this.state !== state) return
    this.connector?.onTick(now)
    tracker.settle(now)
    // While the client does not read, the relay does not read what the upstream sends.
    if (client.isBlocked) {
      if (!client.isStalled(rules.clientStallMs, now)) return
      this.exchange.conclude('client_stalled')
      this.socket.destroy()
    } else if (target !== null && tracker.hasSilent(target.upstream.timeouts, now)) {
      this.exchange.conclude('upstream_idle', 'idleMs')
      this.close(CLOSE_CODES.internalError, 'upstream_idle')
    } else if (this.gate.isIncomplete && now - lastMessageAt > rules.requestMs) {
      this.context.bounds.hit('requestMs')
      this.refuseConnection({ code: 'request_timeout' }, null)
    } else if (this.isIdle && now - Math.max(lastMessageAt, tracker.lastMessageAt) > rules.quietMs) {
      this.context.bounds.hit('websocketQuietMs')
      this.exchange.conclude('done', 'websocketQuietMs')
      this.close(CLOSE_CODES.goingAway, 'no message for too long')
    }
  }

  /** The connection waits for a message, and no response is open. */
  private get isIdle(): boolean {
    return (this.state === 'open' || this.state === 'choosing') && this.tracker.openCount === 0
  }

  /** Closes the connection if no other response may begin: for its key at once, else when none is open. */
  private closeWhenBarred(): void {
    const { ending } = this.tracker
    const reason = this.starter.closingReason ?? (this.starter.isRetiring ? 'draining' : null)
    if (reason !== null && reason !== 'draining') this.endKey(reason)
    else if (ending !== null && this.client.isBetweenFrames) this.refuseConnection(ending, null)
    if (reason !== 'draining' || !this.isIdle) return
    this.exchange.conclude('done')
    this.close(closeCodeOf(reason), reason)
  }

  /** The key may not be used any more. */
  private endKey(fault: UseFault): void {
    const { exchange, client, state } = this
    if (state === 'opening' && !this.hasAccepted) {
      this.stopOpening()
      this.state = 'over'
      exchange.conclude('revoked', null, fault)
      sendError(exchange, fault, this.context.draining)
      return
    }
    if (this.ending.waitsForFrame(client.isBetweenFrames)) return
    client.sendError(fault, null)
    exchange.conclude(this.isIdle ? 'done' : 'revoked', null, fault)
    this.close(closeCodeOf(fault), fault)
  }

  /** Closes both sides, each with a close frame where what has passed allows it. */
  private close(code: number, reason: string): void {
    const { upstream } = this
    if (upstream?.writable === true && this.gate.isBetweenFrames && this.ending.closedBy === null)
      upstream.write(encodeFrame(CLOSE, encodeClose(CLOSE_CODES.goingAway, ''), randomBytes(4)))
    this.end(encodeFrame(CLOSE, encodeClose(code, reason), null))
  }

  /** Nothing passes any more. @param frame the last one for the client */
  private end(frame: Buffer): void {
    this.state = 'closing'
    this.stopOpening()
    this.gate.end()
    this.tracker.close()
    this.upstream?.destroySoon()
    this.client.end(frame)
  }
}
