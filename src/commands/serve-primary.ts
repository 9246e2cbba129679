import { type Keyring, KeyringError } from '../access/keyring.js'
import { ListenError } from '../app/listen-error.js'
import { openKeyring } from '../app/open-keyring.js'
import { NO_PAGE, type PagePort } from '../app/ports.js'
import type { Config } from '../config/config.js'
import { startDemo } from '../demo/server.js'
import { ignore } from '../lib/ignore.js'
import { type Log, openLog } from '../observe/log.js'
import type { SharedPorts } from '../workers/control.js'
import { readKeptSettings } from '../workers/kept-settings.js'
import { Primary } from '../workers/primary.js'
import type { RunningFile } from '../workers/running-file.js'
import { SharedParts } from '../workers/shared-parts.js'
import { WORKER_ENV } from '../workers/worker-seat.js'
import type { WorkerCounts } from '../workers/workers-metrics.js'
import { describeRelay, formatBanner } from './banner.js'
import { useDemo } from './demo-config.js'
import { issueFirstKey } from './first-key.js'
import { formatAddress } from './listening.js'
import { createPageLink } from './page-link.js'
import { PrimaryFiles } from './primary-files.js'
import { checkRestart } from './restart-check.js'
import { openRunningFile } from './running-relay.js'
import {
  describeStartError,
  EXIT_CANNOT_RUN,
  findServiceManager,
  reportSettings,
  type ServeOptions,
} from './serve.js'
import type { ServiceManager } from './service-manager.js'
import { endOnFault, LOG_DRAIN_MS, RECORDS_MS, reloadOnHangup, SAME_SIGNAL_MS } from './signals.js'

/**
 * Runs a relay of several workers until a signal ends it. This process is their primary.
 * @returns resolves, to the exit code, only if the relay could not start or cannot go on
 */
export async function serveAsPrimary(config: Config, options: ServeOptions): Promise<number> {
  const log = await openLog(config.log, process.stdout.isTTY === true, { worker: null })
  const manager = await findServiceManager(log)
  const demo = config.upstreams.length === 0 ? await startDemo() : null
  const follow = demo === null ? null : (next: Config) => useDemo(next, demo)
  const settings = follow === null ? config : follow(config)
  reportSettings(settings, log)
  // The limits follow the key file ahead of the workers, which read it by themselves.
  let onKeysRead: (keys: number) => void = ignore
  let keyring: Keyring | null
  try {
    keyring = openKeyring({ config }, log, (keys) => onKeysRead(keys), ignore)
  } catch (error) {
    if (!(error instanceof KeyringError)) throw error
    options.print(`thinwire: ${error.message}`)
    await demo?.close()
    return EXIT_CANNOT_RUN
  }
  const env = {
    [WORKER_ENV.listen]: formatAddress(config.listen),
    [WORKER_ENV.kept]: JSON.stringify(readKeptSettings(config)),
    ...(config.listen.fd === undefined ? {} : { [WORKER_ENV.socket]: String(config.listen.fd) }),
    ...(demo === null ? {} : { [WORKER_ENV.demo]: demo.origin }),
  }
  const shared = await SharedParts.open({
    config: settings,
    log,
    keyring,
    isDemo: demo !== null,
    zone: settings.admin.listen === null ? null : settings.admin.timezone,
    countWorkers: () => relay.counts,
    reloadKeys: () => relay.reloadKeys(),
  })
  onKeysRead = (keys) => {
    if (!relay.isIssuing) log.info({ keys }, 'the key file was read again')
    shared.forgetKeys()
  }
  const relay = new PrimaryProcess(settings, options, log, { keyring, shared, manager, useDemo: follow })
  const fail = async (message: string, exitCode: number): Promise<number> => {
    options.print(message)
    relay.close()
    await Promise.all([shared.close(), demo?.close()])
    manager?.close()
    return exitCode
  }
  try {
    relay.metrics = await shared.listen().catch((error: unknown) => {
      throw new ListenError(settings.metrics.listen ?? settings.listen, 'metrics.listen', error)
    })
    relay.page = await listenForOperators(settings, shared, demo !== null)
  } catch (error) {
    return fail(`thinwire: ${describeStartError(error)}`, EXIT_CANNOT_RUN)
  }
  return new Promise((resolve) => {
    void Primary.start({
      count: config.workers,
      isSocketLent: config.listen.fd !== undefined,
      log,
      env,
      onWorker: (number, link) => shared.serve(number, link),
      onReady: (ports) => relay.onReady(ports),
      onGiveUp: (message, exitCode) => void fail(message, exitCode).then(resolve),
      onRestartStep: (replaced) => relay.onRestartStep(replaced),
      onRestartEnd: (problem, replaced) => relay.onRestartEnd(problem, replaced),
    }).then((primary) => relay.begin(primary))
  })
}

