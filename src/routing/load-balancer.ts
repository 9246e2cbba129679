import type { Strategy } from '../config/routes.js'

/** What the balancer needs to know of a target's health; see `CircuitBreaker`. */
export interface BalancedHealth {
  readonly inFlight: number
  allows(now: number): boolean
  expectedFirstByteMs(now: number): number | null
}

/** One target of a route, as the balancer sees it. */
export interface BalancedTarget {
  /** Unique within the route, and the same after a restart: affinity depends on it. */
  readonly name: string
  /** Relative capacity, from 0 up. A target with 0 is used only when no other can be. */
  readonly weight: number
  readonly health: BalancedHealth
}

/** Orders the targets of a route for each request. */
export interface Balancer {
  /** See `LoadBalancer.order`. */
  order(now: number, affinity: string | null): readonly number[]
}

/** The order of a route with one target. */
const ONE: readonly number[] = Object.freeze([0])

/** Differences below one millisecond do not matter; the requests in flight do. */
const LATENCY_MIN_MS = 1

/**
 * Orders the targets of one route for each request: the first is tried first.
 *
 * - `order`: as listed.
 * - `weight`: at random, in proportion to the weights.
 * - `latency`: the better of two that are drawn at random, by first-byte time and requests in flight.
 *
 * Targets that are unhealthy or in a cooldown come last, as listed. They are never left out: if all targets are
 * unhealthy, all are tried (like Envoy's panic threshold). A relay that refuses by itself cannot be right more often
 * than the target.
 */
export class LoadBalancer implements Balancer {
  private readonly targets: readonly BalancedTarget[]
  private readonly strategy: Strategy
  private readonly random: () => number
  /** All indices as listed; shared by all requests that need no other order. */
  private readonly listed: readonly number[]
  private readonly hashes: readonly number[]
  /** Scratch space by index, valid within one call: 1 if the target is allowed. */
  private readonly allowed: Uint8Array
  /** Scratch space by index, valid within one call: the lowest score comes first. */
  private readonly scores: Float64Array

  /** @param random returns numbers from 0 up to 1, exclusive */
  constructor(targets: readonly BalancedTarget[], strategy: Strategy, random: () => number) {
    this.targets = targets
    this.strategy = strategy
    this.random = random
    this.listed = targets.length === 1 ? ONE : Object.freeze(targets.map((_, at) => at))
    this.hashes = targets.map((target) => hash(target.name))
    this.allowed = new Uint8Array(targets.length)
    this.scores = new Float64Array(targets.length)
  }

  /**
   * @param now `performance.now()`
   * @param affinity what requests for the same target have in common, such as a conversation; null for none. It spreads
   * requests by weight, and takes precedence over `weight` and `latency`. With `order` it changes nothing.
   * @returns indices of the targets, each once; shared, so not to be changed
   */
  order(now: number, affinity: string | null): readonly number[] {
    if (this.listed.length === 1) return ONE
    const allowed = this.countAllowed(now)
    if (allowed === 0) return this.listed
    if (this.strategy === 'order' && allowed === this.listed.length) return this.listed
    const order = this.listAllowedFirst()
    if (this.strategy === 'order' || allowed === 1) return order
    if (affinity !== null) this.scoreByAffinity(hash(affinity))
    else if (this.strategy === 'weight') this.scoreByWeight()
    else this.scoreByLatency(now, order, allowed)
    sortByScore(order, allowed, this.scores)
    if (affinity === null && this.strategy === 'latency') this.pickTwo(order, allowed)
    return order
  }

  private countAllowed(now: number): number {
    let count = 0
    for (let at = 0; at < this.targets.length; at++) {
      const allowed = this.targets[at]?.health.allows(now) === true
      this.allowed[at] = allowed ? 1 : 0
      if (allowed) count++
    }
    return count
  }

  private listAllowedFirst(): number[] {
    const order: number[] = []
    for (const at of this.listed) if (this.allowed[at] === 1) order.push(at)
    for (const at of this.listed) if (this.allowed[at] === 0) order.push(at)
    return order
  }

