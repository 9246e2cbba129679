import pino from 'pino'
import { type App, createApp } from '../app/app.js'
import { NO_ADMIN } from '../config/admin.js'
import type { Config } from '../config/config.js'
import { startDemo } from '../demo/server.js'
import { type Double, identifyProvider, startDouble } from '../doctor/doubles/double.js'
import { Log } from '../observe/log.js'

/** A relay of this process whose upstreams are doubles of the providers. */
export interface Rehearsal {
  /** The base URL for Cursor. */
  readonly url: string
  /** What the relay had to learn from refusals, by `UPSTREAM/MODEL`: entries for `modelTraits`. */
  readonly learned: ReadonlyMap<string, string>
  close(): Promise<void>
}

/**
 * Starts the relay of a config with doubles in place of its upstreams. Nothing leaves this machine, and nothing is
 * recorded. Limits on teams do not hold: each alias is tried.
 */
export async function startRehearsal(config: Config): Promise<Rehearsal> {
  const parts: { close(): Promise<unknown> }[] = []
  const close = async (): Promise<void> => {
    for (const part of parts.reverse()) await part.close()
  }
  try {
    const demo = await startDemo({ paceMs: 0 })
    parts.push(demo)
    const doubles: Double[] = []
    for (const { preset, origin } of config.upstreams) {
      const double = await startDouble(identifyProvider(preset, origin), demo.origin)
      parts.push(double)
      doubles.push(double)
    }
    const learned = new Map<string, string>()
    const app: App = await createApp({
      config: redirect(config, doubles),
      log: createLog(learned),
      prices: null,
      source: null,
      recordsUsage: false,
    })
    parts.push(app)
    const { port } = await app.listen()
    app.markReady()
    return { url: `http://127.0.0.1:${port}/cursor/v1`, learned, close }
  } catch (error) {
    await close()
    throw error
  }
}

function redirect(config: Config, doubles: readonly Double[]): Config {
  return {
    ...config,
    listen: { host: '127.0.0.1', port: 0, tls: null },
    keys: { ...config.keys, mode: 'off' },
    metrics: { listen: null, hosts: [] },
    admin: NO_ADMIN,
    cache: { ...config.cache, enabled: false },
    limitRules: { ...config.limitRules, rules: [] },
    aliases: config.aliases.map((alias) => ({ ...alias, teams: null })),
    upstreams: config.upstreams.map((upstream, i) => ({
      ...upstream,
      origin: doubles[i]?.origin ?? '',
      cloud: null,
      proxy: null,
      ca: null,
      caFile: null,
      servername: null,
      warm: false,
    })),
  }
}

/** The relay's warning of a correction ends with the entry of the config. */
const ENTRY = /add to modelTraits: (\{.*\})$/

function createLog(learned: Map<string, string>): Log {
  const sink = {
    write(line: string): void {
      const { msg } = JSON.parse(line) as { readonly msg?: unknown }
      const entry = ENTRY.exec(typeof msg === 'string' ? msg : '')?.[1]
      if (entry === undefined) return
      const { upstream, match } = JSON.parse(entry) as { readonly upstream: string; readonly match: string }
      learned.set(`${upstream}/${match}`, entry)
    },
  }
  return new Log(pino({ level: 'warn', base: null }, sink), sink)
}