/** @throws {ListenError} */
async function listenForOperators(
  { admin }: Config,
  shared: SharedParts,
  isDemo: boolean,
): Promise<PagePort> {
  const place = admin.listen
  if (place === null) return NO_PAGE
  const found = await shared.listenForOperators(place, isDemo).catch((error: unknown) => {
    throw new ListenError(place, 'admin.listen', error)
  })
  return { pageHost: found.host, pagePort: found.port }
}

/** What a relay of several workers consists of, besides these. */
interface PrimaryParts {
  /** Null if the relay has no key file. */
  readonly keyring: Keyring | null
  readonly shared: SharedParts
  /** Is told what the relay does; null if nobody asks. */
  readonly manager: ServiceManager | null
  /** Null unless the demo is the upstream. */
  readonly useDemo: ((config: Config) => Config) | null
}

/** What a person, a terminal or a service manager wants of a relay of several workers. */
class PrimaryProcess {
  private readonly config: Config
  private readonly options: ServeOptions
  private readonly log: Log
  private readonly keyring: Keyring | null
  private readonly shared: SharedParts
  private readonly manager: ServiceManager | null
  private readonly useDemo: PrimaryParts['useDemo']
  /** Where scrapers connect; null if metrics are off. */
  metrics: { readonly host: string; readonly port: number } | null
  /** Where the page is. */
  page: PagePort
  /** It issues the first key: nobody needs to be told that it has read the key file. */
  isIssuing: boolean
  private readonly files: PrimaryFiles
  /** The config of the restart that is going on; null for none. */
  private restarting: Config | null
  private primary: Primary | null
  private running: RunningFile | null
  /** `performance.now()` of the first signal that ends the relay; 0 before it. */
  private leftAt: number
  private wantsRestart: boolean

  constructor(config: Config, options: ServeOptions, log: Log, parts: PrimaryParts) {
    this.config = config
    this.options = options
    this.log = log
    this.keyring = parts.keyring
    this.shared = parts.shared
    this.manager = parts.manager
    this.useDemo = parts.useDemo
    this.metrics = null
    this.page = NO_PAGE
    this.isIssuing = false
    this.files = new PrimaryFiles({
      config,
      source: options.source,
      useDemo: this.useDemo,
      prices: this.useDemo === null ? options.prices : null,
      log,
      // The limits follow it ahead of the workers, which read it by themselves.
      onConfig: (next) => this.shared.reconfigure(next),
    })
    this.restarting = null
    this.primary = null
    this.running = null
    this.leftAt = 0
    this.wantsRestart = false
  }

  begin(primary: Primary): void {
    this.primary = primary
    endOnFault(null, this.log)
    process.once('exit', () => this.close())
    process.on('SIGTERM', () => this.onSignal(primary, 'SIGTERM', 15))
    process.on('SIGINT', () => this.onSignal(primary, 'SIGINT', 2))
    const reload = (): void => {
      this.files.reload()
      primary.tell({ type: 'reload' })
    }
    reloadOnHangup({ reload }, this.log, this.manager)
    this.files.begin()
    if (process.platform !== 'win32') process.on('SIGUSR2', () => this.restart(primary))
    this.options.early.release()
  }

  /** The page has changed the key file: all processes read it again at once. */
  reloadKeys(): void {
    this.keyring?.reload()
    this.primary?.tell({ type: 'keys' })
  }

