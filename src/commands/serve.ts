import { userInfo } from 'node:os'
import { relative } from 'node:path'
import { issueKey, Keyring, KeyringError } from '../access/keyring.js'
import type { MetricsServer } from '../admin/metrics-server.js'
import { Reloader } from '../app/reload.js'
import { warmUpCode } from '../app/warm-up.js'
import type { Config, ConfigSource } from '../config/config.js'
import { isLoopback } from '../config/listen.js'
import { createRouteConfig } from '../config/routes.js'
import { createUpstreamConfig } from '../config/upstreams.js'
import { type Demo, startDemo } from '../demo/server.js'
import type { Prices } from '../ledger/prices.js'
import { Ledger } from '../ledger/write/ledger.js'
import { createTargetStateLogger } from '../observe/health-log.js'
import { type Log, openLog } from '../observe/log.js'
import { Router } from '../routing/router.js'
import { Listener } from '../server/listener.js'
import { RequestHandler } from '../server/request-handler.js'
import { KeepWarm } from '../upstream/keep-warm.js'
import { VERSION } from '../version.js'
import { type Banner, formatBanner } from './banner.js'
import { describeListenError, formatOrigin } from './listening.js'

const CANNOT = 1

/** How long an upstream that does not answer may keep `/readyz` from saying yes. */
const WARM_MS = 1_000

/** For the reader of the log, at the end. */
const LOG_MS = 1_000

/**
 * Signals that follow each other faster than this are one: `npm start` hands on the Ctrl-C that the terminal has
 * already given to both, and the second must not cut the streams that the first lets end.
 */
const SAME_SIGNAL_MS = 750

export interface ServeOptions {
  /** Where the config is read again. */
  readonly source: ConfigSource
  /** Null where none are wanted. */
  readonly prices: Prices | null
  /** Tells the person who starts it. */
  readonly say: (text: string) => void
}

/** Runs the relay of a config until a signal ends it. Resolves to the exit code only if it could not start. */
export async function serve(wanted: Config, options: ServeOptions): Promise<number> {
  const { source, say } = options
  let config = wanted
  let { prices } = options
  const log = await openLog(config.log, process.stdout.isTTY === true)
  let keyring: Keyring | null = null
  let listening = false
  if (config.keys.mode === 'keys') {
    try {
      keyring = Keyring.open(config.keys.file, {
        onProblem: (message) => log.warn({}, message),
        // Not for the first key, which the banner tells.
        onReload: (keys) => listening && log.info({ keys }, 'the key file was read again'),
      })
    } catch (error) {
      if (!(error instanceof KeyringError)) throw error
      say(`thinwire: ${error.message}`)
      return CANNOT
    }
  }

  let demo: Demo | null = null
  if (config.upstreams.length === 0) {
    demo = await startDemo()
    config = withDemo(config, demo)
    // It answers to the name of any model, and nobody pays for it.
    prices = null
  }

  for (const warning of config.warnings) log.warn({}, warning)
  for (const { name, proxy } of config.upstreams) {
    if (proxy !== null)
      log.info({ upstream: name, proxy: proxy.origin }, `${name} is reached through ${proxy.origin}`)
  }
  const router = new Router(config, createTargetStateLogger(log))
  const ledger = new Ledger(config.ledger, log, prices)
  // Loaded where it is wanted: a start is waited for, by people and in the tests.
  const metrics =
    config.metrics.listen === null ? null : new (await import('../observe/metrics.js')).Metrics()
  const handler = new RequestHandler({ config, keyring, router, log, ledger, metrics })
  // Ahead of the log, which then writes what it has; and whatever it is that ends the process.
  process.prependOnceListener('exit', () => {
    handler.writeDown()
    ledger.flushNow()
  })
  // Behind the log. Node waits at its end for the threads that are in a system call, of which one would not come back.
  process.once('exit', () => {
    if (ledger.hung) process.kill(process.pid, 'SIGKILL')
  })
  handler.ready = false
  const server = new Listener(config, handler, log)
  let metricsServer: MetricsServer | null = null
  let metricsUrl: string | null = null
  let port: number
  let listenAt = config.listen
  const cannot = async (why: string): Promise<number> => {
    say(`thinwire: ${why}`)
    metricsServer?.close()
    server.close()
    keyring?.close()
    await demo?.close()
    return CANNOT
  }
  try {
    port = (await server.listen()).port
    if (metrics !== null && config.metrics.listen !== null) {
      listenAt = config.metrics.listen
      metricsServer = new (await import('../admin/metrics-server.js')).MetricsServer(metrics, handler)
      const { port: metricsPort } = await metricsServer.listen(listenAt)
      metricsUrl = `${formatOrigin(listenAt.host, metricsPort)}/metrics`
    }
  } catch (error) {
    const setting = listenAt === config.listen ? '--listen HOST:PORT' : 'metrics.listen'
    return cannot(describeListenError(listenAt, error, setting))
  }

  let key: string | null = null
  if (keyring !== null && keyring.size === 0) {
    try {
      key = issueKey(config.keys.file, { env: 'dev', team: 'default', user: localUser() }).key
    } catch (error) {
      if (!(error instanceof KeyringError)) throw error
      return cannot(error.message)
    }
    keyring.reload()
  }
  const keepWarm = new KeepWarm({
    onTrouble: (upstream, cause) =>
      log.warn({ upstream, cause }, `cannot reach upstream ${upstream} yet (${cause})`),
    onMoved: (upstream) => log.info({ upstream }, `${upstream} has another address: it is connected anew`),
  })
  const reloader = new Reloader({
    ...{ source, config, router, handler, log },
    onUpstreams: (upstreams) => void keepWarm.keep(upstreams),
  })
  const stop = async (): Promise<void> => {
    metricsServer?.close()
    reloader.close()
    keepWarm.close()
    await Promise.all(reloader.upstreams.map((upstream) => upstream.destroy()))
    keyring?.close()
    await demo?.close()
    const lost = await ledger.close()
    if (lost > 0) log.error({ lost }, `${lost} records could not be written to the ledger`)
  }
  endOnSignal(server, handler, log, config.timeouts.drainMs, stop)
  if (demo === null) {
    reloader.watch()
    reloadOnHangup(reloader, log)
  }
  listening = true
  say(formatBanner(describe(config, port, key, keyring, demo !== null, metricsUrl)))
  await warmUp(config, router, keepWarm, log)
  handler.ready = true
  // Never by itself: the listener keeps the process alive until a signal comes.
  return new Promise(() => {})
}

