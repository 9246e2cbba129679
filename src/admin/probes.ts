import type { IncomingMessage } from 'node:http'
import { isOnThisMachine } from '../access/local.js'
import type { RelayState } from '../observe/relay-state.js'
import type { BreakerState } from '../routing/circuit-breaker.js'

/**
 * What is answered at a path that needs neither a key nor an upstream: is the relay there, is it ready. Null elsewhere.
 * Anyone may ask, and is told numbers; names of targets are for those who ask on this machine.
 */
export function answerProbe(
  path: string,
  health: RelayState,
  req: IncomingMessage,
): { status: number; body: unknown } | null {
  switch (path) {
    // Some clients ask for the base URL before they start, and go by whether it answers at all.
    case '/':
      // A proxy in front that asks by HTTP/1.0 shows nowhere else.
      return { status: 200, body: { object: 'relay', name: 'thinwire', status: 'ok', http: req.httpVersion } }
    case '/healthz':
      return { status: 200, body: { status: 'ok' } }
    case '/readyz': {
      const status = health.draining ? 'draining' : health.ready ? 'ready' : 'starting'
      const { targetHealth } = health
      const body = {
        status,
        // Less the one that asks.
        in_flight: health.openCount - 1,
        buffered_bytes: health.bufferedBytes,
        bounds_hit: health.bounds.snapshot(),
        targets: countTargets(targetHealth),
        ...(isOnThisMachine(req) ? { unwell: unwellOf(targetHealth) } : {}),
        ...(health.ledgerState === null ? {} : { ledger: health.ledgerState }),
      }
      return { status: status === 'ready' ? 200 : 503, body }
    }
    default:
      return null
  }
}

/** How many are asked as any other; are left alone; are tried again; have asked to be left alone for a while. */
export function countTargets(targets: RelayState['targetHealth']): Record<BreakerState | 'cooling', number> {
  const counts = { closed: 0, open: 0, trial: 0, cooling: 0 }
  for (const { state, cooling_ms } of targets.values()) {
    counts[state]++
    if (cooling_ms > 0) counts.cooling++
  }
  return counts
}

/** The names of those that are not asked as any other. */
function unwellOf(targets: RelayState['targetHealth']): Record<'open' | 'trial' | 'cooling', string[]> {
  const unwell = { open: [] as string[], trial: [] as string[], cooling: [] as string[] }
  for (const [name, { state, cooling_ms }] of targets) {
    if (state !== 'closed') unwell[state].push(name)
    if (cooling_ms > 0) unwell.cooling.push(name)
  }
  return unwell
}
