import { findUseFault, type UseFault } from '../../access/key-limits.js'
import type { Exchange } from '../../exchange/exchange.js'
import type { Target } from '../../routing/route.js'
import type { Location } from '../../stored/locate.js'
import type { Upstream } from '../../upstream/upstream.js'
import type { RelayContext } from '../relay-context.js'
import { type ClientEvent, CREATE, UPDATE } from './client-event.js'
import type { SocketRoute } from './connector.js'
import { LATER, type ResponseTracker } from './response-tracker.js'
import type { EventRefusal, SocketRules } from './socket-rules.js'

type Refused = Extract<Location, { kind: 'refused' }>

const ELSEWHERE =
  'This model is not at the upstream of this connection, or not for this key. Open another connection for it.'

/** Decides whether a response may begin, and by which name its target knows the model. */
export class ResponseStarter {
  /** The event that decided the route; null if the handshake did, or it has passed. */
  first: ClientEvent | null
  private readonly exchange: Exchange
  private readonly context: RelayContext
  private readonly rules: SocketRules
  private readonly tracker: ResponseTracker
  private target: Target<Upstream> | null
  /** The model that decided the route. */
  private routedModel: string | null
  /** Why the key might not be used at the last look. */
  private keyFault: UseFault | null
  /** The event that was held last: what it names is known by now, or never. */
  private held: ClientEvent | null
  /** Ids of the objects that it names, and nobody knew. */
  private heldIds: readonly string[]
  /** It cannot be known whose these are. */
  private isLost: boolean

  constructor(exchange: Exchange, context: RelayContext, rules: SocketRules, tracker: ResponseTracker) {
    this.first = null
    this.exchange = exchange
    this.context = context
    this.rules = rules
    this.tracker = tracker
    this.target = null
    this.routedModel = exchange.request.model
    this.keyFault = null
    this.held = null
    this.heldIds = []
    this.isLost = false
  }

  /** Looks whether the key may still be used. @returns why it may not; null if it may */
  checkKey(): UseFault | null {
    const { key, clientAddress } = this.exchange.request
    if (key !== null) this.keyFault = findUseFault(key, clientAddress)
    return this.keyFault
  }

  /** Another process has taken over: a connection without an open response is closed. */
  get isRetiring(): boolean {
    return this.context.retiring
  }

  /** Why no other response may begin; null if one may. */
  get closingReason(): UseFault | 'draining' | null {
    return this.keyFault ?? (this.context.draining ? 'draining' : null)
  }

  /**
   * The message that decides where the connection goes.
   * @param bytes of its frames
   * @returns a refusal of this message alone, or one that ends the connection
   */
  route(
    event: ClientEvent,
    bytes: number,
  ): SocketRoute | EventRefusal | { readonly ending: EventRefusal } | typeof LATER {
    this.checkKey()
    const isCreate = event.type === CREATE
    const doubt = this.closingReason === null ? this.findDoubt(event) : null
    if (doubt !== null) {
      if (isCreate) this.tracker.refuse(event, bytes, doubt)
      return doubt
    }
    const location = isCreate ? this.rules.locate(event.peek().references) : null
    if (this.isEarly(event, location)) return LATER
    const lost = this.refuseLost(event, bytes, location)
    if (lost !== null) return lost
    if (location?.kind === 'refused' && this.closingReason === null)
      return this.refuseObjects(event, bytes, location)
    const place = location?.kind === 'behind' ? location.otherwise : location
    const upstream = place?.kind === 'at' ? place.upstream : null
    const { closingReason } = this
    const route = closingReason === null ? this.rules.route(event.model, upstream) : { code: closingReason }
    if ('code' in route) {
      if (isCreate) this.tracker.refuse(event, bytes, route)
      return { ending: route }
    }
    const [first] = route.targets
    const priced = { upstream: first?.upstream.name ?? null, model: first?.model ?? null }
    const refusal = isCreate ? this.tracker.begin(event, bytes, null, priced) : null
    if (refusal !== null) return refusal
    this.first = event
    this.routedModel = event.model
    return route
  }

