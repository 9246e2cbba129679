import { type Stats, unwatchFile, watchFile } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { type Config, type ConfigSource, loadConfig } from '../config/config.js'
import { ConfigError } from '../config/problems.js'
import type { Gateway } from '../gateway.js'
import { healthTeller } from '../ops/health.js'
import type { Log } from '../ops/log.js'
import { Router } from '../routing/router.js'
import type { Upstream } from '../routing/upstream.js'

/** How often the file is looked at. Polled, as the key file is, and for the same reasons. */
const POLL_MS = 1_000

/** What is taken over while the relay runs. */
const LIVE = ['upstreams', 'routes', 'aliases', 'listModels', 'cursor', 'cache'] as const

/** What needs a restart, by its name in the file. */
const FIXED = ['listen', 'keys', 'limits', 'timeouts', 'ledger', 'log'] as const

export interface ReloaderParts {
  readonly source: ConfigSource
  /** As the relay runs with it. */
  readonly config: Config
  readonly router: Router
  readonly gateway: Pick<Gateway, 'reconfigure'>
  readonly log: Log
  /** Told of the upstreams that there are now. */
  readonly onUpstreams: (upstreams: readonly Upstream[]) => void
  readonly pollMs?: number
}

/**
 * Takes the config file over again when it has changed, or when it is asked to. A file with a mistake changes nothing: its
 * problems are told, and the relay goes on as it was. Requests that are under way keep their upstream.
 */
export class Reloader {
  private readonly parts: ReloaderParts
  private config: Config
  private router: Router
  /** Of earlier configs, those that still have something to do. */
  private readonly leaving: Set<Upstream>

  constructor(parts: ReloaderParts) {
    this.parts = parts
    this.config = parts.config
    this.router = parts.router
    this.leaving = new Set()
  }

  /** Looks at the file from now on, if there is one. */
  watch(): void {
    const { file } = this.config
    if (file === null) return
    const interval = this.parts.pollMs ?? POLL_MS
    watchFile(file, { interval, persistent: false }, this.onLook)
  }

  close(): void {
    if (this.config.file !== null) unwatchFile(this.config.file, this.onLook)
  }

  /** All that have connections. */
  get upstreams(): readonly Upstream[] {
    return [...this.router.upstreams, ...this.leaving]
  }

  reload(): void {
    const { source, log, gateway, onUpstreams } = this.parts
    let read: Config
    try {
      read = loadConfig(source)
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      log.error(
        { problems: error.problems },
        `the config is left as it was: ${error.message.split('\n').join('; ')}`,
      )
      return
    }
    if (read.upstreams.length === 0) {
      log.error({}, 'the config is left as it was: there are no upstreams in the new one')
      return
    }
    const restart = FIXED.filter((name) => !isDeepStrictEqual(read[name], this.config[name]))
    if (restart.length > 0)
      log.warn({ settings: restart }, `the new ${restart.join(', ')} will take effect after a restart`)
    if (LIVE.every((name) => isDeepStrictEqual(read[name], this.config[name]))) {
      log.info({}, 'the config was read again: nothing else has changed')
      return
    }
    const { upstreams, routes, aliases, listModels, cursor, cache, warnings } = read
    for (const warning of warnings) log.warn({}, warning)
    this.config = { ...this.config, upstreams, routes, aliases, listModels, cursor, cache, warnings }
    const before = this.router
    this.router = new Router(this.config, healthTeller(log), before)
    gateway.reconfigure(this.config, this.router)
    for (const upstream of before.upstreams)
      if (!this.router.upstreams.includes(upstream)) this.dismiss(upstream)
    onUpstreams(this.router.upstreams)
    log.info(
      { upstreams: upstreams.map(({ name }) => name) },
      'the config was read again, and has been taken over',
    )
  }

  private dismiss(upstream: Upstream): void {
    this.leaving.add(upstream)
    void upstream.close().then(() => this.leaving.delete(upstream))
  }

  private readonly onLook = (now: Stats, before: Stats): void => {
    // Gone for the moment, as some editors have it, or still being written: there is another look.
    if (
      now.mtimeMs === 0 ||
      (now.mtimeMs === before.mtimeMs && now.size === before.size && now.ino === before.ino)
    )
      return
    this.reload()
  }
}
