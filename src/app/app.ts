import { join } from 'node:path'
import type { Keyring } from '../access/keyring.js'
import type { Config } from '../config/config.js'
import type { SummarySink } from '../exchange/summary.js'
import { Bookkeeper } from '../ledger/write/bookkeeper.js'
import type { Limiter } from '../limits/limiter.js'
import type { SnapshotWriter } from '../limits/snapshot/snapshot-writer.js'
import { createTargetStateLogger } from '../observe/health-log.js'
import type { Log } from '../observe/log.js'
import { PromptCacheWatch } from '../observe/prompt-cache-watch.js'
import type { Readiness } from '../observe/readiness.js'
import { SlownessWatch } from '../observe/slowness-watch.js'
import { ResponseEnds } from '../routing/response-ends.js'
import { Router } from '../routing/router.js'
import { endKeyless } from '../server/key-ends.js'
import { Listener, tickMsOf } from '../server/listener.js'
import { RequestHandler } from '../server/request-handler.js'
import { readCertificate, type ServerCertificate } from '../server/tls-certificate.js'
import { OwnObjectBooks } from '../stored/object-books.js'
import { StoredObjects } from '../stored/stored-objects.js'
import { KeepWarm } from '../upstream/keep-warm.js'
import { createUpstreams, type Upstream } from '../upstream/upstream.js'
import { RemoteObjectBooks } from '../workers/remote-object-books.js'
import { RemoteThoughts } from '../workers/remote-thoughts.js'
import { createAccountRules } from './account-rules.js'
import { type AppOptions, fitToWorker } from './app-options.js'
import type { AppParts, OwnKeyReload } from './app-parts.js'
import { AuthorityWatch } from './authority-watch.js'
import { CertificateWatch } from './certificate-watch.js'
import { createCredentialLogger } from './credential-log.js'
import { type FileLog, openFileLog } from './file-log.js'
import { FileWatch } from './file-watch.js'
import { Handover } from './handover.js'
import { createInspection, type Inspection } from './inspect.js'
import { createKeepWarmLogger } from './keep-warm-log.js'
import { createLimits } from './limit-parts.js'
import { ListenError } from './listen-error.js'
import { readNextConfig } from './next-config.js'
import { openKeyring } from './open-keyring.js'
import { OperatorPorts } from './operator-ports.js'
import { nameHost, type Ports, refuseOpenRelay } from './ports.js'
import { watchPriceFile } from './price-watch.js'
import { openRollups } from './rollup-way.js'

/**
 * Builds a whole relay from a config, and nothing else does. Nothing listens yet, and no upstream is connected.
 * @throws {KeyringError} if the key file cannot be read
 * @throws {CertificateError} if the files of `listen.tls` cannot be used
 */
