import type { LimitRule } from '../config/limit-rules.js'
import type { LimitClaim, LimitTicket } from '../exchange/limit-ticket.js'
import type { SummarySink } from '../exchange/summary.js'
import type { Bookkeeper } from '../ledger/write/bookkeeper.js'
import type { LimitEstimate, LimitState, LimitUse, LimitVerdict } from '../limits/counters/store.js'
import type { FollowedRules, LimitBooks, ReadStates, SettledSummary } from '../limits/limit-books.js'
import { nameBudget } from '../limits/replay/restored-budget.js'
import type { ObservedExcess, RefusalKind } from '../limits/reports/refusal-tally.js'
import type { LimitFigures, RefusalCount } from '../observe/limit-metrics.js'
import type { Log } from '../observe/log.js'
import {
  fromSentExcess,
  fromSentLeft,
  nameClaims,
  type PrimaryMessage,
  type SentExcess,
  type SentFigures,
  type SentLeft,
  type SentStates,
  type Settled,
  type WorkerMessage,
} from './limit-messages.js'
import type { Link } from './link.js'
import { LinkQuestions } from './link-questions.js'
import { RecordHold } from './record-hold.js'
import { RemoteTicket } from './remote-ticket.js'

/** Milliseconds that the primary is waited for. */
export const ANSWER_MS = 5_000

/** What a request holds is renewed after this time, in milliseconds: a quarter of the time after which it lapses. */
const RENEW_MS = 15_000

/** Of a longer time between two ticks, only so much counts: this process was stopped then, and not the primary. */
const LONGEST_TICK_MS = 1_000

/** Renewals that are sent together. */
const MOST_RENEWED = 1_000

const UNANSWERED: LimitVerdict = { ticket: null, excesses: [] }

/** What was used, but for the amounts. */
type SettledRequest = Omit<Settled, 'claims' | 'tokens' | 'nano'>

/** How far the ledger was at a moment. */
interface Mark {
  /** Number of the last record. */
  readonly seq: number
  /** All settlements up to this one have such a number. */
  readonly settlement: number
}

/** The ledger of this worker. */
export type NumberedRecords = Pick<Bookkeeper, 'writer' | 'lastSeq' | 'writtenSeq'>

/**
 * The books of a worker: they are in the primary, so that all workers count on the same counters. Everything goes in
 * the order in which it happens, so that what a request gives back cannot come ahead of its check. A primary that does
 * not answer in time refuses what rules limit; what else there is passes.
 */
export class RemoteLimits implements LimitBooks {
  private readonly link: Link
  private readonly log: Pick<Log, 'warn' | 'info'>
  private records: NumberedRecords | null
  private hold: RecordHold | null
  private flush: () => void
  private lastRequest: number
  private lastSettlement: number
  /** Requests without an answer by their numbers, the oldest first. */
  private readonly pending: Map<number, { readonly ticket: RemoteTicket; readonly askedAt: number }>
  private readonly questions: LinkQuestions<unknown>
  /** Rules that the primary knows by what this worker has said. */
  private introduced: WeakSet<LimitRule>
  /** Names of the budgets that are followed. */
  private budgets: ReadonlySet<string>
  private readonly budgetNames: WeakMap<LimitRule, readonly string[]>
  private renewed: number[]
  /** Milliseconds for which this process has run and could hear the primary. */
  private waited: number
  /** `performance.now()`; null before the first tick. */
  private tickedAt: number | null
  /** The primary has let a request wait for too long, and has said nothing since. */
  private isSilent: boolean
  /** What is to be written before the primary hears of it; null: nothing that it has not heard of. */
  private unwritten: Mark | null
  /** What it was told last. */
  private written: Mark

  constructor(link: Link, log: Pick<Log, 'warn' | 'info'>) {
    this.link = link
    this.log = log
    this.records = null
    this.hold = null
    this.flush = () => {}
    this.lastRequest = 0
    this.lastSettlement = 0
    this.pending = new Map()
    this.questions = new LinkQuestions(link, ANSWER_MS)
    this.introduced = new WeakSet()
    this.budgets = new Set()
    this.budgetNames = new WeakMap()
    this.renewed = []
    this.waited = 0
    this.tickedAt = null
    this.isSilent = false
    this.unwritten = null
    this.written = { seq: 0, settlement: 0 }
    link.receive('limits', (value) => this.onMessage(value as PrimaryMessage))
    link.onClose(() => this.onClose())
  }

  /** The records of this worker are in this ledger. Called before `begin` of the limiter. */
  recordIn(records: NumberedRecords): void {
    this.records = records
  }

  /** @param flush has all summaries that were gathered settled */
  flushBy(flush: () => void): void {
    this.flush = flush
  }

  /** Holds records back from a ledger until it is known which budgets they brought to a share. */
  holdRecords(ledger: SummarySink): SummarySink {
    this.hold = new RecordHold(ledger)
    return this.hold
  }

