import { type Config, type ConfigSource, loadConfig } from '../config/config.js'
import type { ListenAddress } from '../config/listen.js'
import { ConfigError } from '../config/problems.js'
import type { Log } from '../observe/log.js'
import { formatAddress } from './listening.js'

/**
 * Looks at the config that new processes would have, ahead of a restart. The log names what only a stop and a start
 * can change.
 * @param config of the relay that runs
 * @returns the config; or why it cannot be used
 */
export function checkRestart(source: ConfigSource, config: Config, log: Pick<Log, 'warn'>): Config | string {
  try {
    const next = loadConfig(source)
    const { listen, workers, metrics, admin } = next
    const later: string[] = []
    if (formatAddress(listen) !== formatAddress(config.listen)) later.push('listen')
    if (listen.reusePort !== config.listen.reusePort) later.push('listen.reusePort')
    if (workers !== config.workers) later.push('workers')
    if (config.workers > 1) {
      if (next.ledger.folder !== config.ledger.folder) later.push('ledger.folder')
      if (next.ledger.fallbackFolder !== config.ledger.fallbackFolder) later.push('ledger.fallbackFolder')
      if (next.keys.file !== config.keys.file) later.push('keys.file')
      if (JSON.stringify(metrics) !== JSON.stringify(config.metrics)) later.push('metrics')
    } else if (isKept(metrics.listen, config.metrics.listen)) later.push('metrics.listen')
    // The demo has a page whatever the config says.
    if (next.upstreams.length > 0 && isKept(admin.listen, config.admin.listen)) later.push('admin.listen')
    if (later.length > 0) {
      const names = later.join(', ')
      log.warn({ settings: later }, `${names}: only a stop and a start of the relay can change this`)
    }
    return next
  } catch (error) {
    if (error instanceof ConfigError) return error.message
    throw error
  }
}

/** A socket for metrics goes over to the new process, whatever address the config has now. */
function isKept(next: ListenAddress | null, current: ListenAddress | null): boolean {
  return current !== null && (next === null || formatAddress(next) !== formatAddress(current))
}