export async function createApp(given: AppOptions): Promise<App> {
  const openedAt = Date.now()
  const options = { ...given, config: fitToWorker(given, given.config) }
  const { config, log, prices, worker = null } = options
  // Loaded only where it is used: it makes every start slower. Nothing may wait between the opening of the key file,
  // which is looked at from then on, and the handler, which a look needs.
  const metrics =
    config.metrics.listen === null ? null : new (await import('../observe/metrics.js')).Metrics()
  const certificate = config.listen.tls === null ? null : readCertificate(config.listen.tls)
  const ledger =
    options.recordsUsage === false ? null : new Bookkeeper(config.ledger, log, prices, worker?.number ?? null)
  const rollups = await openRollups(options, ledger)
  const fileLog = openFileLog(log, worker !== null)
  const ownKeyReload = { isRunning: false }
  const endRequests = (): void => endKeyless(handler.inFlight, config.keys.cutStreams, handler.draining)
  const onKeysRead = (keys: number): void => {
    if (!ownKeyReload.isRunning) fileLog.info({ keys }, 'the key file was read again')
    limiter.forgetKeys()
    // WebSockets look at their keys then.
    handler.tick(performance.now())
    endRequests()
  }
  let ownKeyring: Keyring | null
  try {
    ownKeyring = options.keyring === undefined ? openKeyring(options, fileLog, onKeysRead, endRequests) : null
  } catch (error) {
    rollups?.close()
    throw error
  }
  prices?.follow(config.upstreams)
  const upstreams = createUpstreams(config, [], createCredentialLogger(log))
  const accounts = createAccountRules(config, log)
  const router = new Router(config, upstreams, createTargetStateLogger(log), null, accounts)
  const keyring = options.keyring ?? ownKeyring
  const slowness = new SlownessWatch(log, config.log.slowMs, tickMsOf(config.timeouts))
  const storedPath = ledger === null ? null : join(config.ledger.folder, 'stored.jsonl')
  const onFull = (): void => handler.bounds.hit('storedObjects')
  const books =
    worker === null
      ? new OwnObjectBooks(config.stored, storedPath, log, onFull)
      : new RemoteObjectBooks(worker.link, config.stored)
  const stored = new StoredObjects(books, config.stored.visibleTo)
  const { limiter, snapshot, counters } = createLimits(options, ownKeyring, ledger, {
    hit: (bound) => handler.bounds.hit(bound),
  })
  // The primary shows what it counts for all workers.
  if (worker === null) metrics?.followLimits(() => limiter.readFigures())
  const sinks: SummarySink[] = [new PromptCacheWatch(log), log, slowness, new ResponseEnds()]
  if (metrics !== null) sinks.unshift(metrics)
  if (ledger !== null) sinks.unshift(options.limits?.holdRecords(ledger) ?? ledger)
  // These decide what the ledger makes a record of.
  sinks.unshift(stored, limiter)
  if (rollups !== null) sinks.push(rollups.sink)
  const thoughts = worker === null ? null : new RemoteThoughts(worker.link)
  const served = { config, keyring, router, log, sinks, ledger, limiter, stored, thoughts }
  const handler = new RequestHandler(served)
  await stored.load()
  const listener = new Listener(config, handler, log, certificate, worker !== null)
  const parts = {
    openedAt,
    fileLog,
    keyring: ownKeyring,
    ownKeyReload,
    router,
    ledger,
    limiter,
    snapshot,
    stored,
    metrics,
    slowness,
    handler,
    listener,
    certificate,
    rollups,
    handover: new Handover({ ledger, limiter, counters, books, handler, listener, rollups }),
  }
  return new App(options, parts)
}

/** A relay: listens, follows changes of its config and keys, drains, closes. */
export class App {
  /** The key file's keys; null where there is no key file. */
  readonly keyring: Keyring | null
  private readonly options: AppOptions
  private readonly parts: AppParts
  private readonly ownKeyReload: OwnKeyReload
  private readonly log: Log
  private readonly fileLog: FileLog
  private readonly ledger: Bookkeeper | null
  private readonly limiter: Limiter
  private readonly snapshot: SnapshotWriter | null
  private readonly stored: StoredObjects
  private readonly handler: RequestHandler
  private readonly listener: Listener
  private readonly keepWarm: KeepWarm
  private operators: OperatorPorts | null
  /** To and from other processes that serve at the same address, one after the other. */
  readonly handover: Handover
  private configWatch: FileWatch | null
  private priceWatch: FileWatch | null
  private certificateWatch: CertificateWatch | null
  private readonly authorities: AuthorityWatch
  private current: Config
  private router: Router<Upstream>
  /** Upstreams of earlier configs that still have requests under way. */
  private readonly retiring: Set<Upstream>

  /** Use `createApp`. */
  constructor(options: AppOptions, parts: AppParts) {
    this.keyring = parts.keyring
    this.options = options
    this.ownKeyReload = parts.ownKeyReload
    this.log = options.log
    this.fileLog = parts.fileLog
    this.ledger = parts.ledger
    this.limiter = parts.limiter
    this.snapshot = parts.snapshot
    this.stored = parts.stored
    this.handler = parts.handler
    this.listener = parts.listener
    this.keepWarm = new KeepWarm(createKeepWarmLogger(options.log, () => this.current))
    this.operators = null
    this.parts = parts
    this.handover = parts.handover
    this.configWatch = null
    this.priceWatch = null
    this.certificateWatch = null
    this.authorities = new AuthorityWatch(() => this.reload(), options.configPollMs)
    this.current = options.config
    this.router = parts.router
    this.retiring = new Set()
    // Until `markReady`.
    this.handler.readiness.isReady = false
  }

