import type { Config } from '../config/config.js'

/**
 * The config of one of several workers. What a bound allows is allowed to the whole relay: each worker has its part of
 * it, and at least one. A body that is allowed fits into the part of each.
 * @param count of workers
 */
export function divideBounds(config: Config, count: number): Config {
  if (count === 1) return config
  const share = (bound: number, least = 1): number => Math.max(least, Math.floor(bound / count))
  const { limits, ledger, cache } = config
  return {
    ...config,
    limits: {
      ...limits,
      bufferedBytes: share(limits.bufferedBytes, Math.min(limits.bodyBytes, limits.bufferedBytes)),
      connections: share(limits.connections),
      connectionsPerAddress: share(limits.connectionsPerAddress),
      refusalsPerAddressPerMinute: share(limits.refusalsPerAddressPerMinute),
      maxConcurrentRequests: share(limits.maxConcurrentRequests),
      maxConcurrentRequestsPerKey: share(limits.maxConcurrentRequestsPerKey),
    },
    ledger: { ...ledger, bufferedBytes: share(ledger.bufferedBytes) },
    cache: { ...cache, bytes: share(cache.bytes, Math.min(cache.entryBytes, cache.bytes)) },
    upstreams: config.upstreams.map((upstream) =>
      upstream.maxConcurrentRequests === null
        ? upstream
        : { ...upstream, maxConcurrentRequests: share(upstream.maxConcurrentRequests) },
    ),
  }
}
