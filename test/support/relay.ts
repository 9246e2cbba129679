import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { issueKey } from '../../src/access/keyring.js'
import { type App, createApp } from '../../src/app/app.js'
import type { WorkerPlace } from '../../src/app/app-options.js'
import type { Inspection } from '../../src/app/inspect.js'
import { type Config, loadConfig } from '../../src/config/config.js'
import { Prices } from '../../src/ledger/prices.js'
import { Log } from '../../src/observe/log.js'
import { RawClient, type Response } from './client.js'
import { readLedger } from './ledger.js'
import { COUNTS_IN_PRIMARY, type FollowingLimits, TestPrimary } from './primary-mode.js'
import { SPEAKS_TLS, TLS_PORTS, writeTlsListen } from './tls-mode.js'
import { until } from './until.js'

export type LogLine = Readonly<Record<string, unknown>>

/** A whole relay in this process, built from a config file as `thinwire start` builds it. */
export interface TestRelay {
  readonly port: number
  /** Null if metrics are off. */
  readonly metricsPort: number | null
  /** Null without a page. */
  readonly pagePort: number | null
  readonly url: string
  readonly key: string
  readonly keyFile: string
  readonly config: Config
  readonly app: App
  readonly lines: LogLine[]
  /** What counts its limits; null: it does so itself. */
  readonly primary: TestPrimary | null
  readonly limits: FollowingLimits | null
  /** What the relay is doing: `App.inspect`. */
  inspect(): Inspection
  /** Waits for so many log lines of requests, and returns all of them. */
  requests(count: number): Promise<LogLine[]>
  /** Waits for so many records in the ledger, and returns all of them. */
  records(count: number): Promise<LogLine[]>
  client(): Promise<RawClient>
  /** @returns a key of this team that the relay knows already */
  addKey(team: string): string
  close(): Promise<void>
}

/** Header lines of a request that is admitted. */
export function auth(relay: Pick<TestRelay, 'key'>): string {
  return `host: relay\r\nauthorization: Bearer ${relay.key}\r\n`
}

/** Posts a body to a path, on a connection of its own. */
export async function post(relay: TestRelay, path: string, body: string): Promise<Response> {
  const client = await relay.client()
  client.send(`POST ${path} HTTP/1.1\r\n${auth(relay)}content-length: ${body.length}\r\n\r\n${body}`)
  const response = await client.response()
  client.destroy()
  return response
}

/**
 * Starts a relay in this process.
 * @param settings of the config file; upstreams are not warmed unless they say so, to keep request counts exact
 * @param configPollMs how often the config file is looked at; null: the config is never read again
 * @param primary counts its limits; null: it does so itself
 * @param worker its place among several workers; null: it is all of the relay
 */
export async function startRelay(
  upstreams: Record<string, Record<string, unknown>> | string,
  settings: Record<string, unknown> = {},
  env: Record<string, string> = { UPSTREAM_KEY: 'sk-upstream-secret' },
  configPollMs: number | null = null,
  primary: TestPrimary | null = null,
  worker: WorkerPlace | null = null,
): Promise<TestRelay> {
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-'))
  const entries =
    typeof upstreams === 'string'
      ? { up: { baseUrl: upstreams, apiKey: { env: 'UPSTREAM_KEY' } } }
      : upstreams
  const cold = Object.fromEntries(
    Object.entries(entries).map(([name, entry]) => [name, { warm: false, ...entry }]),
  )
  const file = join(folder, 'thinwire.json')
  const listen = SPEAKS_TLS ? writeTlsListen(folder) : '127.0.0.1:0'
  writeFileSync(file, JSON.stringify({ listen, upstreams: cold, ...settings }))
  const source = { file, env, cwd: folder }
  const config = loadConfig(source)
  const lines: LogLine[] = []
  const sink = { write: (line: string) => void lines.push(JSON.parse(line) as LogLine) }
  const log = new Log(pino({ level: 'debug', base: null }, sink), sink)
  const hasKeys = config.keys.mode === 'keys'
  const key = hasKeys ? issueKey(config.keys.file, { env: 'test', team: 'team1', user: 'user1' }).key : ''
  const counting =
    primary ?? (COUNTS_IN_PRIMARY ? new TestPrimary(config.limitRules, log, [config.ledger.folder]) : null)
  const limits = counting?.connect(log) ?? null
  const app = await createApp({
    config,
    log,
    ...(limits === null ? {} : { limits }),
    prices: Prices.open(config.ledger.prices),
    keyPollMs: 20,
    worker,
    ...(configPollMs === null ? { source: null } : { source, configPollMs }),
  })
  counting?.add(app)
  const { port, metricsPort, pagePort } = await app.listen()
  app.markReady()
  const isTls = config.listen.tls !== null
  if (isTls) TLS_PORTS.add(port)
  return {
    port,
    metricsPort,
    pagePort,
    url: `${isTls ? 'https' : 'http'}://127.0.0.1:${port}/v1`,
    key,
    keyFile: config.keys.file,
    config,
    app,
    lines,
    primary: counting,
    limits,
    inspect: () => inspect(app, counting),
    async requests(count) {
      const settled = (): LogLine[] => lines.filter((line) => 'end' in line && line.end !== 'local')
      await until(() => settled().length >= count, `${count} settled requests`)
      return settled()
    },
    async records(count) {
      await until(() => (app.inspect().ledger?.written ?? 0) >= count, `${count} records`)
      return readLedger(config.ledger.folder)
    },
    client: () => RawClient.connect(port),
    addKey(team) {
      const added = issueKey(config.keys.file, { env: 'test', team, user: 'other' })
      app.reloadKeys()
      return added.key
    },
    async close() {
      await app.close()
      if (primary === null) await counting?.server.close()
      TLS_PORTS.delete(port)
      try {
        // Every test checks its records against the schema.
        readLedger(config.ledger.folder)
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    },
  }
}

/** What a relay is doing, with the limits that its primary counts for it. */
function inspect(app: App, primary: TestPrimary | null): Inspection {
  const inspection = app.inspect()
  if (primary === null) return inspection
  const { limiter } = primary.server
  return Object.defineProperties(inspection, {
    limits: { get: () => limiter.readAll() },
    refusals: { get: () => [...limiter.refusals] },
  })
}
