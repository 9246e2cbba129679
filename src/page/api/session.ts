import { VERSION } from '../../version.js'
import type { Session } from '../shapes.js'
import type { View } from './endpoint.js'

/** Who looks, and at what. */
export const sessionView: View<Session> = {
  read({ session, source, parameters, now }) {
    parameters.end()
    const { key } = session
    const { facts, sums, keys } = source
    return {
      role: key === null ? 'operator' : 'holder',
      key: key === null ? null : { id: key.id, owner: `${key.team}/${key.user}` },
      version: VERSION,
      workers: facts.workers,
      startedAt: facts.startedAt,
      now,
      zone: sums.zone,
      isDemo: facts.isDemo,
      completeFrom: sums.completeFrom,
      mayChangeKeys: key === null && keys !== null,
    }
  },
  toTable: null,
}
