import type { IncomingMessage } from 'node:http'
import { isOnThisMachine } from '../access/local.js'
import type { RelayState } from '../observe/relay-state.js'
import type { BreakerState } from '../routing/circuit-breaker.js'

/**
 * Answers the paths that need neither a key nor an upstream: `/`, `/healthz` and `/readyz`. Everybody gets numbers;
 * only clients on this machine get the names of targets.
 * @returns status and JSON body of the response; null for other paths
 */
export function answerProbe(
  path: string,
  health: RelayState,
  req: IncomingMessage,
): { status: number; body: unknown } | null {
  switch (path) {
    // Some clients request the base URL before they start, and go by whether there is any response.
    case '/':
      // The HTTP version is the only sign of a proxy in front that speaks HTTP/1.0.
      return { status: 200, body: { object: 'relay', name: 'thinwire', status: 'ok', http: req.httpVersion } }
    case '/healthz':
      return { status: 200, body: { status: 'ok' } }
    case '/readyz': {
      health.readiness.onAsked()
      const status = describeReadiness(health)
      const { targetHealth } = health
      const body = {
        status,
        ...(health.readiness.workers === null ? {} : { workers: health.readiness.workers }),
        // Without the request for this probe.
        in_flight: health.openCount - 1,
        buffered_bytes: health.bufferedBytes,
        bounds_hit: health.bounds.snapshot(),
        targets: describeCounts(countTargets(targetHealth)),
        ...(isOnThisMachine(req) ? describeUnhealthy(findUnhealthy(targetHealth)) : {}),
        ...(health.ledgerState === null ? {} : { ledger: health.ledgerState }),
      }
      return { status: status === 'ready' ? 200 : 503, body }
    }
    default:
      return null
  }
}

function describeReadiness({ draining, readiness, hasFiles }: RelayState): string {
  if (draining) return 'draining'
  if (!hasFiles) return 'out_of_files'
  return readiness.isAnyReady ? 'ready' : 'starting'
}

type TargetCounts = Readonly<Record<BreakerState | 'cooling' | 'refused', number>>
type UnhealthyTargets = Readonly<Record<'open' | 'half_open' | 'cooling' | 'refused', readonly string[]>>

/**
 * Counts targets by the state of their breaker, and besides all targets in a cooldown (`retry-after`), and those whose
 * upstream refuses the credential of the relay, has no quota left for it, or lacks a model.
 */
export function countTargets(targets: RelayState['targetHealth']): TargetCounts {
  const counts = { closed: 0, open: 0, half_open: 0, cooling: 0, refused: 0 }
  for (const { state, cooling_ms, refused } of targets.values()) {
    counts[state]++
    if (cooling_ms > 0) counts.cooling++
    if (refused !== null) counts.refused++
  }
  return counts
}

/** Names of the targets that are tried after the others, or in a trial. */
function findUnhealthy(targets: RelayState['targetHealth']): UnhealthyTargets {
  const unhealthy = {
    open: [] as string[],
    half_open: [] as string[],
    cooling: [] as string[],
    refused: [] as string[],
  }
  for (const [name, { state, cooling_ms, refused }] of targets) {
    if (state !== 'closed') unhealthy[state].push(name)
    if (cooling_ms > 0) unhealthy.cooling.push(name)
    if (refused !== null) unhealthy.refused.push(`${name} (${refused})`)
  }
  return unhealthy
}

/** `trial` is the former name of `half_open`, kept for scripts that read it. */
function describeCounts(counts: TargetCounts): Readonly<Record<string, number>> {
  return { ...counts, trial: counts.half_open }
}

/** `unwell` is the former name of `unhealthy`, kept in its former shape for scripts that read it. */
function describeUnhealthy(unhealthy: UnhealthyTargets): Readonly<Record<string, unknown>> {
  const { open, half_open, cooling } = unhealthy
  return { unhealthy, unwell: { open, trial: half_open, cooling } }
}
