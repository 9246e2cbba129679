import type { OnTargetStateChange } from '../routing/router.js'
import type { Log } from './log.js'

/** Creates a listener that logs each change of a target's circuit breaker: a warning when the circuit opens. */
export function createTargetStateLogger(log: Log): OnTargetStateChange {
  return (target, from, to, why) => {
    const fields = { target, from, to, why }
    if (to === 'open') log.warn(fields, `target ${target} unhealthy (${why}), circuit open`)
    else if (to === 'half_open') log.info(fields, `target ${target}: circuit half-open, trying again`)
    else log.info(fields, `target ${target} healthy, circuit closed`)
  }
}
