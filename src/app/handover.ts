import type { ListenPlace } from '../config/listen.js'
import { LimitClaim } from '../exchange/limit-ticket.js'
import type { Bookkeeper } from '../ledger/write/bookkeeper.js'
import { waitUnreferenced } from '../lib/wait-unreferenced.js'
import type { LimitStore } from '../limits/counters/store.js'
import type { MemoryLimitBooks } from '../limits/limit-books.js'
import type { Limiter } from '../limits/limiter.js'
import type { PageServer } from '../page/page-server.js'
import type { Listener } from '../server/listener.js'
import type { RequestHandler } from '../server/request-handler.js'
import { type ObjectBooks, OwnObjectBooks } from '../stored/object-books.js'
import type { Bequest, Estate } from '../workers/bequest.js'
import type { SentRates } from '../workers/handover-messages.js'
import type { Heirs, Inheritance } from '../workers/inheritance.js'
import type { LentSockets } from '../workers/succession-messages.js'
import type { OperatorPorts } from './operator-ports.js'
import type { RollupWay } from './rollup-way.js'

/** Milliseconds between two looks whether the budgets are restored. */
const LOOK_MS = 10

/** The parts of a relay that know something its successor is to know. */
export interface HandoverParts {
  readonly ledger: Bookkeeper | null
  readonly limiter: Limiter
  /** Null if another process counts. */
  readonly counters: LimitCounters | null
  readonly books: ObjectBooks
  readonly handler: RequestHandler
  readonly listener: Listener
  /** Null without a page. */
  readonly rollups: RollupWay | null
}

/** What is counted in this process. */
export interface LimitCounters {
  readonly store: LimitStore
  readonly books: MemoryLimitBooks
}

/** Hands over to a process that takes the place of this one, and takes over from the one before. */
export class Handover {
  /** Null until the relay listens. */
  private operators: OperatorPorts | null
  /** What is to be told to the page once there is one. */
  private forPage: ((page: PageServer) => void)[]
  private readonly parts: HandoverParts
  private bequest: Bequest | null

  constructor(parts: HandoverParts) {
    this.parts = parts
    this.operators = null
    this.forPage = []
    this.bequest = null
  }

  /**
   * Takes over what the process before this one sends, and restores the budgets, before the first request comes.
   * @param withinMs then it is not waited for any more
   */
  async takeOver(inheritance: Inheritance, withinMs: number): Promise<void> {
    const { limiter } = this.parts
    limiter.begin()
    inheritance.start(this.heirs)
    const deadline = performance.now() + withinMs
    while (!limiter.isRestored && performance.now() < deadline) await waitUnreferenced(LOOK_MS)
  }

  /** The relay listens for operators from now on. */
  openTo(operators: OperatorPorts): void {
    const { forPage } = this
    this.operators = operators
    this.forPage = []
    for (const tell of forPage) this.tellPage(tell)
  }

  /** The listening sockets, for a process that is to take over. @throws {Error} why there are none */
  lend({ fd, isTakenOver }: ListenPlace): LentSockets {
    const { operators } = this
    const { handle } = this.parts.listener
    if (handle === null) throw new Error('the relay does not listen at the moment')
    return {
      relay: handle,
      metrics: operators?.metricsHandle ?? null,
      page: operators?.pageHandle ?? null,
      isTakenOver: fd === undefined || isTakenOver === true,
    }
  }

  /** Sends a successor what it is to know, from now on. */
  begin(bequest: Bequest): void {
    this.bequest?.stop()
    this.bequest = bequest
  }

  /** What a successor is to know. */
  get estate(): Estate {
    const { ledger, books, handler } = this.parts
    return {
      ledger,
      objects: books instanceof OwnObjectBooks ? books : null,
      thoughts: handler.dispatcher.ownThoughts,
      page: this.operators?.page ?? null,
      listRates: () => this.listRates(),
    }
  }

  /** Whether there is a successor. */
  get hasHeir(): boolean {
    return this.bequest !== null
  }

  /** The successor gets the new requests from now on. */
  complete(): void {
    this.bequest?.sendRates()
  }

  /**
   * Waits until all records are in a file, as nobody waits for the end of this relay.
   * @param ms how long, for a disk that is full or stalled; null: until the relay is closed
   */
  async whenWritten(ms: number | null): Promise<void> {
    this.parts.handler.writeDown()
    await this.parts.ledger?.whenWritten(ms)
  }

  /** The successor has failed. */
  cancel(): void {
    this.bequest?.stop()
    this.bequest = null
  }

  /** This relay has ended. @param isWhole all its records are in a file */
  end(isWhole: boolean): void {
    this.bequest?.end(isWhole)
  }

  /** Where this relay keeps what the process before it has sent. */
  private get heirs(): Heirs {
    const { limiter, ledger, books, handler, rollups } = this.parts
    return {
      counter: limiter,
      takeRecord: (line) => rollups?.take(line),
      addRates: (rates) => this.addRates(rates),
      takeObject: (object) => {
        if (books instanceof OwnObjectBooks) books.take(object)
      },
      takeThought: (key, entry) => handler.dispatcher.ownThoughts?.take(key, entry),
      takeSessions: (token, sessions) => this.tellPage((page) => page.takeSessions(token, sessions)),
      endSession: (id) => this.tellPage((page) => page.endSession(id)),
      onKilled: () => ledger?.recoverLater(),
    }
  }

  private tellPage(tell: (page: PageServer) => void): void {
    if (this.operators === null) this.forPage.push(tell)
    else if (this.operators.page !== null) tell(this.operators.page)
  }

  private addRates([id, owner, requests, tokens]: SentRates): void {
    const rule = this.parts.counters?.books.findRule(id)
    if (rule === undefined) return
    this.parts.counters?.store.addRates(new LimitClaim(rule, owner), { requests, tokens }, performance.now())
  }

  private *listRates(): Generator<SentRates> {
    const { counters, limiter } = this.parts
    if (counters === null) return
    for (const claim of limiter.listClaims()) {
      if (claim.rule.requests === null && claim.rule.tokens === null) continue
      let [requests, tokens] = [0, 0]
      for (const { kind, used } of counters.store.read(claim, performance.now(), Date.now())) {
        if (kind === 'requests') requests = Number(used)
        if (kind === 'tokens') tokens = Number(used)
      }
      if (requests > 0 || tokens > 0) yield [claim.rule.id, claim.owner, requests, tokens]
    }
  }
}
