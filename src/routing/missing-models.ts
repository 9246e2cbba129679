/** Milliseconds for which a model that an account lacks is asked of other targets first. */
const MISSING_MS = 60_000

/** A client can make up any number of names: with more than this, the oldest is forgotten. */
const REMEMBERED_MAX = 64

/** A longer name is remembered by its beginning. */
const NAME_MAX = 200

/**
 * The models that one target has said it lacks. They are remembered one by one: a client that asks for a name of its
 * own invention must not send a target to rest for everybody else.
 */
export class MissingModels {
  /** Until when, by the model. */
  private readonly until: Map<string, number>
  private readonly onMissing: (model: string) => void
  private warnedUntil: number

  /** @param onMissing called at most once in the time that a model is remembered for */
  constructor(onMissing: (model: string) => void) {
    this.until = new Map()
    this.onMissing = onMissing
    this.warnedUntil = 0
  }

  /** Whether any model is remembered, also one whose time is over. */
  get isEmpty(): boolean {
    return this.until.size === 0
  }

  /** @param now `performance.now()` */
  add(model: string, now: number): void {
    const name = model.slice(0, NAME_MAX)
    this.until.delete(name)
    this.until.set(name, now + MISSING_MS)
    const [oldest] = this.until.keys()
    if (this.until.size > REMEMBERED_MAX && oldest !== undefined) this.until.delete(oldest)
    if (now < this.warnedUntil) return
    this.warnedUntil = now + MISSING_MS
    this.onMissing(name)
  }

  lacks(model: string, now: number): boolean {
    return (this.until.get(model.slice(0, NAME_MAX)) ?? 0) > now
  }

  /** The target has served the model. */
  forget(model: string): void {
    this.until.delete(model.slice(0, NAME_MAX))
  }

  /** Milliseconds until the last of them is forgotten; 0 for none. */
  coolingMs(now: number): number {
    let latest = now
    for (const until of this.until.values()) if (until > latest) latest = until
    return latest - now
  }
}
