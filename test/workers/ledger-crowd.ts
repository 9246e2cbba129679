import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import * as assert from 'uvu/assert'
import type { LimitRule } from '../../src/config/limit-rules.js'
import { LimitClaim } from '../../src/exchange/limit-ticket.js'
import type { RequestSummary, SummarySink } from '../../src/exchange/summary.js'
import { formatLedgerName, listLedgerNames } from '../../src/ledger/files.js'
import { nameBudget } from '../../src/limits/replay/restored-budget.js'
import { type Comparison, compareWithLedger } from '../../src/limits/snapshot/drift.js'
import {
  formatEnd,
  formatOwner,
  parseSnapshot,
  SliceFormatter,
  type Snapshot,
} from '../../src/limits/snapshot/snapshot-file.js'
import { LimitServer } from '../../src/workers/limit-server.js'
import { createLinkPair } from '../../src/workers/link.js'
import { type NumberedRecords, RemoteLimits } from '../../src/workers/remote-limits.js'
import { recordOf } from '../support/ledger.js'
import { makeRule } from '../support/limit-rules.js'
import { until } from '../support/until.js'

const log = { info: () => {}, warn: () => {} }

export const RULES = [
  makeRule({ name: 'all', tokens: { month: 1e12 } }),
  makeRule({ name: 'teams', per: 'team', tokens: { day: 1e12 }, usd: { month: 1e6 } }),
]

const configOf = (rules: readonly LimitRule[]) => ({
  rules,
  unpriced: 'assume' as const,
  alerts: { url: null, secret: null, at: [50, 100], maxQueued: 10 },
})

/** A request that is over. */
interface Used {
  readonly id: string
  readonly team: string
  readonly tokens: number
  readonly at: number
}

const nanoOf = (tokens: number): number => tokens * 1_000

/** The ledger of a worker whose disk writes when it is told to. */
class HeldLedger implements NumberedRecords, SummarySink {
  readonly writer: string
  lastSeq = 0
  writtenSeq = 0
  private lines: string[] = []
  private readonly path: string

  constructor(folder: string, writer: string, worker: number) {
    this.writer = writer
    this.path = join(folder, formatLedgerName(new Date().toISOString().slice(0, 10), 1, worker))
  }

  record(summary: RequestSummary): void {
    this.add((summary as unknown as { readonly used: Used }).used)
  }

  add({ id, team, tokens, at }: Used): void {
    const fields = {
      id,
      writer: this.writer,
      seq: ++this.lastSeq,
      ts: new Date(at).toISOString(),
      key: 'k_1',
      team,
    }
    const cost = nanoOf(tokens) / 1e9
    this.lines.push(recordOf({ ...fields, prompt_tokens: tokens, completion_tokens: 0, cost_usd: cost }))
  }

  flush(): void {
    if (this.lines.length > 0) appendFileSync(this.path, this.lines.join(''))
    this.lines = []
    this.writtenSeq = this.lastSeq
  }
}

/** One worker of the crowd: its limits as they are, before a ledger that is not. */
class CrowdWorker {
  readonly number: number
  readonly ledger: HeldLedger
  readonly limits: RemoteLimits
  readonly cut: () => void
  /** What its journal has of requests: ids, and what they were assumed to use. */
  readonly journal: Used[] = []
  private readonly sink: SummarySink

  constructor(crowd: LedgerCrowd, number: number, writer: string) {
    const [link, other] = createLinkPair()
    this.number = number
    this.ledger = new HeldLedger(crowd.folder, writer, number)
    this.limits = new RemoteLimits(link, log)
    this.cut = () => link.cut()
    this.sink = this.limits.holdRecords(this.ledger)
    crowd.server.serve(other, number)
    this.limits.recordIn(this.ledger)
    this.limits.follow({ byId: new Map(crowd.rules.map((rule) => [rule.id, rule])), isComplete: true })
  }

  /** A request is over: it is settled, and recorded when the primary has answered. */
  finish(used: Used, claims: readonly LimitClaim[]): void {
    const use = { tokens: used.tokens, nano: nanoOf(used.tokens) }
    const summary = { reachedLimits: null, request: { id: used.id, receivedAt: used.at }, used }
    this.limits.settle(null, claims, use, summary)
    this.sink.record(summary as unknown as RequestSummary)
  }

  /** Writes the record of a request that it has found in a journal, and counts it. */
  recover(used: Used, claims: readonly LimitClaim[]): void {
    this.ledger.add(used)
    const use = { tokens: used.tokens, nano: nanoOf(used.tokens) }
    this.limits.settleRecovered(used.id, claims, use, used.at)
  }

  tick(): void {
    this.limits.tick(performance.now())
  }
}

/** Several workers in this process, one primary, and a folder with their ledger. */
export class LedgerCrowd {
  readonly folder: string
  readonly server: LimitServer
  readonly workers: CrowdWorker[] = []
  rules: readonly LimitRule[] = RULES
  /** Found in the journals of dead workers, and not recovered yet. */
  readonly open: Used[] = []
  private readonly root: string
  private started = 0
  private requests = 0

  private constructor(count: number) {
    this.root = mkdtempSync(join(tmpdir(), 'crowd-'))
    this.folder = join(this.root, 'data')
    mkdirSync(this.folder)
    this.server = new LimitServer({
      config: configOf(this.rules),
      log,
      listKeyRules: () => [],
      folders: [this.folder],
      bounds: { hit: () => {} },
    })
    this.server.begin()
    for (let i = 0; i < count; i++) this.workers.push(this.connect(i + 1))
  }

