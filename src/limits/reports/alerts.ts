import { createHash } from 'node:crypto'
import type { LimitRulesConfig } from '../../config/limit-rules.js'
import type { BoundCounters } from '../../lib/limit-counters.js'
import type { Log } from '../../observe/log.js'
import type { LimitCrossing } from '../counters/store.js'
import { formatNumber } from '../responses/amount-text.js'
import { AlertWebhook, type WebhookCounts } from './alert-webhook.js'

/**
 * Reports budgets that come to a share of their amount: a line in the log, a field of the record, and a call of the
 * webhook. What is used of a budget only grows within its period, so each share is crossed once, and nothing has to be
 * remembered. What a restart restores from the ledger crosses nothing.
 */
export class LimitAlerts {
  private readonly log: Pick<Log, 'warn'>
  private readonly webhook: AlertWebhook
  /** Percent, ascending. */
  private shares: readonly number[]

  /** @param bounds counts alerts that find the queue full */
  constructor(
    settings: LimitRulesConfig['alerts'],
    log: Pick<Log, 'warn'>,
    bounds: Pick<BoundCounters, 'hit'>,
  ) {
    this.log = log
    this.webhook = new AlertWebhook(settings, log, bounds)
    this.shares = settings.at
  }

  /** Follows other settings from now on. Alerts that wait go to the new address. */
  reconfigure(settings: LimitRulesConfig['alerts']): void {
    this.shares = settings.at
    this.webhook.reconfigure(settings)
  }

  /**
   * Reports the shares that a request has crossed; of several shares of one budget only the highest.
   * @returns what its record says (`reachedLimits`): `team1-month usd month 80%, ...`; null for nothing
   */
  report(crossings: readonly LimitCrossing[]): string | null {
    let reached: string | null = null
    for (const crossing of crossings) {
      const share = this.findShare(crossing)
      if (share === null) continue
      this.tell(crossing, share)
      const { rule, budget } = crossing
      const text = `${rule.name} ${budget.unit} ${budget.period} ${share}%`
      reached = reached === null ? text : `${reached}, ${text}`
    }
    return reached
  }

  /** @param now `performance.now()` */
  tick(now: number): void {
    this.webhook.tick(now)
  }

  get counts(): WebhookCounts {
    return this.webhook.counts
  }

  /** Sends what waits for the webhook once more, within two seconds. The log tells what is left. */
  close(): Promise<void> {
    return this.webhook.close()
  }

  /** Tells the log what waits for the webhook: the process ends by itself, and nothing can be sent any more. */
  endNow(): void {
    this.webhook.logLeft()
  }

  /** The highest share that lies between the two amounts; null for none. */
  private findShare({ budget, before, after }: LimitCrossing): number | null {
    for (let i = this.shares.length - 1; i >= 0; i--) {
      const share = this.shares[i] as number
      const threshold = amountOf(share, budget.amount)
      if (after >= threshold) return before < threshold ? share : null
    }
    return null
  }

  private tell(crossing: LimitCrossing, share: number): void {
    const { rule, owner, budget, period, after, resetsAt } = crossing
    const [used, limit] = [formatNumber(budget.unit, after), formatNumber(budget.unit, budget.amount)]
    const resets = new Date(resetsAt).toISOString()
    const fields = {
      rule: rule.name,
      owner: owner === '' ? null : owner,
      unit: budget.unit,
      period,
      used: Number(used),
      limit: Number(limit),
      share,
      observe: rule.observe,
      resets_at: resets,
    }
    const unit = budget.unit === 'usd' ? 'USD' : 'tokens'
    const whose = owner === '' ? '' : ` of ${owner}`
    const observed = rule.observe ? ', which only observes' : ''
    this.log.warn(
      fields,
      `rule ${rule.name}${observed}: ${share} % of the ${budget.period}${whose} is used, ${used} of ${limit} ${unit}, until ${resets}`,
    )
    const id = identify(crossing, share)
    this.webhook.add({
      id,
      name: `${rule.name} ${budget.unit} ${budget.period} ${share}%`,
      body: JSON.stringify({
        type: 'limit.reached',
        id,
        reached_at: new Date().toISOString(),
        span: budget.period,
        per: rule.per,
        ...fields,
      }),
    })
  }
}

/** Exact: an amount in nano-dollars times 100 would be beyond the whole numbers of a double. */
function amountOf(share: number, amount: number): number {
  return Math.floor(amount / 100) * share + Math.ceil(((amount % 100) * share) / 100)
}

/** The same for one share of one budget in one period, so that a receiver can tell a second call. */
function identify({ rule, owner, budget, period }: LimitCrossing, share: number): string {
  const parts = [rule.id, owner, budget.unit, budget.period, budget.amount, period, share]
  return `alert_${createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 24)}`
}
