import type { LimitRule } from '../config/limit-rules.js'
import type { LimitClaim, LimitTicket } from '../exchange/limit-ticket.js'
import type { LimitEstimate, LimitStore, LimitUse, LimitVerdict } from '../limits/counters/store.js'
import type { MemoryLimitBooks } from '../limits/limit-books.js'
import type { LimitFigures } from '../observe/limit-metrics.js'
import {
  type ClaimNames,
  type Followed,
  listLeft,
  type PrimaryMessage,
  type SentFigures,
  type Settled,
  toSentExcess,
  type WorkerMessage,
} from './limit-messages.js'
import type { Link } from './link.js'

/** Requests that were cancelled, and whose record may still say that they have used something. */
const MOST_CANCELLED = 1_000

/** What a request has used, as it was counted. */
export interface CountedUse {
  /** Number of its settlement. */
  readonly settlement: number
  /** Empty if it was not counted, as another worker's settlement was. */
  readonly claims: readonly LimitClaim[]
  readonly use: LimitUse
  readonly at: number
}

/** Ids of requests that were counted, of which the record may not be in a file yet. */
export const MOST_IDS = 20_000

/** Time, for tests too. */
export interface Clock {
  /** As `performance.now()`. */
  now(): number
  /** Epoch milliseconds. */
  at(): number
}

/** A request whose check is refused as long as others are not settled. */
export interface HeldCheck {
  readonly worker: WorkerLimits
  readonly request: number
  readonly claims: readonly LimitClaim[]
  readonly estimate: LimitEstimate
  readonly at: number
  /** False for a connection of which each response takes a place. */
  takesPlace: boolean
}

/** What a worker's limits need of the whole. */
export interface LimitCentre {
  readonly store: LimitStore
  readonly books: Pick<MemoryLimitBooks, 'count' | 'refuse' | 'observe' | 'observeModel'>
  readonly clock: Clock
  /** A rule as it is now: that of the primary, else that of the worker. */
  claimOf(rule: string, owner: string, worker: WorkerLimits): LimitClaim | null
  /** Whether summaries of requests that are over may still give something back. */
  readonly hasUnsettled: boolean
  hold(check: HeldCheck): void
  findHeld(worker: WorkerLimits, request: number): HeldCheck | null
  /** The request of a held check is over. */
  dropHeld(worker: WorkerLimits, request: number): void
  onFlushed(worker: WorkerLimits, round: number): void
  onFollowed(worker: WorkerLimits, followed: Followed): void
  onWritten(worker: WorkerLimits, seq: number): void
  /** Whether what a request has used was counted, by the worker that has served it or by one that found its traces. */
  wasCounted(id: string): boolean
  /**
   * The record of a request was recovered, and says what counts: not what was counted without it by a worker that is
   * gone. @returns whether such a worker has served it
   */
  takeBack(id: string): boolean
  noteRecovered(id: string): void
  readFigures(): Promise<LimitFigures>
}

/** The requests of one worker, in the primary. */
export class WorkerLimits {
  readonly link: Link
  /** Rules by their ids, as the worker has them. */
  rules: Map<string, LimitRule>
  /** Requests that are over, and not settled. */
  readonly unsettled: Set<number>
  /** Requests that were settled last, by their ids in the ledger. */
  readonly settledIds: Set<string>
  /** Its number among the workers; null if it is the only one. */
  readonly number: number | null
  /** Number of its last record that is known to be in a file. */
  writtenSeq: number
  /** What was counted of requests whose records are not known to be in a file, by their ids. */
  readonly unwritten: Map<string, CountedUse>
  private readonly centre: LimitCentre
  private readonly tickets: Map<number, LimitTicket>
  private readonly cancelled: Map<number, LimitTicket>
  /** What has come while nothing may be counted; null: all is taken as it comes. */
  private waiting: WorkerMessage[] | null
  /** The last settlement that is to be answered; 0: none. */
  private answered: number

  constructor(link: Link, centre: LimitCentre, number: number | null) {
    this.link = link
    this.number = number
    this.writtenSeq = 0
    this.unwritten = new Map()
    this.rules = new Map()
    this.unsettled = new Set()
    this.settledIds = new Set()
    this.centre = centre
    this.tickets = new Map()
    this.cancelled = new Map()
    this.waiting = null
    this.answered = 0
    link.receive('limits', (value) => this.onMessage(value as WorkerMessage))
  }