  check(claims: readonly LimitClaim[], estimate: LimitEstimate, now: number, at: number): LimitVerdict {
    if (this.isSilent || !this.link.isOpen) return UNANSWERED
    this.introduce(claims)
    this.lastRequest++
    const number = this.lastRequest
    const ticket = new RemoteTicket(number, claims, estimate, now, at)
    this.pending.set(number, { ticket, askedAt: this.waited })
    this.say(['check', number, nameClaims(claims), estimate.tokens, estimate.nano, at])
    return { ticket, observed: [] }
  }

  whenChecked(ticket: LimitTicket, onVerdict: (verdict: LimitVerdict) => void): void {
    if (ticket instanceof RemoteTicket && ticket.isPending) ticket.onVerdict = onVerdict
    else onVerdict({ ticket, observed: [] })
  }

  renew(ticket: LimitTicket, now: number): void {
    if (!(ticket instanceof RemoteTicket) || ticket.isPending || ticket.isSettled) return
    if (now - ticket.renewedAt < RENEW_MS) return
    ticket.renewedAt = now
    this.renewed.push(ticket.number)
    if (this.renewed.length >= MOST_RENEWED) this.sendRenewed()
  }

  release(ticket: LimitTicket, isOver: boolean): void {
    if (!(ticket instanceof RemoteTicket) || ticket.isSettled || (ticket.isReleased && !isOver)) return
    ticket.isReleased = true
    this.say([isOver ? 'release' : 'places', ticket.number])
  }

  cancel(ticket: LimitTicket): void {
    if (!(ticket instanceof RemoteTicket) || ticket.isSettled) return
    ticket.isReleased = true
    this.say(['cancel', ticket.number])
  }

  settle(
    ticket: LimitTicket | null,
    claims: readonly LimitClaim[],
    use: LimitUse,
    summary: SettledSummary,
  ): void {
    const request = ticket instanceof RemoteTicket && !ticket.isSettled ? ticket.number : 0
    if (ticket !== null) ticket.isSettled = true
    if (!this.link.isOpen) return
    const { id, receivedAt } = summary.request
    const settlement = ++this.lastSettlement
    const isAwaited = this.hold !== null && claims.some(hasBudgets)
    if (isAwaited) this.hold?.await(summary, settlement)
    this.sendUse(claims, use, { request, at: receivedAt, id, settlement, isAwaited, isRecovered: false })
  }

  settleRecovered(id: string, claims: readonly LimitClaim[], use: LimitUse, at: number): void {
    const settlement = ++this.lastSettlement
    this.sendUse(claims, use, { request: 0, at, id, settlement, isAwaited: false, isRecovered: true })
  }

  private sendUse(claims: readonly LimitClaim[], use: LimitUse, settled: SettledRequest): void {
    this.introduce(claims)
    this.say(['settle', { claims: nameClaims(claims), ...use, ...settled }])
  }

  refuse({ name, observe }: Pick<LimitRule, 'name' | 'observe'>, kind: RefusalKind): void {
    this.say(['refused', name, observe, kind])
  }

  observe(excesses: readonly ObservedExcess[], claims: readonly LimitClaim[]): void {
    const found = excesses.flatMap(({ rule }) => claims.find((claim) => claim.rule === rule) ?? [])
    this.introduce(found)
    this.say(['observed', nameClaims(found), excesses.map(({ kind }) => kind)])
  }

  observeModel(rule: LimitRule): void {
    this.introduceRule(rule)
    this.say(['observed', [rule.id, ''], ['model']])
  }

  follow({ byId }: FollowedRules): void {
    const names = new Set<string>()
    for (const rule of byId.values()) for (const name of this.namesOf(rule)) names.add(name)
    const added = [...names].filter((name) => !this.budgets.has(name))
    const dropped = [...this.budgets].filter((name) => !names.has(name))
    this.budgets = names
    // Amounts may be others: the primary forgets what it was told.
    this.introduced = new WeakSet()
    this.sayFollowed(added, dropped, 0)
  }

  private sayFollowed(added: readonly string[], dropped: readonly string[], round: number): void {
    // What is held back has been settled without these budgets, and has no number yet.
    this.hold?.releaseAll()
    const { writer = null, lastSeq = 0 } = this.records ?? {}
    this.unwritten = this.mark()
    this.say(['follow', { writer, seq: lastSeq, added, dropped, round }])
    this.sayWritten()
  }

  /**
   * Tells how far the records are in a file: some count from the ledger, and what others say is lost if this worker is
   * killed before.
   */
  private sayWritten(): void {
    const { records } = this
    if (records === null) return
    this.unwritten ??= this.mark()
    const { seq, settlement } = this.unwritten
    if (records.writtenSeq < seq) return
    const isNew = seq > this.written.seq || settlement > this.written.settlement
    if (isNew) this.say(['written', seq, settlement])
    this.written = this.unwritten
    this.unwritten = null
  }