  /** The config that the relay follows now. */
  get config(): Config {
    return this.current
  }

  /**
   * Listens for clients and, if the config says so, for scrapers of metrics. The config file and the price file are
   * watched from now on, and the credentials of upstreams that expire are refreshed.
   * @throws {ListenError} the caller must call `close` in this case too
   */
  async listen(): Promise<Ports> {
    const { listen, file } = this.current
    const { source, prices, configPollMs } = this.options
    for (const upstream of this.router.upstreams) void upstream.start()
    this.limiter.begin()
    // Where another process serves so far, nothing may fail once clients come here.
    if (this.options.inheritance !== undefined) this.operators = await this.openOperators()
    const bound = await this.listener.listen().catch((error: unknown) => {
      throw new ListenError(listen, 'listen', error)
    })
    refuseOpenRelay(this.current, bound)
    if (listen.fd !== undefined)
      this.log.info(
        { fd: listen.fd, host: bound.address, port: bound.port },
        'listens on a socket that was handed over',
      )
    this.operators ??= await this.openOperators()
    if (source !== null) this.authorities.follow(this.current)
    const { openedAt } = this.parts
    if (source !== null && file !== null)
      this.configWatch = new FileWatch(file, openedAt, () => this.reload(), configPollMs)
    if (prices !== null)
      this.priceWatch = watchPriceFile(prices, this.current, openedAt, this.fileLog, configPollMs)
    this.certificateWatch = this.watchCertificate()
    await this.ledger?.begin()
    this.snapshot?.start()
    return { host: nameHost(listen, bound), port: bound.port, ...this.operators.ports }
  }

  private async openOperators(): Promise<OperatorPorts> {
    const { parts, options, current } = this
    const operators = await OperatorPorts.open(parts, current, options, () => this.reloadKeys())
    this.handover.openTo(operators)
    return operators
  }

  private watchCertificate(): CertificateWatch | null {
    const { fileLog, options } = this
    const { certificate, openedAt } = this.parts
    const { tls } = this.current.listen
    if (certificate === null || tls === null) return null
    const use = (next: ServerCertificate): void => this.listener.useCertificate(next)
    const watch = new CertificateWatch(tls, certificate, openedAt, use, fileLog, options.configPollMs)
    this.parts.metrics?.followCertificate(() => watch.expiresAt)
    return watch
  }

  /** @returns null if there is no page, or the config has a token for it. See `PageServer.printToken` */
  printPageToken(onSpent: () => void): string | null {
    return this.current.admin.token === null ? (this.operators?.printToken(onSpent) ?? null) : null
  }

  /**
   * Connects the upstreams, and keeps them connected from now on.
   * @returns resolves when each of them is connected and has its credential, or has failed to
   */
  async connectUpstreams(): Promise<void> {
    const { upstreams } = this.router
    await Promise.all([this.keepWarm.keep(upstreams), ...upstreams.map((upstream) => upstream.start())])
  }

  /** What `/readyz` says. The primary of a worker has its part in it. */
  get readiness(): Readiness {
    return this.handler.readiness
  }

  /** `/readyz` says `ready` from now on. Requests are served before, too. */
  markReady(): void {
    this.handler.readiness.isReady = true
  }

  /** Reads the key file at once, for a key that this process has issued. Other changes are found within a second. */
  reloadKeys(): void {
    this.ownKeyReload.isRunning = true
    this.keyring?.reload()
    this.ownKeyReload.isRunning = false
  }

