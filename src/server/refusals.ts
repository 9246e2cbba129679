import { randomBytes } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { groupAddress } from '../access/address-group.js'
import type { ClientAddresses } from '../access/client-address.js'
import type { ErrorCode } from '../api/errors.js'
import type { Config } from '../config/config.js'
import type { Exchange } from '../exchange/exchange.js'
import { Outcome } from '../exchange/outcome.js'
import { RequestFacts } from '../exchange/request-facts.js'
import { RequestSummary } from '../exchange/summary.js'
import { Timeline } from '../exchange/timeline.js'
import type { BoundCounters } from '../lib/limit-counters.js'
import type { Log } from '../observe/log.js'

const WINDOW_MS = 60_000

/** Addresses that are counted by themselves in a minute. The others are counted together. */
const MAX_ADDRESSES = 1_000
const OTHERS = ''

/** Refusals of all addresses that get records of their own in a minute, as a multiple of those of one address. */
const ALL_FACTOR = 20

/** The relay's own state is the reason, and no fault of the client. */
const OWN_REASONS: ReadonlySet<ErrorCode> = new Set(['draining', 'relay_busy', 'key_busy', 'internal_error'])

const BOOT = randomBytes(4).toString('hex')
let sums = 0

/** The refusals of one address within a minute. */
interface Count {
  refused: number
  /** Of these, the requests that get no record of their own. */
  summed: number
  /** Bytes of the responses to these. */
  bytesOut: number
  /** When the first of these came. */
  startedAt: number
  receivedAt: number
  method: string
  /** Connections that sent no valid request, and got no line of their own in the log. */
  invalid: number
}

/**
 * Bounds what refused requests without a key cost: beyond `limits.refusalsPerAddressPerMinute` an address gets 429, and
 * one record a minute for all of them. A client with a valid key is not counted.
 */
export class Refusals {
  private readonly limit: number
  private readonly addresses: ClientAddresses
  private readonly bounds: BoundCounters
  private readonly log: Pick<Log, 'info'>
  private readonly record: (summary: RequestSummary) => void
  private readonly counts: Map<string, Count>
  private all: number
  /** When the minute began: `performance.now()`. */
  private since: number

  /** @param record takes the record that stands for many requests */
  constructor(
    config: Config,
    addresses: ClientAddresses,
    bounds: BoundCounters,
    log: Pick<Log, 'info'>,
    record: (summary: RequestSummary) => void,
  ) {
    this.limit = config.limits.refusalsPerAddressPerMinute
    this.addresses = addresses
    this.bounds = bounds
    this.log = log
    this.record = record
    this.counts = new Map()
    this.all = 0
    this.since = performance.now()
  }

  /**
   * Counts a refused request that was not admitted. It is marked as summed if it is to have no record of its own.
   * @returns whether its address has had too many
   */
  isTooMany(exchange: Exchange, code: ErrorCode): boolean {
    if (OWN_REASONS.has(code)) return false
    const count = this.countOf(exchange.req)
    count.refused++
    this.all++
    const isTooMany = count.refused > this.limit
    if (isTooMany) this.bounds.hit('refusalsPerAddressPerMinute')
    if (!isTooMany && this.all <= this.limit * ALL_FACTOR) return false
    exchange.isSummed = true
    if (count.summed === 0) {
      count.startedAt = exchange.timeline.startedAt
      count.receivedAt = exchange.request.receivedAt
      count.method = exchange.request.method
    }
    count.summed++
    return isTooMany
  }

  /** Adds the bytes of a response to a summed request, which has ended. */
  addBytes({ req, outcome }: Exchange): void {
    this.countOf(req).bytesOut += outcome.bytesOut
  }

  /**
   * Counts a connection that sent no valid request.
   * @returns whether the log is to have a line for it
   */
  isWorthALine(peer: string | undefined): boolean {
    const count = this.countAt(peer === undefined ? OTHERS : groupAddress(peer))
    count.refused++
    this.all++
    if (count.refused <= this.limit && this.all <= this.limit * ALL_FACTOR) return true
    count.invalid++
    return false
  }

  /** @param now `performance.now()` */
  tick(now: number): void {
    if (now - this.since < WINDOW_MS) return
    this.since = now
    this.flush(now)
  }

  /** Writes the records of the minute. @param now `performance.now()` */
  flush(now: number): void {
    for (const [address, count] of this.counts) {
      if (count.summed > 0) this.record(summarize(address, count, now))
      if (count.invalid > 0)
        this.log.info(
          { address: address === OTHERS ? null : address, connections: count.invalid },
          `${count.invalid} more connections sent no valid request`,
        )
    }
    this.counts.clear()
    this.all = 0
  }

  private countOf(req: IncomingMessage): Count {
    return this.countAt(this.addresses.findCounted(req.socket.remoteAddress, req.rawHeaders) ?? OTHERS)
  }

  private countAt(address: string): Count {
    const isKnown = this.counts.has(address) || this.counts.size < MAX_ADDRESSES
    const key = isKnown ? address : OTHERS
    let count = this.counts.get(key)
    if (count === undefined) {
      count = { refused: 0, summed: 0, bytesOut: 0, startedAt: 0, receivedAt: 0, method: 'GET', invalid: 0 }
      this.counts.set(key, count)
    }
    return count
  }
}

/** Makes the record of many refused requests. Nothing of a single one is in it but the method of the first. */
function summarize(address: string, count: Count, now: number): RequestSummary {
  sums++
  const { method, receivedAt } = count
  const facts = new RequestFacts(`tw-${BOOT}-r${sums.toString(36)}`, { method, rawHeaders: [] }, receivedAt)
  facts.clientAddress = address === OTHERS ? null : address
  const outcome = new Outcome()
  outcome.status = 429
  outcome.end = 'refused'
  outcome.errorCode = 'too_many_refusals'
  outcome.bytesOut = count.bytesOut
  const summary = new RequestSummary(facts, new Timeline(count.startedAt), outcome, now)
  summary.requests = count.summed
  return summary
}
