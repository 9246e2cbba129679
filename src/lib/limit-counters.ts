/** A limit or timeout of the config that can be hit. */
export type Bound =
  | 'bodyBytes'
  | 'bodyRatio'
  | 'headerBytes'
  | 'bufferedBytes'
  | 'transformBufferBytes'
  | 'thinkingBytes'
  | 'storedObjects'
  | 'connections'
  | 'connectionsPerAddress'
  | 'unansweredRequestsPerConnection'
  | 'refusalsPerAddressPerMinute'
  | 'headerFields'
  | 'maxQueuedAlerts'
  | 'openFiles'
  | 'maxConcurrentRequests'
  | 'maxConcurrentRequestsPerKey'
  | 'upstreamMaxConcurrentRequests'
  | 'requestMs'
  | 'headersMs'
  | 'firstByteMs'
  | 'idleMs'
  | 'heldMs'
  | 'clientStallMs'
  | 'websocketQuietMs'
  | 'drainMs'

/** Counts how often each limit was hit since the start. */
export class BoundCounters {
  private readonly counts = new Map<Bound, number>()

  /** Counts one hit. */
  hit(bound: Bound): void {
    this.counts.set(bound, (this.counts.get(bound) ?? 0) + 1)
  }

  /** The counts of all limits that were hit at least once. */
  snapshot(): Partial<Record<Bound, number>> {
    return Object.fromEntries(this.counts)
  }
}
