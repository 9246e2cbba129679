import { KeyringError } from '../access/keyring.js'
import { type App, createApp } from '../app/app.js'
import type { AppOptions } from '../app/app-options.js'
import { type FileLog, openFileLog } from '../app/file-log.js'
import { ListenError } from '../app/listen-error.js'
import { warmUp } from '../app/warm-up.js'
import type { Config, ConfigSource } from '../config/config.js'
import { type Demo, startDemo } from '../demo/server.js'
import type { Prices } from '../ledger/prices.js'
import { type Log, openLog } from '../observe/log.js'
import { CertificateError } from '../server/tls-certificate.js'
import { describeRelay, formatBanner } from './banner.js'
import { useDemo } from './demo-config.js'
import type { EarlySignals } from './early-signals.js'
import { type FirstKeyPlace, issueFirstKey } from './first-key.js'
import { describeListenError } from './listening.js'
import { createPageLink } from './page-link.js'
import { flushOnExit } from './process-exit.js'
import { RelayProcess } from './relay-process.js'
import type { ServiceManager } from './service-manager.js'

export const EXIT_CANNOT_RUN = 1

export interface ServeOptions {
  /** Where the config is read again. */
  readonly source: ConfigSource
  /** Null: the ledger has no costs. */
  readonly prices: Prices | null
  /** Where the first key goes, if this start issues one. */
  readonly firstKey: FirstKeyPlace
  /** Writes a line for the person who starts the relay. */
  readonly print: (text: string) => void
  /** What came before the relay has begun. */
  readonly early: EarlySignals
}

/**
 * Runs the relay of a config until a signal ends it.
 * @returns resolves, to the exit code, only if the relay could not start
 */
export async function serve(config: Config, options: ServeOptions): Promise<number> {
  const log = await openLog(config.log, process.stdout.isTTY === true)
  const manager = await findServiceManager(log)
  const demo = config.upstreams.length === 0 ? await startDemo() : null
  let app: App | null = null
  try {
    app = await createRelay(config, options, demo, log)
    flushOnExit(app)
    const ports = await app.listen()
    const key = issueFirstKey(app, options.firstKey)
    const cleanUp = async (): Promise<void> => demo?.close()
    const relay = new RelayProcess({ app, log, options, manager, cleanUp, seat: null })
    relay.begin(ports)
    await relay.show()
    const page = createPageLink(app, ports, options.firstKey)
    const banner = describeRelay(app, ports, key, page, demo !== null)
    options.print(formatBanner(banner))
    await warmUp(app, log)
    manager?.ready(`listens on ${banner.everyInterface ?? banner.url}`)
  } catch (error) {
    options.print(`thinwire: ${describeStartError(error)}`)
    await app?.close()
    await demo?.close()
    manager?.close()
    return EXIT_CANNOT_RUN
  }
  // The listener keeps the process alive until a signal ends it.
  return new Promise(() => {})
}

/** Its code is loaded only where there is one. */
export async function findServiceManager(log: Log): Promise<ServiceManager | null> {
  if (process.env.NOTIFY_SOCKET === undefined) return null
  return (await import('./service-manager.js')).openServiceManager(process.env, process.pid, log)
}

/**
 * @param demo the upstream of a config that has none. It costs nothing
 * @param place what makes it one of several workers, or a successor; nothing else for a relay of one process
 */
export function createRelay(
  config: Config,
  { source, prices }: Pick<ServeOptions, 'source' | 'prices'>,
  demo: Pick<Demo, 'origin'> | null,
  log: Log,
  place: Pick<AppOptions, 'worker' | 'limits' | 'inheritance'> = {},
): Promise<App> {
  const settings = demo === null ? config : useDemo(config, demo)
  reportSettings(settings, openFileLog(log, (place.worker ?? null) !== null))
  const own = { ...place, config: settings, log, source }
  return createApp(
    demo === null ? { ...own, prices } : { ...own, prices: null, useDemo: (next) => useDemo(next, demo) },
  )
}

/** Says what of a config a person should know at the start. */
export function reportSettings({ warnings, upstreams }: Config, log: FileLog): void {
  for (const warning of warnings) log.warn({}, warning)
  for (const { name, proxy } of upstreams)
    if (proxy !== null)
      log.info({ upstream: name, proxy: proxy.origin }, `${name} is reached through ${proxy.origin}`)
}

/** @throws the error itself, if it is a fault of the relay */
export function describeStartError(error: unknown): string {
  if (error instanceof ListenError) return describeListenError(error)
  if (error instanceof KeyringError || error instanceof CertificateError) return error.message
  throw error
}
