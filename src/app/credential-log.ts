import type { Log } from '../observe/log.js'
import type { CredentialEvents } from '../upstream/cloud-access.js'

/** Logs which upstreams have no credential, or none but one that expires soon. */
export function createCredentialLogger(log: Log): CredentialEvents {
  return {
    onTrouble: (upstream, cause, hasOne) => {
      const state = hasOne
        ? 'the last one is used until it expires'
        : 'it gets no requests until there is one'
      log.warn({ upstream, cause }, `no new credential for upstream ${upstream} (${cause}): ${state}`)
    },
    onRecovered: (upstream) => log.info({ upstream }, `upstream ${upstream} has a new credential`),
  }
}