  /**
   * Reads the config file and the files of `listen.tls` again. A file with a mistake changes nothing; the log says what
   * is wrong with it.
   */
  reload(): void {
    this.certificateWatch?.reload()
    const { source, useDemo = null } = this.options
    if (source === null) return
    const fit = (config: Config): Config => fitToWorker(this.options, config)
    const next = readNextConfig(source, this.current, useDemo, this.fileLog, fit)
    if (next === null) return
    this.apply(next)
    const upstreams = next.upstreams.map(({ name }) => name)
    this.fileLog.info({ upstreams }, 'the config was read again and is in use now')
  }

  /** New requests follow this config from now on. Open requests keep their upstream. */
  private apply(config: Config): void {
    const before = this.router
    this.current = config
    this.authorities.follow(config)
    const upstreams = createUpstreams(config, before.upstreams, createCredentialLogger(this.log))
    const accounts = createAccountRules(config, this.log)
    this.router = new Router(config, upstreams, createTargetStateLogger(this.log), before, accounts)
    this.handler.reconfigure(config, this.router)
    this.options.prices?.follow(config.upstreams)
    this.limiter.reconfigure(config.limitRules)
    this.operators?.reconfigure(config)
    for (const upstream of before.upstreams)
      if (!this.router.upstreams.includes(upstream)) this.retireUpstream(upstream)
    void this.connectUpstreams()
  }

  private retireUpstream(upstream: Upstream): void {
    this.retiring.add(upstream)
    void upstream.close().then(() => this.retiring.delete(upstream))
  }

  /**
   * Checks every limit in time, such as `timeouts.idleMs`. The listener's clock does this by itself; a test that
   * sets the time calls it.
   * @param now `performance.now()`
   */
  tick(now: number): void {
    this.handler.tick(now)
  }

  /** What the relay is doing now. For tests and for the operator's page; it changes nothing. */
  inspect(): Inspection {
    return createInspection(this.handler, this.limiter, () => this.router, this.retiring)
  }

  /**
   * Stops accepting, and lets open requests end within `timeouts.drainMs`; what is still open then is cut.
   * @returns how many were cut
   */
  drain(): Promise<number> {
    return this.listener.drain()
  }

  /**
   * Stops accepting, as another process has taken over, and serves the connections that are open until they end, within
   * `timeouts.drainMs`.
   * @returns how many requests were cut
   */
  retire(): Promise<number> {
    this.handover.complete()
    this.operators?.retire()
    if (this.handover.hasHeir) this.snapshot?.leave()
    return this.listener.retire()
  }

  /** Hands the records of requests that have ended to the log and the ledger, which else happens a moment later. */
  flush(): void {
    this.handler.writeDown()
  }

  /**
   * Writes every record to the disk, synchronously: for a process that is about to end by itself.
   * @returns the number of records that could not be written
   */
  flushToDisk(): number {
    this.flush()
    const lost = this.ledger?.endNow() ?? 0
    this.stored.flushNow()
    this.limiter.endNow()
    this.snapshot?.endNow()
    return lost
  }

  /** A write to the ledger does not come back: Node would wait for it for ever at the end of the process. */
  get isLedgerHung(): boolean {
    return this.ledger?.hung === true
  }

  /** Cuts every client off and stops listening, at once. Every open request is recorded when this returns. */
  stop(): void {
    this.operators?.close()
    this.listener.close()
    this.configWatch?.close()
    this.priceWatch?.close()
    this.certificateWatch?.close()
    this.authorities.close()
    this.keepWarm.close()
    this.parts.slowness.close()
  }

  /**
   * Closes everything at once.
   * @returns the number of records that could not be written to the disk
   */
  async close(): Promise<number> {
    this.stop()
    await Promise.all([...this.router.upstreams, ...this.retiring].map((upstream) => upstream.destroy()))
    this.keyring?.close()
    const [lost = 0] = await Promise.all([this.ledger?.close(), this.stored.close(), this.limiter.close()])
    await this.snapshot?.close()
    this.parts.rollups?.close()
    await this.operators?.end()
    this.handover.end(lost === 0)
    return lost
  }
}
