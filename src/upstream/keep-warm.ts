import { lookup } from 'node:dns'
import { describeErrorCause } from '../lib/error-code.js'

/** How often each upstream is checked for a connection. */
const CHECK_MS = 1_000

/** An upstream without requests for this long is not kept warm any more. */
const IDLE_MS = 600_000

/** The wait before an unreachable upstream is tried again: doubled each time, up to the maximum. */
const RETRY_MS = 2_000
const RETRY_MAX_MS = 60_000

/** How often the addresses of an upstream are looked up. */
const LOOKUP_MS = 30_000

/** What `KeepWarm` needs of an `Upstream`. */
export interface WarmUpstream {
  readonly name: string
  /** `performance.now()` of its last request. */
  readonly usedAt: number
  /** Number of open connections. */
  readonly connected: number
  /** The host name to look up; null if there is none. */
  readonly lookedUp: string | null
  warm(): Promise<Error | null>
  renew(): void
}

/** What `KeepWarm` reports. */
export interface KeepWarmEvents {
  /** An upstream could not be reached. Called once until it can be reached again. */
  onTrouble(upstream: string, cause: string): void
  /** The name of an upstream has other addresses now, and its connections were renewed. */
  onMoved(upstream: string): void
}

type Lookup = (host: string, callback: (addresses: readonly string[]) => void) => void

/**
 * Keeps a connection to each upstream that is in use, also through quiet times, so that the first request after lunch
 * does not wait for DNS, TCP and TLS. It also follows upstreams whose name gets other addresses: a connection that is
 * in use may last for ever, so the connections are renewed when a lookup finds none of the addresses that it found
 * before.
 */
export class KeepWarm {
  private warmers: readonly UpstreamWarmer[]
  private readonly events: KeepWarmEvents
  private readonly lookup: Lookup
  private readonly timer: NodeJS.Timeout

  /** @param resolve looks up a name; by default Node's own resolver, which connections use, too */
  constructor(events: KeepWarmEvents, resolve: Lookup = lookUp) {
    this.warmers = []
    this.events = events
    this.lookup = resolve
    this.timer = setInterval(() => this.tick(performance.now()), CHECK_MS).unref()
  }

  /**
   * Keeps these upstreams warm from now on, and no others. Connects to the new ones at once.
   * @returns resolves when each new upstream is connected or has failed
   */
  async keep(upstreams: readonly WarmUpstream[]): Promise<void> {
    const known = new Map(this.warmers.map((warmer) => [warmer.upstream, warmer]))
    this.warmers = upstreams.map(
      (upstream) => known.get(upstream) ?? new UpstreamWarmer(upstream, this.events, this.lookup),
    )
    const fresh = this.warmers.filter(({ upstream }) => !known.has(upstream))
    await Promise.all(fresh.map((warmer) => warmer.connect(performance.now())))
  }

  /** Called by its own timer. @param now `performance.now()` */
  tick(now: number): void {
    for (const warmer of this.warmers) warmer.tick(now)
  }

  close(): void {
    clearInterval(this.timer)
    this.warmers = []
  }
}

/** Keeps one upstream warm. */
class UpstreamWarmer {
  readonly upstream: WarmUpstream
  private readonly events: KeepWarmEvents
  private readonly lookup: Lookup
  private connecting: boolean
  private failures: number
  private retryAt: number
  private lookupAt: number
  private addresses: readonly string[]

  constructor(upstream: WarmUpstream, events: KeepWarmEvents, resolve: Lookup) {
    this.upstream = upstream
    this.events = events
    this.lookup = resolve
    this.connecting = false
    this.failures = 0
    this.retryAt = 0
    this.lookupAt = 0
    this.addresses = []
  }

  tick(now: number): void {
    if (now - this.upstream.usedAt > IDLE_MS) return
    if (now >= this.lookupAt) this.lookUpAddresses(now)
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

  private lookUpAddresses(now: number): void {
    const { lookedUp } = this.upstream
    this.lookupAt = now + LOOKUP_MS
    if (lookedUp === null) return
    this.lookup(lookedUp, (addresses) => {
      const before = this.addresses
      // A failed lookup says nothing about where the upstream is.
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
