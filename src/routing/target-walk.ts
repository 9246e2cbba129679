import type { KeyUse } from './retry-policy.js'
import type { Endpoint, Target } from './route.js'

/**
 * The targets of one request that are still to be tried, in their order. After a failure the other keys of the same
 * upstream come first, last or not at all. Targets at their limit of concurrent requests are passed over.
 */
export class TargetWalk<E extends Endpoint> {
  private readonly targets: readonly Target<E>[]
  /** Indexes into `targets`; a list of our own once a failure has changed it. */
  private order: readonly number[]
  /** Index into `order` of the next one. */
  private at: number

  constructor(targets: readonly Target<E>[], order: readonly number[]) {
    this.targets = targets
    this.order = order
    this.at = 0
  }

  /** Whether a target is left. */
  hasNext(): boolean {
    while (this.at < this.order.length && this.peek().upstream.full) this.at++
    return this.at < this.order.length
  }

  /** Whether another key of this upstream is left. */
  hasKey(upstream: E): boolean {
    return this.some((target) => target.upstream === upstream)
  }

  /** Whether a target of another upstream is left. */
  hasOther(upstream: E): boolean {
    return this.some((target) => target.upstream !== upstream)
  }

  /** The next one. To be called only if there is one. */
  peek(): Target<E> {
    return this.targets[this.order[this.at] as number] as Target<E>
  }

  take(): Target<E> {
    const next = this.peek()
    this.at++
    return next
  }

  /** Puts the other keys of an upstream where its failure wants them. */
  place(upstream: E, keys: KeyUse): void {
    if (!this.hasKey(upstream)) return
    const rest = this.order.slice(this.at)
    const own = rest.filter((i) => this.targets[i]?.upstream === upstream)
    const others = rest.filter((i) => this.targets[i]?.upstream !== upstream)
    this.at = 0
    this.order = keys === 'first' ? [...own, ...others] : keys === 'last' ? [...others, ...own] : others
  }

  private some(is: (target: Target<E>) => boolean): boolean {
    for (let at = this.at; at < this.order.length; at++) {
      const target = this.targets[this.order[at] as number] as Target<E>
      if (!target.upstream.full && is(target)) return true
    }
    return false
  }
}
