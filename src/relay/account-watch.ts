import type { ResponderHealth } from '../exchange/outcome.js'
import { classifyRefusal } from '../routing/refusal.js'
import type { Attempt } from './attempt.js'
import { reportCooldown } from './target-reports.js'

/**
 * Hears how an error response ended that went to the client as it came, because no other target was left: its meter has
 * read what it says of the account.
 */
export class AccountWatch implements ResponderHealth {
  private readonly attempt: Pick<Attempt, 'target'>
  private readonly status: number

  constructor(attempt: Pick<Attempt, 'target'>, status: number) {
    this.attempt = attempt
    this.status = status
  }

  settle(_ticket: number, now: number, error: string | null): void {
    if (error === null) return
    const facts = { words: [error.toLowerCase()], message: '', delayMs: null }
    const kind = classifyRefusal(this.status, facts, true)
    if (kind !== 'quota_exhausted') return
    reportCooldown(this.attempt, { kind, askedMs: null, model: null }, now)
  }
}