  /** Records get their numbers in the order in which requests are settled. */
  private mark(): Mark {
    const settlement = (this.hold?.firstHeld ?? this.lastSettlement + 1) - 1
    return { seq: this.records?.lastSeq ?? 0, settlement }
  }

  private namesOf(rule: LimitRule): readonly string[] {
    let names = this.budgetNames.get(rule)
    if (names === undefined) {
      names = rule.budgets.map((budget) => nameBudget(rule, budget))
      this.budgetNames.set(rule, names)
    }
    return names
  }

  reconfigure(): void {
    // The primary follows the config by itself.
  }

  /** Nothing of this process is restored. */
  get isRestored(): boolean {
    return true
  }

  async read(claims: readonly LimitClaim[]): Promise<ReadStates> {
    this.introduce(claims)
    const names = nameClaims(claims)
    const asked = this.questions.ask((number) => this.say(['read', number, names]))
    const { at, states } = (await asked) as SentStates
    const addRule = ({ rule, owner }: LimitClaim, i: number): LimitState[] =>
      (states[i] ?? []).map((state) => ({ rule, owner, ...state }))
    return { at, states: claims.map(addRule) }
  }

  listClaims(): Iterable<LimitClaim> {
    return []
  }

  get refusals(): Iterable<RefusalCount> {
    return []
  }

  async readFigures(): Promise<LimitFigures> {
    return (await this.questions.ask((number) => this.say(['figures', number]))) as SentFigures
  }

  tick(now: number): void {
    this.sendRenewed()
    this.sayWritten()
    this.hold?.expire(now)
    this.waited += Math.max(0, Math.min(LONGEST_TICK_MS, now - (this.tickedAt ?? now)))
    this.tickedAt = now
    const { waited } = this
    for (const [number, { ticket, askedAt }] of this.pending) {
      if (waited - askedAt < ANSWER_MS) break
      if (!this.isSilent)
        this.log.warn({}, 'the primary process does not answer: requests that a rule limits are refused')
      this.isSilent = true
      // Whatever it comes to is given back.
      this.say(['cancel', number])
      this.stop(number, ticket, UNANSWERED)
    }
  }

  async close(): Promise<void> {
    this.hold?.releaseAll()
  }

  endNow(): void {
    this.hold?.releaseAll()
  }

  private say(message: WorkerMessage): void {
    this.link.send('limits', message)
  }

  private introduce(claims: readonly LimitClaim[]): void {
    for (const { rule } of claims) this.introduceRule(rule)
  }

  private introduceRule(rule: LimitRule): void {
    if (this.introduced.has(rule)) return
    this.introduced.add(rule)
    this.say(['rule', rule])
  }

  private sendRenewed(): void {
    if (this.renewed.length === 0) return
    this.say(['renew', this.renewed])
    this.renewed = []
  }

  private onMessage(message: PrimaryMessage): void {
    if (this.isSilent) this.log.info({}, 'the primary process answers again')
    this.isSilent = false
    switch (message[0]) {
      case 'passed':
        this.pass(message[1], message[2], message[3])
        return
      case 'stopped': {
        const [, number, sent] = message
        const ticket = this.pending.get(number)?.ticket
        if (ticket === undefined) return
        const excesses = sent.flatMap((excess) => fromSentExcess(excess, ticket.claims))
        this.stop(number, ticket, { ticket: null, excesses })
        return
      }
      case 'settled':
        this.hold?.settle(message[1], message[2])
        return
      case 'settle':
        this.flush()
        this.say(['flushed', message[1]])
        return
      case 'restate':
        this.sayFollowed(
          message[2].filter((name) => this.budgets.has(name)),
          [],
          message[1],
        )
        return
      default:
        this.questions.answer(message[1], message[2])
    }
  }

  private pass(number: number, sent: readonly SentExcess[], left: readonly (SentLeft | null)[]): void {
    const ticket = this.pending.get(number)?.ticket
    if (ticket === undefined) return
    this.pending.delete(number)
    const { claims, onVerdict } = ticket
    ticket.isPending = false
    ticket.requestsLeft = fromSentLeft(left[0], claims)
    ticket.tokensLeft = fromSentLeft(left[1], claims)
    ticket.usdLeft = fromSentLeft(left[2], claims)
    ticket.onVerdict = null
    onVerdict?.({ ticket, observed: sent.flatMap((excess) => fromSentExcess(excess, claims)) })
  }

  private stop(number: number, ticket: RemoteTicket, verdict: LimitVerdict): void {
    const { onVerdict } = ticket
    this.pending.delete(number)
    ticket.isPending = false
    // It holds nothing, and has nothing to replace.
    ticket.isSettled = true
    ticket.onVerdict = null
    onVerdict?.(verdict)
  }

  private onClose(): void {
    for (const [number, { ticket }] of [...this.pending]) this.stop(number, ticket, UNANSWERED)
    this.hold?.releaseAll()
  }
}

function hasBudgets({ rule }: LimitClaim): boolean {
  return rule.budgets.length > 0
}
