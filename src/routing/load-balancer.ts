/**
 * `order`: as listed. `weight`: at random, in proportion to the weights. `latency`: the quicker of two that are
 * drawn, by its first bytes and by how many requests it has.
 */
export type Strategy = 'order' | 'weight' | 'latency'

/** What there is to know of a target's health here; see `Health`. */
export interface BalancedHealth {
  readonly inFlight: number
  allows(now: number): boolean
  expectedFirstByteMs(now: number): number | null
}

export interface BalancedTarget {
  /** Unlike any other of the route, and the same after a restart: affinity goes by it. */
  readonly name: string
  /** From 0 up: what it can bear, relative to the others. 0 is asked when no other can be. */
  readonly weight: number
  readonly health: BalancedHealth
}

/** Of a route with one target. */
const ONE: readonly number[] = Object.freeze([0])

/** Times below it do not tell targets apart, but requests in flight do. */
const LEAST_MS = 1

/**
 * The order in which the targets of one route are asked, for one request after another.
 *
 * Those that are not well, or want to be left alone, come last, as listed. They are never left out: if all are so,
 * all are asked (as with Envoy's panic threshold), since a relay that refuses by itself cannot be right more often
 * than the target.
 */
export class LoadBalancer {
  private readonly targets: readonly BalancedTarget[]
  private readonly strategy: Strategy
  private readonly random: () => number
  /** All of them, as listed: shared by every request that needs no other order. */
  private readonly listed: readonly number[]
  private readonly hashes: readonly number[]
  /** By a target's place in the list; only of use within one call. */
  private readonly allowed: Uint8Array
  private readonly costs: Float64Array

  /** @param random from 0 up to 1 */
  constructor(targets: readonly BalancedTarget[], strategy: Strategy, random: () => number) {
    this.targets = targets
    this.strategy = strategy
    this.random = random
    this.listed = targets.length === 1 ? ONE : Object.freeze(targets.map((_, at) => at))
    this.hashes = targets.map((target) => hash(target.name))
    this.allowed = new Uint8Array(targets.length)
    this.costs = new Float64Array(targets.length)
  }

  /**
   * @param affinity what requests that are to meet the same target have in common, a conversation say; null if
   * nothing. It goes before weight and latency, by which it is spread. With `order` all meet the same target anyway.
   * @returns places in the list of targets, each once. Not to be changed: it may be shared.
   */
  order(now: number, affinity: string | null): readonly number[] {
    if (this.listed.length === 1) return ONE
    const well = this.countAllowed(now)
    if (well === 0) return this.listed
    if (this.strategy === 'order' && well === this.listed.length) return this.listed
    const order = this.wellFirst()
    if (this.strategy === 'order' || well === 1) return order
    if (affinity !== null) this.priceByAffinity(hash(affinity))
    else if (this.strategy === 'weight') this.priceByWeight()
    else this.priceByLatency(now, order, well)
    sortByCost(order, well, this.costs)
    if (affinity === null && this.strategy === 'latency') this.drawTwo(order, well)
    return order
  }

  private countAllowed(now: number): number {
    let well = 0
    for (let at = 0; at < this.targets.length; at++) {
      const allowed = this.targets[at]?.health.allows(now) === true
      this.allowed[at] = allowed ? 1 : 0
      if (allowed) well++
    }
    return well
  }

  private wellFirst(): number[] {
    const order: number[] = []
    for (const at of this.listed) if (this.allowed[at] === 1) order.push(at)
    for (const at of this.listed) if (this.allowed[at] === 0) order.push(at)
    return order
  }

  /**
   * A race: each target's time is exponential with its weight as the rate, so each comes in first as often as it
   * weighs.
   */
  private priceByWeight(): void {
    for (let at = 0; at < this.targets.length; at++) {
      this.costs[at] = this.byWeight(at, -Math.log(1 - this.random()))
    }
  }

  /**
   * Weighted rendezvous hashing (Thaler and Ravishankar 1996; the logarithm is Schindelhauer and Schomaker's, 2005):
   * the same race, whose chances are fixed by the string and each target's name. One that drops out or comes in moves
   * no other's strings.
   */
  private priceByAffinity(key: number): void {
    for (let at = 0; at < this.targets.length; at++) {
      const share = (mix(key ^ (this.hashes[at] as number)) + 0.5) / 2 ** 32
      this.costs[at] = this.byWeight(at, -Math.log(share))
    }
  }

  private priceByLatency(now: number, order: readonly number[], well: number): void {
    let least = Number.POSITIVE_INFINITY
    for (let i = 0; i < well; i++) {
      const at = order[i] as number
      const ms = this.targets[at]?.health.expectedFirstByteMs(now) ?? null
      this.costs[at] = ms === null ? -1 : Math.max(LEAST_MS, ms)
      if (ms !== null) least = Math.min(least, Math.max(LEAST_MS, ms))
    }
    // Better than the best by so much that it is asked, and not by so much that all ask it before it has answered once.
    const unknown = least === Number.POSITIVE_INFINITY ? LEAST_MS : least / 2
    for (let i = 0; i < well; i++) {
      const at = order[i] as number
      const ms = this.costs[at] as number
      const inFlight = this.targets[at]?.health.inFlight ?? 0
      this.costs[at] = this.byWeight(at, (ms === -1 ? unknown : ms) * (inFlight + 1))
    }
  }

  /**
   * Brings the better of two that are drawn to the front (Mitzenmacher, The Power of Two Choices, 2001): were it
   * always the best, all relays would run to the same one at the same time.
   * @param order by cost, so that the better is the one that stands before the other
   */
  private drawTwo(order: number[], well: number): void {
    let drawable = 0
    while (drawable < well && this.weightOf(order[drawable] as number) > 0) drawable++
    if (drawable <= 2) return
    // The lower of two different places: it comes out as often like this, without making sure that they are.
    const better = Math.min(Math.floor(this.random() * drawable), Math.floor(this.random() * (drawable - 1)))
    const winner = order[better] as number
    order.copyWithin(1, 0, better)
    order[0] = winner
  }

  /** Apart from the division: 0 / 0 would be no place in an order. */
  private byWeight(at: number, cost: number): number {
    const weight = this.weightOf(at)
    return weight > 0 ? cost / weight : Number.POSITIVE_INFINITY
  }

  private weightOf(at: number): number {
    return this.targets[at]?.weight ?? 0
  }
}

/** By insertion: there are few, and equal ones stay as listed. */
function sortByCost(order: number[], length: number, costs: Float64Array): void {
  for (let i = 1; i < length; i++) {
    const at = order[i] as number
    let to = i
    while (to > 0 && (costs[order[to - 1] as number] as number) > (costs[at] as number)) {
      order[to] = order[to - 1] as number
      to--
    }
    order[to] = at
  }
}

/** FNV-1a, over UTF-16 code units. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  return value >>> 0
}

/** MurmurHash3's finalizer: each bit of what goes in decides on each that comes out. */
function mix(value: number): number {
  let mixed = value
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