  get counts(): WorkerCounts {
    return this.primary?.counts ?? { configured: this.config.workers, ready: 0, restarts: 0 }
  }

  /** All workers serve: a person may use the relay now. */
  onReady(ports: SharedPorts): void {
    const { config, keyring, log } = this
    let key = null
    this.isIssuing = true
    try {
      key = issueFirstKey({ config, keyring, reloadKeys: () => keyring?.reload() }, this.options.firstKey)
      this.primary?.tell({ type: 'keys' })
    } catch (error) {
      if (!(error instanceof KeyringError)) throw error
      this.options.print(`thinwire: ${error.message}`)
      this.primary?.killAll()
      process.exit(EXIT_CANNOT_RUN)
    }
    this.isIssuing = false
    this.running = openRunningFile(config, ports, log, config.workers, null)
    this.shared.onReady()
    const { metrics } = this
    const own = { metricsHost: metrics?.host ?? null, metricsPort: metrics?.port ?? null, ...this.page }
    const printer = { config, printPageToken: (onSpent: () => void) => this.shared.printPageToken(onSpent) }
    const page = createPageLink(printer, own, this.options.firstKey)
    const banner = describeRelay({ config, keyring }, { ...ports, ...own }, key, page, this.useDemo !== null)
    this.options.print(formatBanner(banner))
    const address = banner.everyInterface ?? banner.url
    this.manager?.ready(`${config.workers} workers listen on ${address}`)
  }

  onRestartStep(replaced: number): void {
    const { workers } = this.config
    this.log.info({ replaced }, `restart: ${replaced} of ${workers} workers are new`)
    this.showRestart('running', replaced, null)
  }

  onRestartEnd(problem: string | null, replaced: number): void {
    const { log, primary } = this
    if (problem === null) {
      if (this.restarting !== null) this.files.onRestarted(this.restarting)
      log.info({ replaced }, 'restart: all workers are new; the old ones end when their connections end')
    } else {
      const kept = replaced === 0 ? 'the workers stay' : 'the other workers stay'
      log.error({ replaced }, `restart: failed, ${kept}: ${problem}`)
    }
    this.restarting = null
    this.showRestart(problem === null ? 'done' : 'failed', replaced, problem)
    if (this.wantsRestart && primary !== null) setImmediate(() => this.restart(primary))
  }

  close(): void {
    this.running?.remove()
    this.running = null
    this.files.close()
    this.keyring?.close()
    this.shared.endNow()
  }

  private onSignal(primary: Primary, signal: NodeJS.Signals, number: number): void {
    if (this.leftAt === 0) {
      this.leftAt = performance.now()
      void this.leave(primary, signal)
    } else if (performance.now() - this.leftAt >= SAME_SIGNAL_MS) {
      this.log.warn({ signal }, `${signal} again: ending now`)
      // The exit code by which shells report a process that a signal has ended.
      void primary.stop(signal, 128 + number).then(() => process.exit(128 + number))
    }
  }

  private async leave(primary: Primary, signal: string): Promise<void> {
    const { log } = this
    const { drainMs } = this.config.timeouts
    this.manager?.stopping('ending when the open requests have ended', drainMs + RECORDS_MS)
    log.info({ signal }, `${signal}: the workers end when their open requests have ended`)
    const exitCode = await primary.leave(signal)
    await this.shared.close()
    log.info({}, 'ended')
    await log.drain(LOG_DRAIN_MS)
    process.exit(exitCode)
  }

  /** During a restart, another one follows it: the files may have changed since. */
  private restart(primary: Primary): void {
    if (this.leftAt !== 0) return
    this.wantsRestart = primary.isRestarting
    if (this.wantsRestart) return
    this.running?.beginRestart()
    const next = checkRestart(this.options.source, this.config, this.log)
    if (typeof next === 'string') {
      this.onRestartEnd(next, 0)
      return
    }
    this.restarting = this.useDemo === null ? next : this.useDemo(next)
    this.log.info({}, 'restart: each worker is replaced by a new one')
    primary.restart()
  }

  private showRestart(state: 'running' | 'done' | 'failed', replaced: number, problem: string | null): void {
    this.running?.showRestart(state, replaced, problem)
  }
}
