import { type Stats, unwatchFile, watchFile } from 'node:fs'
import { isDeepStrictEqual } from 'node:util'
import { type Config, type ConfigSource, loadConfig } from '../config/config.js'
import { ConfigError } from '../config/problems.js'
import { resolveUpstreamTimeouts } from '../config/upstreams.js'
import { createTargetStateLogger } from '../observe/health-log.js'
import type { Log } from '../observe/log.js'
import { Router } from '../routing/router.js'
import type { RequestHandler } from '../server/request-handler.js'
import type { Upstream } from '../upstream/upstream.js'

/** How often the file is looked at. Polled, as the key file is, and for the same reasons. */
const POLL_MS = 1_000

export interface ReloaderParts {
  readonly source: ConfigSource
  /** As the relay runs with it. */
  readonly config: Config
  readonly router: Router
  readonly handler: Pick<RequestHandler, 'reconfigure'>
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
    const { file } = this.parts.config
    if (file === null) return
    const interval = this.parts.pollMs ?? POLL_MS
    watchFile(file, { interval, persistent: false }, this.onLook)
  }

  close(): void {
    const { file } = this.parts.config
    if (file !== null) unwatchFile(file, this.onLook)
  }

  /** All that have connections. */
  get upstreams(): readonly Upstream[] {
    return [...this.router.upstreams, ...this.leaving]
  }

  reload(): void {
    const { log, handler, onUpstreams } = this.parts
    const read = this.read()
    if (read === null) return
    const next = takenOver(read, this.config)
    const later = differences(read, next)
    if (later.length > 0) {
      const take = later.length === 1 ? 'takes' : 'take'
      log.warn({ settings: later }, `${later.join(', ')} ${take} effect after a restart`)
    }
    if (differences(next, this.config).length === 0) {
      log.info({}, 'the config was read again: nothing else has changed')
      return
    }
    for (const warning of next.warnings) log.warn({}, warning)
    this.config = next
    const before = this.router
    this.router = new Router(next, createTargetStateLogger(log), before)
    handler.reconfigure(next, this.router)
    for (const upstream of before.upstreams)
      if (!this.router.upstreams.includes(upstream)) this.dismiss(upstream)
    onUpstreams(this.router.upstreams)
    log.info(
      { upstreams: next.upstreams.map(({ name }) => name) },
      'the config was read again, and has been taken over',
    )
  }

  /** @returns null if it is one that cannot be gone on with; the log tells why */
  private read(): Config | null {
    let read: Config
    try {
      read = loadConfig(this.parts.source)
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error
      return this.refuse(error.message.split('\n').join('; '), { problems: error.problems })
    }
    const { mode } = this.config.keys
    if (read.upstreams.length === 0) return this.refuse('there are no upstreams in the new one')
    // Its upstreams are of a relay that asks for other credentials, or for none, and has other ones to put on.
    if (read.keys.mode !== mode)
      return this.refuse(`keys.mode: it takes a restart to go from ${mode} to ${read.keys.mode}`)
    return read
  }

  private refuse(why: string, fields: Record<string, unknown> = {}): null {
    this.parts.log.error(fields, `the config is left as it was: ${why}`)
    return null
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

/** What the relay goes on with: where requests go, and what is kept of answers. All else is for the next start. */
function takenOver(read: Config, before: Config): Config {
  const { upstreams, routes, aliases, listModels, cursor, cache, warnings } = read
  const timeouts = { ...before.timeouts, ...resolveUpstreamTimeouts(read.timeouts) }
  return { ...before, upstreams, routes, aliases, listModels, cursor, cache, timeouts, warnings }
}

/** Where two configs differ, each by its path in the file: a setting of a section, but the whole of a list. */
function differences(one: Config, other: Config): string[] {
  const paths: string[] = []
  for (const name of Object.keys(one) as (keyof Config)[]) {
    const here: unknown = one[name]
    const there: unknown = other[name]
    if (name === 'file' || name === 'warnings' || isDeepStrictEqual(here, there)) continue
    // `listen` is one text in the file.
    if (name === 'listen' || !isSection(here) || !isSection(there)) paths.push(name)
    else
      for (const key of Object.keys(here))
        if (!isDeepStrictEqual(here[key], there[key])) paths.push(`${name}.${key}`)
  }
  return paths
}

function isSection(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
