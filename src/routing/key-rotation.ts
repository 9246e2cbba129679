import type { Strategy } from '../config/routes.js'
import type { BalancedHealth, BalancedTarget, Balancer } from './load-balancer.js'
import { LoadBalancer } from './load-balancer.js'

/** One of the keys of an upstream in a route, as the rotation sees it. */
export interface RotatedTarget extends BalancedTarget {
  /** Keys with the same group are of one upstream and model. */
  readonly group: number
  /** Share of the key among those of its group. */
  readonly keyWeight: number
}

/**
 * Orders the targets of a route in which an upstream has several keys. The strategy of the route chooses among the
 * upstreams, as if each had one key; then the keys of an upstream take turns by weight. A key that is at rest takes no
 * turn as long as another one of its upstream is not.
 */
export class KeyRotation implements Balancer {
  private readonly groups: readonly KeyGroup[]
  private readonly balancer: LoadBalancer
  private readonly targets: readonly RotatedTarget[]

  /** @param targets those of one group side by side @param random returns numbers from 0 up to 1, exclusive */
  constructor(targets: readonly RotatedTarget[], strategy: Strategy, random: () => number) {
    const members = new Map<number, number[]>()
    for (const [i, { group }] of targets.entries()) {
      const known = members.get(group)
      if (known === undefined) members.set(group, [i])
      else known.push(i)
    }
    this.targets = targets
    this.groups = [...members.values()].map((indexes) => new KeyGroup(targets, indexes, random))
    this.balancer = new LoadBalancer(this.groups, strategy, random)
  }

  order(now: number, affinity: string | null): readonly number[] {
    for (const group of this.groups) group.turn(now)
    const order: number[] = []
    const rest: number[] = []
    for (const at of this.balancer.order(now, affinity)) {
      const { chosen, indexes } = this.groups[at] as KeyGroup
      order.push(chosen)
      for (const index of indexes) if (index !== chosen) rest.push(index)
    }
    const allows = (at: number): boolean => this.targets[at]?.health.allows(now) === true
    const all = [...order, ...rest]
    return [...all.filter(allows), ...all.filter((at) => !allows(at))]
  }
}

/**
 * The keys of one upstream in a route: one target to the balancer, whose health is that of the key whose turn it is.
 */
class KeyGroup implements BalancedTarget {
  readonly name: string
  readonly weight: number
  readonly health: BalancedHealth
  readonly indexes: readonly number[]
  /** Index of the target whose turn it is. */
  chosen: number
  private readonly targets: readonly RotatedTarget[]
  private readonly random: () => number

  constructor(targets: readonly RotatedTarget[], indexes: readonly number[], random: () => number) {
    const first = targets[indexes[0] as number] as RotatedTarget
    this.name = first.name
    this.weight = first.weight
    this.indexes = indexes
    this.chosen = indexes[0] as number
    this.targets = targets
    this.random = random
    const health = (): BalancedHealth => (targets[this.chosen] as RotatedTarget).health
    this.health = {
      get inFlight() {
        return health().inFlight
      },
      allows: (now) => health().allows(now),
      expectedFirstByteMs: (now) => health().expectedFirstByteMs(now),
    }
  }

  /** Draws a key by weight, among those that are allowed; if none is, among all. */
  turn(now: number): void {
    const allowed = this.indexes.filter((at) => this.targets[at]?.health.allows(now) === true)
    const drawn = allowed.length > 0 ? allowed : this.indexes
    let total = 0
    for (const at of drawn) total += (this.targets[at] as RotatedTarget).keyWeight
    let left = this.random() * total
    this.chosen = drawn[0] as number
    for (const at of drawn) {
      this.chosen = at
      left -= (this.targets[at] as RotatedTarget).keyWeight
      if (left < 0) break
    }
  }
}