  static async open(count: number): Promise<LedgerCrowd> {
    const crowd = new LedgerCrowd(count)
    await crowd.restored()
    return crowd
  }

  async close(): Promise<void> {
    await this.server.close()
    rmSync(this.root, { recursive: true, force: true })
  }

  async restored(): Promise<void> {
    await this.arrive()
    await until(() => {
      this.server.tick(performance.now())
      for (const worker of this.workers) worker.tick()
      return this.server.limiter.isRestored
    }, 'the budgets to be restored')
  }

  private connect(number: number): CrowdWorker {
    return new CrowdWorker(this, number, `w-${++this.started}f`)
  }

  at(i: number): CrowdWorker {
    return this.workers[i % this.workers.length] as CrowdWorker
  }

  /** @param isLong the request has lasted so long that it is in the journal, with another amount */
  finish(i: number, team: string, tokens: number, isLong: boolean): Used {
    const used = { id: `tw-${++this.requests}`, team, tokens, at: Date.now() }
    const worker = this.at(i)
    if (isLong) worker.journal.push({ ...used, tokens: tokens + 7 })
    worker.finish(used, this.claimsOf(used))
    return used
  }

  /** Everything that was said is heard, and answered. */
  async arrive(): Promise<void> {
    for (let i = 0; i < 10; i++) await nextTurn()
  }

  /** The primary has read what its dead workers have written last. */
  async settled(): Promise<void> {
    await until(() => this.server.counted.writers.size <= this.workers.length, 'the last records to be read')
    await this.arrive()
  }

  /** A worker is killed, and another one takes its place. @param isHeard what it has said last arrives */
  async kill(i: number, isHeard: boolean): Promise<void> {
    const worker = this.at(i)
    if (isHeard) await this.arrive()
    worker.cut()
    await this.replace(worker)
  }

  /** The same after its record is written, and before what it has said arrives. */
  async killAfterWrite(i: number): Promise<void> {
    const worker = this.at(i)
    worker.cut()
    worker.ledger.flush()
    await this.replace(worker)
  }

  /** The primary has heard of the new one before it serves a request. */
  private async replace(worker: CrowdWorker): Promise<void> {
    const text = this.text()
    this.open.push(...worker.journal.filter(({ id }) => !text.includes(`"${id}"`)))
    const next = this.connect(worker.number)
    this.workers[this.workers.indexOf(worker)] = next
    while (!this.server.listWorkers().includes(next.ledger.writer)) await nextTurn()
  }

  /** The replacement of a dead worker writes the records that are missing. */
  recover(i: number): void {
    const worker = this.at(i)
    for (const used of this.open.splice(0)) worker.recover(used, this.claimsOf(used))
  }

  /** A worker ends as in a rolling restart: all is recorded, then it is gone. @param isTold the primary hears how far */
  async retire(i: number, isTold: boolean): Promise<void> {
    const worker = this.at(i)
    await this.arrive()
    worker.ledger.flush()
    if (isTold) worker.tick()
    await this.arrive()
    worker.cut()
    this.workers[this.workers.indexOf(worker)] = this.connect(worker.number)
  }

  /** Everything that is on its way comes to its end. */
  async quiesce(): Promise<void> {
    await this.arrive()
    await this.settled()
    this.recover(0)
    await this.arrive()
    for (const worker of this.workers) worker.ledger.flush()
    for (let i = 0; i < 2; i++) {
      for (const worker of this.workers) worker.tick()
      await this.arrive()
    }
  }

  private claimsOf({ team }: Used): LimitClaim[] {
    return this.rules.map((rule) => new LimitClaim(rule, rule.per === 'team' ? team : ''))
  }

  /** Names of the budgets of a rule. */
  namesOf(name: string): string[] {
    return this.rules
      .filter((rule) => rule.name === name)
      .flatMap((rule) => rule.budgets.map((budget) => nameBudget(rule, budget)))
  }

  /** What the file of the primary says now. */
  snapshot(): Snapshot {
    const slices = new SliceFormatter()
    const { server } = this
    for (const state of server.limiter.readAll()) slices.add(state)
    const owner = { writer: 'primary-1', started: '2026-01-01T00:00:00.000Z', host: 'h', pid: 1, born: null }
    const end = { written: new Date().toISOString(), ended: false, restored: server.limiter.isRestored }
    const text =
      formatOwner(owner, true) +
      slices.take(server.counted, Date.now()) +
      formatEnd(end, server.listWorkers())
    const parsed = parseSnapshot(text)
    if (typeof parsed === 'string') throw new Error(parsed)
    return parsed
  }

  compare(snapshot = this.snapshot()): Promise<Comparison> {
    return compareWithLedger([this.folder], snapshot, this.rules)
  }

  /** No drift, and nothing that is counted without a record. */
  async checkBooks(): Promise<void> {
    const found = await this.compare()
    assert.equal(describeDrifts(found), [])
    assert.is(found.unwritten, 0)
  }

  /** The pool's tokens. */
  get used(): number {
    const [state] = this.server.limiter.readAll().filter(({ rule }) => rule.name === 'all')
    return Number(state?.used ?? 0)
  }

  /** The ledger as it is. */
  text(): string {
    if (!existsSync(this.folder)) return ''
    const names = listLedgerNames(readdirSync(this.folder))
    return names.map(({ name }) => readFileSync(join(this.folder, name), 'utf8')).join('')
  }
}

export function describeDrifts({ drifts }: Comparison): string[] {
  return drifts.map(({ rule, owner, budget, live, ledger }) =>
    [rule.name, owner, budget.unit, budget.period, live, ledger].join(' '),
  )
}
