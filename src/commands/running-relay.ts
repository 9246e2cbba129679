import type { Config } from '../config/config.js'
import type { Log } from '../observe/log.js'
import type { SharedPorts } from '../workers/control.js'
import { RunningFile } from '../workers/running-file.js'
import { formatOrigin } from './listening.js'

/**
 * Lets `thinwire restart` find this relay. Without the file all else works.
 * @param follows the process whose place this one has taken; null for none
 */
export function openRunningFile(
  { listen, ledger }: Config,
  { host, port }: Pick<SharedPorts, 'host' | 'port'>,
  log: Log,
  workers: number,
  follows: number | null,
): RunningFile | null {
  try {
    const url = formatOrigin(host, port, listen.tls !== null)
    return new RunningFile(ledger.folder, { url, workers, follows })
  } catch (error) {
    log.warn({ err: error }, `${ledger.folder} cannot be written: thinwire restart will not find this relay`)
    return null
  }
}
