import type { App } from '../app/app.js'
import type { Log } from '../observe/log.js'
import { EXIT_RECORDS_LOST } from './process-exit.js'
import type { ServiceManager } from './service-manager.js'

export const EXIT_FAULT = 1

/** How long the end of the process waits for the reader of the log. */
export const LOG_DRAIN_MS = 1_000

/** How long the last records may take behind a drain, if the disk does not answer. */
export const RECORDS_MS = 10_000

/**
 * Signals that follow each other faster than this count as one: the terminal sends Ctrl-C to `npm start` and to its
 * child, and npm passes it on to the child. The second must not cut the streams that the first lets end.
 */
export const SAME_SIGNAL_MS = 750

/** An exception that nothing has caught ends the process. */
export function endOnFault(app: Pick<App, 'stop'> | null, log: Log): void {
  // The state is unknown after such a fault: to continue could send one client's bytes to another.
  process.on('uncaughtException', (error) => {
    log.error({ err: error }, 'an exception that nothing caught: ending')
    process.stderr.write(`thinwire: ${error.stack ?? error.message}\n`)
    app?.stop()
    process.exit(EXIT_FAULT)
  })
}

/** Lets open requests end, and cuts what is still open then. @param manager is told of it */
export async function cutAfterDrain(
  app: App,
  log: Log,
  signal: string,
  manager: ServiceManager | null = null,
): Promise<void> {
  const open = app.inspect().openCount
  const requests = open === 1 ? 'the open request has ended' : `${open} open requests have ended`
  const when = open === 0 ? '' : ` when ${requests}, within ${app.config.timeouts.drainMs / 1000} s`
  manager?.stopping(`ending${when}`, app.config.timeouts.drainMs + RECORDS_MS)
  log.info({ signal, in_flight: open }, `${signal}: ending${when}`)
  const cut = await app.drain()
  if (cut > 0) log.warn({ cut }, `${cut} requests were still open and have been cut`)
}

/** Closes a relay that has no open requests, and ends the process. */
export async function endWell(app: App, log: Log, cleanUp: () => Promise<void>): Promise<void> {
  const lost = await app.close()
  await cleanUp()
  log.info({}, 'ended')
  await log.drain(LOG_DRAIN_MS)
  process.exit(lost === 0 ? 0 : EXIT_RECORDS_LOST)
}

/**
 * SIGHUP reloads the config, as is usual for servers. In a terminal it ends the process: the window was closed.
 * @param manager is told of it
 */
export function reloadOnHangup(
  app: Pick<App, 'reload'>,
  log: Log,
  manager: ServiceManager | null = null,
): void {
  if (process.stdin.isTTY || process.stdout.isTTY || process.platform === 'win32') return
  process.on('SIGHUP', () => {
    log.info({ signal: 'SIGHUP' }, 'SIGHUP: reading the config again')
    manager?.reloading()
    app.reload()
    manager?.reloaded()
  })
}
