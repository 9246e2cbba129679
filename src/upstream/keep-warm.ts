import { lookup } from 'node:dns'
import { describeErrorCause } from '../lib/error-code.js'

/** How often it is looked whether an upstream has a connection. */
const LOOK_MS = 1_000

/** An upstream that nobody has asked for so long is not kept warm any longer. */
const IDLE_MS = 600_000

/** The wait before one that could not be reached is tried again; twice as long each time, up to the longest. */
const RETRY_MS = 2_000
const RETRY_MAX_MS = 60_000

/** How often the addresses of an upstream are looked up. */
const LOOKUP_MS = 30_000

/** Of an `Upstream`, what keeping it warm takes. */
export interface WarmUpstream {
  readonly name: string
  /** `performance.now()` of its last request. */
  readonly usedAt: number
  readonly connected: number
  /** Null if there is nothing to look up. */
  readonly lookedUp: string | null
  warm(): Promise<Error | null>
  renew(): void
}

export interface KeepWarmEvents {
  /** It could not be reached; told once, until it is again. */
  onTrouble(upstream: string, cause: string): void
  /** It has moved, and is asked where it is now. */
  onMoved(upstream: string): void
}

type Lookup = (host: string, callback: (addresses: readonly string[]) => void) => void

/**
 * Keeps a connection to each upstream that is in use, through quiet times too: whoever comes back from lunch does not wait for
 * DNS, TCP and TLS. And follows upstreams that move: a connection stays where it is as long as it is used, which may be for
 * ever, so the pool is made anew when none of the addresses is one of the last time.
 */
export class KeepWarm {
  private kept: readonly Kept[]
  private readonly events: KeepWarmEvents
  private readonly lookup: Lookup
  private readonly timer: NodeJS.Timeout

  /** @param look resolves names; Node's own resolver, as connections use it */
  constructor(events: KeepWarmEvents, look: Lookup = lookUp) {
    this.kept = []
    this.events = events
    this.lookup = look
    this.timer = setInterval(() => this.tick(performance.now()), LOOK_MS).unref()
  }

  /**
   * These from now on, and no others. Connects those that are new.
   * @returns resolves when each of them is connected, or is not to be had
   */
  async keep(upstreams: readonly WarmUpstream[]): Promise<void> {
    const known = new Map(this.kept.map((one) => [one.upstream, one]))
    this.kept = upstreams.map(
      (upstream) => known.get(upstream) ?? new Kept(upstream, this.events, this.lookup),
    )
    const fresh = this.kept.filter(({ upstream }) => !known.has(upstream))
    await Promise.all(fresh.map((one) => one.connect(performance.now())))
  }

  /** @param now `performance.now()` */
  tick(now: number): void {
    for (const one of this.kept) one.tick(now)
  }

  close(): void {
    clearInterval(this.timer)
    this.kept = []
  }
}

/** One upstream that is kept warm. */
class Kept {
  readonly upstream: WarmUpstream
  private readonly events: KeepWarmEvents
  private readonly lookup: Lookup
  private connecting: boolean
  private failures: number
  private retryAt: number
  private lookupAt: number
  private addresses: readonly string[]

  constructor(upstream: WarmUpstream, events: KeepWarmEvents, look: Lookup) {
    this.upstream = upstream
    this.events = events
    this.lookup = look
    this.connecting = false
    this.failures = 0
    this.retryAt = 0
    this.lookupAt = 0
    this.addresses = []
  }

  tick(now: number): void {
    if (now - this.upstream.usedAt > IDLE_MS) return
    if (now >= this.lookupAt) this.follow(now)
    if (this.upstream.connected === 0 && !this.connecting && now >= this.retryAt) void this.connect(now)
  }

  async connect(now: number): Promise<void> {
    const { upstream } = this
    this.connecting = true
    const error = await upstream.warm()
    this.connecting = false
    if (error === null) {
      this.failures = 0
      return
    }
    if (this.failures === 0) this.events.onTrouble(upstream.name, describeErrorCause(error))
    this.retryAt = now + Math.min(RETRY_MAX_MS, RETRY_MS * 2 ** this.failures)
    this.failures++
  }

  private follow(now: number): void {
    const { lookedUp } = this.upstream
    this.lookupAt = now + LOOKUP_MS
    if (lookedUp === null) return
    this.lookup(lookedUp, (addresses) => {
      const before = this.addresses
      // A resolver that is out of order says nothing about where the upstream is.
      if (addresses.length === 0) return
      this.addresses = addresses
      if (before.length === 0 || addresses.some((address) => before.includes(address))) return
      this.upstream.renew()
      this.events.onMoved(this.upstream.name)
    })
  }
}

function lookUp(host: string, callback: (addresses: readonly string[]) => void): void {
  lookup(host, { all: true }, (error, found) => {
    callback(error === null ? found.map(({ address }) => address) : [])
  })
}
