import { type LookupAddress, type LookupOptions, lookup } from 'node:dns'
import type { Socket } from 'node:net'

/** How long an address that did not answer is tried after the others of its name. */
const SLOW_MS = 600_000

/** Addresses of dead hosts are few; the bound is for a name that has new ones all the time. */
const MOST = 64

type Callback = (
  error: NodeJS.ErrnoException | null,
  address: string | LookupAddress[],
  family?: number,
) => void

/** Looks a name up, as `net.connect` calls it. */
export type Lookup = (host: string, options: LookupOptions, callback: Callback) => void

/**
 * Remembers which addresses of a name did not answer, so that only one connection waits for each of them. Node tries
 * the addresses in their order, each for `autoSelectFamilyAttemptTimeout` (RFC 8305), and forgets at once what it has
 * seen.
 */
export class AddressMemory {
  /** `performance.now()` at which an address may be tried first again, by address. */
  private readonly slow: Map<string, number>
  /** What the last lookups have told, by name, in the order that was tried. */
  private readonly tried: Map<string, readonly string[]>
  private readonly resolve: Lookup

  /** @param resolve by default Node's own resolver */
  constructor(resolve: Lookup = lookup as Lookup) {
    this.slow = new Map()
    this.tried = new Map()
    this.resolve = resolve
  }

  /** Option `lookup` of a connection. */
  readonly lookup: Lookup = (host, options, callback) => {
    this.resolve(host, options, (error, found, family) => {
      if (error !== null || !Array.isArray(found)) {
        callback(error, found, family)
        return
      }
      const sorted = this.sort(found, performance.now())
      this.tried.delete(host)
      this.tried.set(
        host,
        sorted.map(({ address }) => address),
      )
      trim(this.tried)
      callback(null, sorted)
    })
  }

  /** A connection to this host is open: the addresses that were tried before its own did not answer. */
  onConnected(host: string, { remoteAddress }: Socket): void {
    const tried = this.tried.get(host)
    if (tried === undefined || remoteAddress === undefined) return
    const at = tried.indexOf(remoteAddress)
    this.slow.delete(remoteAddress)
    for (let i = 0; i < at; i++) this.slow.set(tried[i] as string, performance.now() + SLOW_MS)
    trim(this.slow)
  }

  /** What is remembered, counted for its bound. */
  get size(): number {
    return this.slow.size + this.tried.size
  }

  private sort(found: readonly LookupAddress[], now: number): LookupAddress[] {
    const isSlow = ({ address }: LookupAddress): boolean => (this.slow.get(address) ?? 0) > now
    return [...found.filter((entry) => !isSlow(entry)), ...found.filter(isSlow)]
  }
}

function trim(map: Map<string, unknown>): void {
  const [first] = map.keys()
  if (map.size > MOST && first !== undefined) map.delete(first)
}
