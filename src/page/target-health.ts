import type { TargetHealth } from './source.js'

/** The health of a target of which nothing is known. */
export const WELL: TargetHealth = { state: 'closed', opened: 0, cooling_ms: 0, refused: null, in_flight: 0 }

const STATES: readonly TargetHealth['state'][] = ['closed', 'half_open', 'open']

/** The worst of all, and the sum of what is counted. */
export function mergeHealth(all: readonly TargetHealth[]): TargetHealth {
  return all.reduce(
    (one, other) => ({
      state: STATES.indexOf(one.state) >= STATES.indexOf(other.state) ? one.state : other.state,
      opened: one.opened + other.opened,
      cooling_ms: Math.max(one.cooling_ms, other.cooling_ms),
      refused: one.refused ?? other.refused,
      in_flight: one.in_flight + other.in_flight,
    }),
    WELL,
  )
}
