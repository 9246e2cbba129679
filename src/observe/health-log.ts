import type { AccountRules, OnTargetStateChange } from '../routing/router.js'
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

/**
 * Creates a listener that logs what upstreams say of the relay's accounts. Each refusal is logged once, until the
 * credential is served again.
 */
export function createAccountLogger(log: Log): Omit<AccountRules, 'cooldowns'> {
  return {
    onCredential(upstream, why) {
      const fields = { upstream, why }
      if (why === 'credential')
        log.warn(fields, `${upstream} refuses the credential of the relay: check its key in the config`)
      else if (why === 'quota')
        log.warn(fields, `${upstream} has no quota or credit left: check its account at the provider`)
      else log.info(fields, `${upstream} serves the credential of the relay again`)
    },
    onMissingModel(target, model) {
      log.warn({ target, model }, `target ${target} has no such model or deployment: others are asked first`)
    },
  }
}