  say(message: PrimaryMessage): void {
    this.link.send('limits', message)
  }

  /** Nothing is counted until `resume`. */
  pause(): void {
    this.waiting ??= []
  }

  resume(): void {
    const { waiting } = this
    this.waiting = null
    for (const message of waiting ?? []) this.onMessage(message)
  }

  /** The worker is gone: its requests give back what they hold. What they have used, their records will say. */
  close(): void {
    this.resume()
    for (const ticket of this.tickets.values()) this.centre.store.abandon(ticket)
    this.tickets.clear()
    this.cancelled.clear()
    this.unsettled.clear()
  }

  /** @param verdict of a check */
  answer({ request, claims, takesPlace }: HeldCheck, verdict: LimitVerdict): void {
    if (verdict.ticket === null) {
      this.say(['stopped', request, verdict.excesses.map((excess) => toSentExcess(excess, claims))])
      return
    }
    this.tickets.set(request, verdict.ticket)
    if (!takesPlace) this.centre.store.release(verdict.ticket)
    const observed = verdict.observed.map((excess) => toSentExcess(excess, claims))
    this.say(['passed', request, observed, listLeft(verdict.ticket)])
  }

  private onMessage(message: WorkerMessage): void {
    const { centre } = this
    if (this.waiting !== null) {
      this.waiting.push(message)
      return
    }
    switch (message[0]) {
      case 'rule':
        this.rules.set(message[1].id, message[1])
        return
      case 'check':
        this.check(message[1], message[2], message[3], message[4], message[5])
        return
      case 'release':
        this.release(message[1])
        return
      case 'places': {
        const ticket = this.tickets.get(message[1])
        const held = centre.findHeld(this, message[1])
        if (held !== null) held.takesPlace = false
        if (ticket !== undefined) centre.store.release(ticket)
        return
      }
      case 'cancel':
        this.cancel(message[1])
        return
      case 'renew': {
        const now = centre.clock.now()
        for (const request of message[1]) {
          const ticket = this.tickets.get(request)
          if (ticket !== undefined) centre.store.renew(ticket, now)
        }
        return
      }
      case 'settle':
        this.settle(message[1])
        return
      case 'flushed':
        centre.onFlushed(this, message[1])
        return
      case 'refused':
        centre.books.refuse({ name: message[1], observe: message[2] }, message[3])
        return
      case 'observed':
        this.observe(message[1], message[2])
        return
      case 'follow':
        // Its amounts may be others: it says so with the next claims.
        if (message[1].round === 0) this.rules = new Map()
        centre.onFollowed(this, message[1])
        return
      case 'written':
        this.forgetWritten(message[1], message[2])
        centre.onWritten(this, message[1])
        return
      case 'read':
        this.read(message[1], message[2])
        return
      default:
        void this.sendFigures(message[1])
    }
  }

  private check(request: number, names: ClaimNames, tokens: number, nano: number, at: number): void {
    const { centre } = this
    const claims = this.resolve(names)
    if (claims.length * 2 !== names.length) {
      // It has not been said what the rule is: that is never so, and nothing passes unseen.
      this.say(['stopped', request, []])
      return
    }
    const estimate = { tokens, nano }
    const verdict = centre.store.check(claims, estimate, centre.clock.now(), at)
    const check = { worker: this, request, claims, estimate, at, takesPlace: true }
    // What has ended a moment ago may have used less than was estimated.
    if (verdict.ticket === null && centre.hasUnsettled) centre.hold(check)
    else this.answer(check, verdict)
  }

  private release(request: number): void {
    this.centre.dropHeld(this, request)
    const ticket = this.tickets.get(request)
    if (ticket === undefined) return
    this.centre.store.release(ticket)
    this.unsettled.add(request)
  }

  private cancel(request: number): void {
    const { centre, tickets, cancelled } = this
    centre.dropHeld(this, request)
    const ticket = tickets.get(request)
    if (ticket === undefined) return
    centre.store.cancel(ticket, centre.clock.now())
    tickets.delete(request)
    this.unsettled.delete(request)
    dropOldest(cancelled, MOST_CANCELLED)
    cancelled.set(request, ticket)
  }

