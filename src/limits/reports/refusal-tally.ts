import type { LimitRule } from '../../config/limit-rules.js'
import type { LimitClaim } from '../../exchange/limit-ticket.js'
import type { RefusalCount } from '../../observe/limit-metrics.js'
import type { Log } from '../../observe/log.js'
import type { LimitExcess } from '../counters/store.js'
import { OTHERS, RuleNames } from './rule-names.js'

/**
 * Why a rule refuses: `model` is one that it does not allow, or that has no price; `unanswered`: the process that
 * counts does not answer.
 */
export type RefusalKind = LimitExcess['kind'] | 'model' | 'unanswered'

/** What of an excess is counted. */
export type ObservedExcess = Pick<LimitExcess, 'rule'> & { readonly kind: RefusalKind }

const WINDOW_MS = 60_000

/** Owners that have lines of their own in a minute. The others of a rule share one. */
const MAX_OWNERS = 200

/** What a rule that only observes would have refused to one owner since its last line. */
interface Observed {
  readonly rule: string
  /** Null for all owners together. */
  readonly owner: string | null
  refused: number
  /** `performance.now()` */
  loggedAt: number
}

/**
 * Counts what rules refuse, and what rules that only observe would have refused. For the latter the log has a line at
 * once, and then one a minute with their number: a refused request has a line of its own, an observed one has not.
 */
export class RefusalTally {
  private readonly log: Pick<Log, 'info'>
  private readonly names: RuleNames
  /** By rule, kind and whether it only observes. */
  private readonly counts: Map<string, { -readonly [Name in keyof RefusalCount]: RefusalCount[Name] }>
  private readonly observed: Map<string, Observed>

  constructor(log: Pick<Log, 'info'>) {
    this.log = log
    this.names = new RuleNames()
    this.counts = new Map()
    this.observed = new Map()
  }

  /** Counts a request that a rule has refused. */
  refuse(rule: Pick<LimitRule, 'name' | 'observe'>, kind: RefusalKind): void {
    this.count(rule, kind)
  }

  /**
   * Counts a request that rules would have refused, if they did more than observe.
   * @param claims of the request
   * @param now `performance.now()`
   */
  observe(excesses: readonly ObservedExcess[], claims: readonly LimitClaim[], now: number): void {
    let last: LimitRule | null = null
    for (const { rule, kind } of excesses) {
      // One request is one refusal, whatever number of amounts of the rule it exceeds. Those of a rule come together.
      if (rule === last) continue
      last = rule
      this.count(rule, kind)
      this.note(rule, claims.find((claim) => claim.rule === rule)?.owner ?? '', kind, now)
    }
  }

  /** Counts a request whose model a rule does not allow that only observes. @param now `performance.now()` */
  observeModel(rule: LimitRule, now: number): void {
    this.count(rule, 'model')
    this.note(rule, '', 'model', now)
  }

  /** @param now `performance.now()` */
  tick(now: number): void {
    for (const [key, entry] of this.observed) {
      if (now - entry.loggedAt < WINDOW_MS) continue
      if (entry.refused === 0) this.observed.delete(key)
      else this.sum(entry, now)
    }
  }

  /** Logs what has no line yet: the relay ends. @param now `performance.now()` */
  flush(now: number): void {
    for (const entry of this.observed.values()) if (entry.refused > 0) this.sum(entry, now)
  }

  /** The counts since the start. */
  list(): Iterable<RefusalCount> {
    return this.counts.values()
  }

  private count({ name, observe }: Pick<LimitRule, 'name' | 'observe'>, kind: RefusalKind): void {
    const rule = this.names.show(name)
    const key = `${rule} ${kind} ${observe}`
    const known = this.counts.get(key)
    if (known !== undefined) {
      known.count++
      return
    }
    this.counts.set(key, { rule, kind, observed: observe, count: 1 })
  }

  private note({ id, name }: LimitRule, owner: string, kind: RefusalKind, now: number): void {
    const known = this.observed.get(`${id} ${owner}`)
    if (known !== undefined) known.refused++
    else if (this.observed.size < MAX_OWNERS) {
      this.observed.set(`${id} ${owner}`, { rule: name, owner, refused: 0, loggedAt: now })
      this.log.info(
        { rule: name, owner: owner === '' ? null : owner, kind, refused: 1 },
        `rule ${name} only observes: it would have refused a request${ofOwner(owner)} (${kind})`,
      )
    } else this.noteOther(this.observed.size < 2 * MAX_OWNERS ? name : OTHERS, now)
  }

  /** Counts for all owners of a rule that have no line of their own. */
  private noteOther(rule: string, now: number): void {
    const key = `${rule}\n`
    const known = this.observed.get(key)
    if (known !== undefined) known.refused++
    else this.observed.set(key, { rule, owner: null, refused: 1, loggedAt: now })
  }

  private sum(entry: Observed, now: number): void {
    const { rule, owner, refused } = entry
    const whose = owner === null ? ' of other owners' : ofOwner(owner)
    const what = refused === 1 ? '1 more request' : `${refused} more requests`
    this.log.info(
      { rule, owner: owner === '' ? null : owner, refused },
      `rule ${rule} only observes: it would have refused ${what}${whose}`,
    )
    entry.refused = 0
    entry.loggedAt = now
  }
}

function ofOwner(owner: string): string {
  return owner === '' ? '' : ` of ${owner}`
}