  /**
   * A race: each target's time is drawn from an exponential distribution with its weight as the rate, so each wins in
   * proportion to its weight.
   */
  private scoreByWeight(): void {
    for (let at = 0; at < this.targets.length; at++) {
      this.scores[at] = this.divideByWeight(at, -Math.log(1 - this.random()))
    }
  }

  /**
   * Weighted rendezvous hashing (Thaler and Ravishankar 1996; the logarithm is Schindelhauer and Schomaker's, 2005).
   * This is the same race, but each target's time is fixed by the key and the target's name. A target that leaves or
   * joins moves no keys between the other targets.
   */
  private scoreByAffinity(key: number): void {
    for (let at = 0; at < this.targets.length; at++) {
      const share = (mix(key ^ (this.hashes[at] as number)) + 0.5) / 2 ** 32
      this.scores[at] = this.divideByWeight(at, -Math.log(share))
    }
  }

  /** Scores the first `allowed` targets of `order` by expected first-byte time and requests in flight. */
  private scoreByLatency(now: number, order: readonly number[], allowed: number): void {
    let best = Number.POSITIVE_INFINITY
    for (let i = 0; i < allowed; i++) {
      const at = order[i] as number
      const ms = this.targets[at]?.health.expectedFirstByteMs(now) ?? null
      this.scores[at] = ms === null ? -1 : Math.max(LATENCY_MIN_MS, ms)
      if (ms !== null) best = Math.min(best, Math.max(LATENCY_MIN_MS, ms))
    }
    // A target without measured times counts as twice as fast as the best: it gets a request, but not all requests
    // before its first response.
    const unknown = best === Number.POSITIVE_INFINITY ? LATENCY_MIN_MS : best / 2
    for (let i = 0; i < allowed; i++) {
      const at = order[i] as number
      const ms = this.scores[at] as number
      const inFlight = this.targets[at]?.health.inFlight ?? 0
      this.scores[at] = this.divideByWeight(at, (ms === -1 ? unknown : ms) * (inFlight + 1))
    }
  }

  /**
   * Draws two targets and moves the better one to the front (Mitzenmacher, The Power of Two Choices, 2001). Without the
   * draw, all relays would send to the same best target at the same time.
   * @param order sorted by score, so the better of two is the earlier one
   */
  private pickTwo(order: number[], allowed: number): void {
    let drawable = 0
    while (drawable < allowed && this.weightOf(order[drawable] as number) > 0) drawable++
    if (drawable <= 2) return
    // Distributed like the lower of two different indices, without drawing until they differ.
    const better = Math.min(Math.floor(this.random() * drawable), Math.floor(this.random() * (drawable - 1)))
    const winner = order[better] as number
    order.copyWithin(1, 0, better)
    order[0] = winner
  }

  /** Handles weight 0 apart from the division: 0 / 0 has no place in an order. */
  private divideByWeight(at: number, score: number): number {
    const weight = this.weightOf(at)
    return weight > 0 ? score / weight : Number.POSITIVE_INFINITY
  }

  private weightOf(at: number): number {
    return this.targets[at]?.weight ?? 0
  }
}

/** Insertion sort of the first `length` indices: there are few, and equal scores stay as listed. */
function sortByScore(order: number[], length: number, scores: Float64Array): void {
  for (let i = 1; i < length; i++) {
    const at = order[i] as number
    let to = i
    while (to > 0 && (scores[order[to - 1] as number] as number) > (scores[at] as number)) {
      order[to] = order[to - 1] as number
      to--
    }
    order[to] = at
  }
}

/** FNV-1a over UTF-16 code units. */
function hash(text: string): number {
  let value = 0x811c9dc5
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193)
  return value >>> 0
}

/** MurmurHash3's finalizer: each input bit affects each output bit. */
function mix(value: number): number {
  let mixed = value
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b)
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35)
  return (mixed ^ (mixed >>> 16)) >>> 0
}