function endOnSignal(
  server: Listener,
  handler: RequestHandler,
  log: Log,
  drainMs: number,
  stop: () => Promise<void>,
): void {
  let firstAt = 0
  const onSignal = (signal: NodeJS.Signals, number: number): void => {
    if (firstAt !== 0) {
      if (performance.now() - firstAt < SAME_SIGNAL_MS) return
      log.warn({ signal, cut: handler.inFlight.size }, `${signal} again: ending now`)
      server.close()
      // As a shell reports a process that a signal has ended.
      process.exit(128 + number)
    }
    firstAt = performance.now()
    const open = handler.inFlight.size
    log.info(
      { signal, in_flight: open },
      open === 0
        ? `${signal}: ending`
        : `${signal}: ending when ${open === 1 ? 'the open request has' : `${open} open requests have`}, within ${drainMs / 1000} s`,
    )
    void server.drain().then(async (cut) => {
      if (cut > 0) log.warn({ cut }, `${cut} requests were still open and have been cut`)
      await stop()
      log.info({}, 'ended')
      await log.drain(LOG_MS)
      process.exit(0)
    })
  }
  process.on('SIGTERM', () => onSignal('SIGTERM', 15))
  process.on('SIGINT', () => onSignal('SIGINT', 2))
  // Whatever state such a fault has left behind, going on could send one client's bytes to another.
  process.on('uncaughtException', (error) => {
    log.error({ err: error }, 'a fault that nothing caught: ending')
    process.stderr.write(`thinwire: ${error.stack ?? error.message}\n`)
    server.close()
    process.exit(CANNOT)
  })
}

/**
 * Makes the first request as fast as those that follow: the code compiled, the upstreams connected. Nothing of it is
 * a reason not to start: what cannot be reached is told, and waited for no longer than `WARM_MS`.
 */
async function warmUp(config: Config, router: Router, keepWarm: KeepWarm, log: Log): Promise<void> {
  const connected = keepWarm.keep(router.upstreams)
  await warmUpCode(config).catch((error) => log.warn({ err: error }, 'the code could not be warmed up'))
  await Promise.race([connected, new Promise((resolve) => setTimeout(resolve, WARM_MS).unref())])
}

/** SIGHUP has the config read again, as usual with servers; but in a terminal it is the window that closes, and ends it. */
function reloadOnHangup(reloader: Reloader, log: Log): void {
  if (process.stdin.isTTY || process.stdout.isTTY || process.platform === 'win32') return
  process.on('SIGHUP', () => {
    log.info({ signal: 'SIGHUP' }, 'SIGHUP: reading the config again')
    reloader.reload()
  })
}

function withDemo(config: Config, demo: Demo): Config {
  const upstream = createUpstreamConfig('demo', demo.origin, config.timeouts)
  return { ...config, upstreams: [upstream], routes: [createRouteConfig('demo')], warnings: [] }
}

function describe(
  config: Config,
  port: number,
  key: string | null,
  keyring: Keyring | null,
  demo: boolean,
  metricsUrl: string | null,
): Banner {
  const { host } = config.listen
  return {
    version: VERSION,
    url: formatOrigin(host, port),
    open: !isLoopback(host),
    upstreams: demo ? null : config.upstreams.map((upstream) => upstream.name),
    mode: config.keys.mode,
    key,
    activeKeys: keyring?.list().filter((record) => record.revokedAt === null).length ?? 0,
    keyFile: relative(process.cwd(), config.keys.file) || config.keys.file,
    configFile: config.file === null ? null : relative(process.cwd(), config.file),
    metricsUrl,
  }
}

/** The user of this machine as it may stand in a key. */
function localUser(): string {
  let name = ''
  try {
    name = userInfo().username
  } catch {
    // A container may run as a number without a name.
  }
  const fit = name
    .toLowerCase()
    .replace(/[^a-z0-9-]+/g, '-')
    .slice(0, 32)
  return fit === '' ? 'me' : fit
}
