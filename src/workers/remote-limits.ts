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

/** A question about counters. */
interface Question {
  /** By `waited`. */
  readonly askedAt: number
  readonly onAnswer: (answer: unknown) => void
  readonly onFailed: (error: Error) => void
}

/** What was used, but for the amounts. */
type SettledRequest = Omit<Settled, 'claims' | 'tokens' | 'nano'>

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
  private lastQuestion: number
  /** Requests without an answer by their numbers, the oldest first. */
  private readonly pending: Map<number, { readonly ticket: RemoteTicket; readonly askedAt: number }>
  private readonly questions: Map<number, Question>
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
  /** Number of the last record that was to be written when budgets came; 0 once it is. */
  private unwritten: number

  constructor(link: Link, log: Pick<Log, 'warn' | 'info'>) {
    this.link = link
    this.log = log
    this.records = null
    this.hold = null
    this.flush = () => {}
    this.lastRequest = 0
    this.lastQuestion = 0
    this.pending = new Map()
    this.questions = new Map()
    this.introduced = new WeakSet()
    this.budgets = new Set()
    this.budgetNames = new WeakMap()
    this.renewed = []
    this.waited = 0
    this.tickedAt = null
    this.isSilent = false
    this.unwritten = 0
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
    const settlement = claims.some(hasBudgets) ? (this.hold?.await(summary) ?? 0) : 0
    this.sendUse(claims, use, { request, at: receivedAt, id, settlement, isRecovered: false })
  }

  settleRecovered(id: string, claims: readonly LimitClaim[], use: LimitUse, at: number): void {
    this.sendUse(claims, use, { request: 0, at, id, settlement: 0, isRecovered: true })
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
    this.unwritten = lastSeq
    this.say(['follow', { writer, seq: lastSeq, added, dropped, round }])
    this.sayWritten()
  }

  /** Tells when the records are in a file that count from the ledger. */
  private sayWritten(): void {
    const { records, unwritten } = this
    if (unwritten === 0 || records === null || records.writtenSeq < unwritten) return
    this.unwritten = 0
    this.say(['written', unwritten])
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
    const { at, states } = (await this.ask((number) => ['read', number, names])) as SentStates
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
    return (await this.ask((number) => ['figures', number])) as SentFigures
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
    for (const [number, { askedAt, onFailed }] of this.questions) {
      if (waited - askedAt < ANSWER_MS) break
      this.questions.delete(number)
      onFailed(new Error('the primary process does not answer'))
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

  private ask(toMessage: (number: number) => WorkerMessage): Promise<unknown> {
    this.lastQuestion++
    const number = this.lastQuestion
    return new Promise((onAnswer, onFailed) => {
      if (!this.link.isOpen) {
        onFailed(new Error('the primary process is gone'))
        return
      }
      this.questions.set(number, { askedAt: this.waited, onAnswer, onFailed })
      this.say(toMessage(number))
    })
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
        this.questions.get(message[1])?.onAnswer(message[2])
        this.questions.delete(message[1])
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
    for (const { onFailed } of this.questions.values()) onFailed(new Error('the primary process is gone'))
    this.questions.clear()
    this.hold?.releaseAll()
  }
}

function hasBudgets({ rule }: LimitClaim): boolean {
  return rule.budgets.length > 0
}
