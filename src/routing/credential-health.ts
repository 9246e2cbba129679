/** Why an upstream does not serve a credential: it does not take it, or the account has nothing left. */
export type RefusalKind = 'credential' | 'quota'

/** First cooldowns in milliseconds, doubled with each refusal that follows, up to the maximum. */
export type Cooldowns = Readonly<Record<RefusalKind, number>>

const MAX_MS = 3_600_000

/** Called when a credential is refused for a reason that it was not refused for before; null: it is served again. */
export type OnCredentialChange = (why: RefusalKind | null) => void

/**
 * The health of one credential at its upstream, whatever the model. A refused one is tried after all others until its
 * cooldown is over: a wrong key stays wrong until somebody acts, and a used-up quota comes back after minutes or days.
 * There is no timer: every method takes the time, as of `performance.now()`.
 */
export class CredentialHealth {
  /** Why it was refused last; null if it has been served since. */
  refused: RefusalKind | null
  coolingUntil: number
  /** Refusals in a row, each after the cooldown of the one before. */
  private level: number
  private readonly firstMs: Cooldowns
  private readonly onChange: OnCredentialChange

  constructor(firstMs: Cooldowns, onChange: OnCredentialChange) {
    this.firstMs = firstMs
    this.refused = null
    this.coolingUntil = 0
    this.level = 0
    this.onChange = onChange
  }

  allows(now: number): boolean {
    return now >= this.coolingUntil
  }

  /** @param askedMs how long the upstream asks to wait; null if it does not say */
  refuse(now: number, why: RefusalKind, askedMs: number | null): void {
    const asked = Math.min(MAX_MS, askedMs ?? 0)
    // Requests that were under way are refused for the same reason as the first one.
    const isNew = now >= this.coolingUntil
    const ms = isNew ? Math.min(MAX_MS, this.firstMs[why] * 2 ** this.level) : 0
    if (isNew) this.level++
    this.coolingUntil = Math.max(this.coolingUntil, now + Math.max(ms, asked))
    if (this.refused === why) return
    this.refused = why
    this.onChange(why)
  }

  /** A request with it was served. */
  recover(): void {
    if (this.refused === null) return
    this.refused = null
    this.coolingUntil = 0
    this.level = 0
    this.onChange(null)
  }
}