  /**
   * The connection has a target.
   * @returns the first message with the name that the target has for its model; null if it passes as it came
   */
  setTarget(target: Target<Upstream>): Buffer | null {
    const { first, routedModel } = this
    const { model } = target
    this.target = target
    this.first = null
    if (first === null || routedModel === null || model === null || model === routedModel) return null
    this.tracker.renameOpen(model)
    return first.rename(model)
  }

  /**
   * A later message.
   * @param bytes of its frames
   * @returns what passes: null for the message as it came
   */
  start(event: ClientEvent, bytes: number): Buffer | EventRefusal | typeof LATER | null {
    if (event.type !== CREATE && event.type !== UPDATE && !this.isUnclear(event)) return null
    this.checkKey()
    const doubt = this.closingReason === null ? this.findDoubt(event) : null
    if (doubt !== null) {
      if (event.type === CREATE) this.tracker.refuse(event, bytes, doubt)
      return doubt
    }
    if (event.type === UPDATE) return this.update(event)
    const { model } = event
    const name = model === null ? null : this.nameOf(model)
    const closing = this.closingReason
    if (closing !== null || (model !== null && name === null)) {
      this.tracker.refuse(event, bytes, { code: closing ?? 'no_route' })
      return closing === null ? { code: 'no_route', message: ELSEWHERE } : { code: closing }
    }
    const location = this.rules.locate(event.peek().references)
    if (this.isEarly(event, location)) return LATER
    const lost = this.refuseLost(event, bytes, location)
    if (lost !== null) return lost
    if (location?.kind === 'refused') return this.refuseObjects(event, bytes, location)
    const renamed = name === model ? null : name
    const priced = { upstream: this.target?.upstream.name ?? null, model: name }
    const refusal = this.tracker.begin(event, bytes, renamed, priced)
    if (refusal !== null) return refusal
    return renamed === null ? null : event.rename(renamed)
  }

  /** A message that changes the session: its model has to be at the target, as that of a response. */
  private update(event: ClientEvent): Buffer | EventRefusal | null {
    const { model } = event
    const name = model === null ? null : this.nameOf(model)
    if (model !== null && name === null) return { code: 'no_route', message: ELSEWHERE }
    return name === null || name === model ? null : event.rename(name)
  }

  private isUnclear(event: ClientEvent): boolean {
    return this.rules.dependsOnModel() && event.hasUnclearType
  }

  /** Why a message may not pass that servers may read in several ways, or that names what the key may not use. */
  private findDoubt(event: ClientEvent): EventRefusal | null {
    const { rules, exchange } = this
    if (this.isUnclear(event) || (rules.dependsOnModel() && event.isAmbiguous))
      return { code: 'ambiguous_request', param: 'model' }
    if (!rules.dependsOnModel()) return null
    const { path, model } = exchange.request
    return /\/realtime(?:$|\/)/.test(path)
      ? rules.refuseModels(model, event.sessionModels)
      : rules.refuseModels(event.model, [event.model])
  }

  /** Whether an event has to be held; once is enough, as for a POST. */
  private isEarly(event: ClientEvent, location: Location | null): boolean {
    if (location?.kind !== 'behind' || this.held === event) return false
    this.held = event
    this.heldIds = location.ids
    this.isLost = false
    return true
  }

  /** Resolves when the objects of the held event are known, or it is known that they cannot be. */
  whenKnown(): Promise<void> {
    return this.rules.whenKnown(this.heldIds).catch(() => {
      this.isLost = true
    })
  }

  /** Refuses an event whose objects nobody knows, if they may be those of others. */
  private refuseLost(event: ClientEvent, bytes: number, location: Location | null): EventRefusal | null {
    if (location?.kind !== 'behind' || !this.isLost) return null
    this.tracker.refuse(event, bytes, { code: 'stored_unavailable' })
    return { code: 'stored_unavailable' }
  }

  private refuseObjects(event: ClientEvent, bytes: number, location: Refused): EventRefusal {
    const { code, missing } = location
    this.tracker.refuse(event, bytes, { code })
    return missing === null ? { code } : { code, message: missing.message, param: missing.param }
  }

  /** The model that decided the route has the name that its target gives it. */
  private nameOf(model: string): string | null {
    const { target } = this
    if (target === null) return model
    return model === this.routedModel ? (target.model ?? model) : this.rules.nameAt(target, model)
  }
}
