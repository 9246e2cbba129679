import type { OnTargetStateChange } from '../routing/router.js'
import type { Log } from './log.js'

/** Tells the log which targets are left alone, and since when they are asked again. */
export function createTargetStateLogger(log: Log): OnTargetStateChange {
  return (target, from, to, why) => {
    const fields = { target, from, to, why }
    if (to === 'open') log.warn(fields, `${target} is not well (${why}): others are asked first`)
    else if (to === 'trial') log.info(fields, `${target} is tried again`)
    else log.info(fields, `${target} is well again`)
  }
}
