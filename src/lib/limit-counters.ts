/** How often each bound of the config was hit since the start. */
export type Bound =
  | 'bodyBytes'
  | 'headerBytes'
  | 'bufferedBytes'
  | 'transformBufferBytes'
  | 'connections'
  | 'maxConcurrentRequests'
  | 'maxConcurrentRequestsPerKey'
  | 'upstreamMaxConcurrentRequests'
  | 'requestMs'
  | 'headersMs'
  | 'firstByteMs'
  | 'idleMs'
  | 'clientStallMs'
  | 'drainMs'

export class BoundCounters {
  private readonly counts = new Map<Bound, number>()

  hit(bound: Bound): void {
    this.counts.set(bound, (this.counts.get(bound) ?? 0) + 1)
  }

  /** Only those that were hit. */
  snapshot(): Partial<Record<Bound, number>> {
    return Object.fromEntries(this.counts)
  }
}
