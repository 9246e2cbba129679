import type { Config } from '../config/config.js'
import { adviseOnTls } from '../lib/tls-advice.js'
import type { Log } from '../observe/log.js'
import type { KeepWarmEvents } from '../upstream/keep-warm.js'

/** Logs which upstreams cannot be reached, and which have moved to another address. */
export function createKeepWarmLogger(log: Log, config: () => Config): KeepWarmEvents {
  return {
    onTrouble: (upstream, cause) =>
      log.warn(
        { upstream, cause },
        `cannot reach upstream ${upstream} yet: ${explain(config(), upstream, cause)}`,
      ),
    onMoved: (upstream) =>
      log.info({ upstream }, `upstream ${upstream} has another address: new connections go there`),
  }
}

/** @param cause an error code, such as ECONNREFUSED */
function explain({ upstreams }: Config, name: string, cause: string): string {
  if (cause !== 'ENOTFOUND' && cause !== 'EAI_AGAIN') return adviseOnTls(cause)
  const upstream = upstreams.find((entry) => entry.name === name)
  const origin = upstream?.proxy?.origin ?? upstream?.origin
  const host = origin === undefined ? 'its host' : new URL(origin).hostname
  return cause === 'ENOTFOUND'
    ? `the name ${host} has no address (ENOTFOUND)`
    : `the name server gave no answer for ${host} (EAI_AGAIN)`
}