  /** Records up to a number are in a file, and among them those of settlements up to another. */
  private forgetWritten(seq: number, settlement: number): void {
    this.writtenSeq = Math.max(this.writtenSeq, seq)
    for (const [id, counted] of this.unwritten) {
      if (counted.settlement > settlement) return
      this.unwritten.delete(id)
    }
  }

  private settle({ claims: names, ...settled }: Settled): void {
    const { request, tokens, nano, at, id, settlement, isAwaited, isRecovered } = settled
    const { centre, tickets, cancelled } = this
    const ticket = tickets.get(request) ?? cancelled.get(request) ?? null
    if (request !== 0) {
      centre.dropHeld(this, request)
      tickets.delete(request)
      cancelled.delete(request)
      this.unsettled.delete(request)
    }
    const isCounted = isRecovered && !centre.takeBack(id) && centre.wasCounted(id)
    if (isRecovered) centre.noteRecovered(id)
    else this.noteSettled(id)
    let reached: string | null = null
    const claims = isCounted ? [] : this.resolve(names)
    const use = { tokens, nano }
    if (isCounted) {
      if (ticket !== null) centre.store.abandon(ticket)
    } else reached = centre.books.count(ticket, claims, use, centre.clock.now(), at)
    dropOldest(this.unwritten, MOST_IDS)
    this.unwritten.set(id, { settlement, claims, use, at })
    if (!isAwaited) return
    if (reached !== null) {
      this.answered = 0
      this.say(['settled', settlement, reached])
      return
    }
    // One answer is for all that come in one turn.
    if (this.answered === 0) setImmediate(sendSettled, this)
    this.answered = settlement
  }

  /** Answers the settlements of this turn that have reached nothing. */
  sendSettled(): void {
    if (this.answered !== 0) this.say(['settled', this.answered, null])
    this.answered = 0
  }

  private noteSettled(id: string): void {
    dropOldest(this.settledIds, MOST_IDS)
    this.settledIds.add(id)
  }

  private observe(
    names: ClaimNames,
    kinds: Extract<WorkerMessage, readonly ['observed', ...unknown[]]>[2],
  ): void {
    const { centre } = this
    const claims = this.resolve(names)
    const now = centre.clock.now()
    const [kind] = kinds
    if (kind === 'model' && claims[0] !== undefined) {
      centre.books.observeModel(claims[0].rule, now)
      return
    }
    centre.books.observe(
      claims.map(({ rule }, i) => ({ rule, kind: kinds[i] ?? 'budget' })),
      claims,
      now,
    )
  }

  private read(question: number, names: ClaimNames): void {
    const { store, clock } = this.centre
    const [now, at] = [clock.now(), clock.at()]
    const states: ReturnType<LimitStore['read']>[] = []
    for (let i = 0; i + 1 < names.length; i += 2) {
      const claim = this.centre.claimOf(names[i] as string, names[i + 1] as string, this)
      states.push(claim === null ? [] : store.read(claim, now, at))
    }
    const sent = states.map((list) => list.map(({ rule: _rule, owner: _owner, ...state }) => state))
    this.say(['states', question, { at, states: sent }])
  }

  private async sendFigures(question: number): Promise<void> {
    const figures = await this.centre.readFigures()
    const sent: SentFigures = {
      ...figures,
      refusals: [...figures.refusals],
      amounts: [...figures.amounts],
    }
    this.say(['figures', question, sent])
  }

  private resolve(names: ClaimNames): LimitClaim[] {
    const claims: LimitClaim[] = []
    for (let i = 0; i + 1 < names.length; i += 2) {
      const claim = this.centre.claimOf(names[i] as string, names[i + 1] as string, this)
      if (claim !== null) claims.push(claim)
    }
    return claims
  }
}

/** Makes room for one more. */
export function dropOldest<T>(kept: Map<T, unknown> | Set<T>, most: number): void {
  if (kept.size < most) return
  for (const oldest of kept.keys()) {
    kept.delete(oldest)
    return
  }
}

function sendSettled(worker: WorkerLimits): void {
  worker.sendSettled()
}
