import type { Outcome } from './front-client.js'
import type { FrontProvider } from './provider.js'

/** How long an id is watched for a second arrival after its client has its outcome. */
const WATCH_MS = 30_000
const SHOWN_VIOLATIONS = 20
/** How many of the last faults are named with a violation. */
const SHOWN_FAULTS = 3

/** Counts what clients saw during random faults, and knows which of it a fault explains. */
export class SoakJudge {
  readonly counts = {
    requests: 0,
    whole: 0,
    direct: 0,
    /** Cut since the provider was asked to, and seen as cut. */
    cutByProvider: 0,
    /** Cut or failed while the relay that had them was killed. */
    lostWithRelay: 0,
    violations: 0,
  }
  readonly faults = new Map<string, number>()
  slowestMs = 0
  private readonly recent: Array<{ readonly name: string; readonly from: number; to: number | null }> = []
  /** Times at which relays were killed: from the signal to the end of the process. */
  private readonly kills: Array<{ from: number; to: number }> = []
  private readonly watched: Array<{ id: string; at: number }> = []
  private readonly provider: FrontProvider
  private readonly say: (text: string) => void

  constructor(provider: FrontProvider, say: (text: string) => void) {
    this.provider = provider
    this.say = say
  }

  beginFault(name: string): void {
    this.faults.set(name, (this.faults.get(name) ?? 0) + 1)
    this.recent.push({ name, from: performance.now(), to: null })
    if (this.recent.length > SHOWN_FAULTS) this.recent.shift()
  }

  endFault(): void {
    const last = this.recent.at(-1)
    if (last !== undefined) last.to = performance.now()
  }

  /**
   * Notes the time that a kill takes: requests that were open at this time may be lost with the relay.
   * @param kill resolves to the time when the process was gone; nothing: when it resolves
   */
  async duringKill(kill: () => Promise<unknown>): Promise<void> {
    const from = performance.now()
    const noted = { from, to: Number.POSITIVE_INFINITY }
    this.kills.push(noted)
    const goneAt = await kill()
    noted.to = typeof goneAt === 'number' ? goneAt : performance.now()
  }

  /** @param wasCut whether the provider was asked to cut this answer */
  judge(outcome: Outcome, wasCut: boolean): void {
    const { counts } = this
    const { ended, id, from, to } = outcome
    counts.requests++
    if (outcome.isDirect) counts.direct++
    this.slowestMs = Math.max(this.slowestMs, to - from)
    this.watched.push({ id, at: to })
    if (ended === 'whole' && !wasCut) counts.whole++
    else if (ended === 'whole') this.report('an answer that was cut looked whole', outcome)
    else if (ended === 'false-whole' || ended === 'late') this.report(ended, outcome)
    else if (wasCut) counts.cutByProvider++
    else if (this.kills.some((kill) => from <= kill.to && to >= kill.from)) counts.lostWithRelay++
    else this.report('lost without a fault', outcome)
  }

  /** Looks for what was sent twice among requests that have ended long enough ago. @param all those of right now, too */
  checkArrivals(all = false): void {
    const limit = all ? Number.POSITIVE_INFINITY : performance.now() - WATCH_MS
    while (this.watched[0] !== undefined && this.watched[0].at < limit) {
      const { id } = this.watched.shift() as { id: string }
      const ways = this.provider.arrivalsOf(id).map(({ way }) => way)
      if (ways.length > 1) this.report(`sent ${ways.length} times (${ways.join(', ')})`, { id })
      this.provider.forget(id)
    }
    // Nothing that is open now began before these.
    while (this.kills.length > 100) this.kills.shift()
  }

  /** One line: what there was until now. */
  describe(): string {
    const { counts } = this
    const faults = [...this.faults].map(([name, count]) => `${count} ${name}`).join(', ')
    return (
      `${counts.requests} requests: ${counts.whole} whole, ${counts.direct} direct, ` +
      `${counts.cutByProvider} cut by the provider, ${counts.lostWithRelay} lost with a killed relay, ` +
      `slowest ${this.slowestMs.toFixed(0)} ms; faults: ${faults || 'none'}; ${counts.violations} violations\n`
    )
  }

  private report(what: string, outcome: Partial<Outcome>): void {
    if (++this.counts.violations > SHOWN_VIOLATIONS) return
    const { id, ended, status, code, protocol, isDirect, from, to, body } = outcome
    const text = body?.slice(0, 300)
    const seen = { id, ended, status, code, protocol, isDirect, from, to, text }
    const at = new Date(performance.timeOrigin + (to ?? performance.now())).toISOString()
    this.say(`VIOLATION ${what}: ${JSON.stringify({ at, ...seen, faults: this.recent })}\n`)
  }
}
