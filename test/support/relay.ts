import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pino from 'pino'
import { issueKey, Keyring } from '../../src/access/keyring.js'
import { type Config, loadConfig } from '../../src/config/config.js'
import { Prices } from '../../src/ledger/prices.js'
import { Ledger } from '../../src/ledger/write/ledger.js'
import { createTargetStateLogger } from '../../src/observe/health-log.js'
import { Log } from '../../src/observe/log.js'
import { Router } from '../../src/routing/router.js'
import { Listener } from '../../src/server/listener.js'
import { RequestHandler } from '../../src/server/request-handler.js'
import { RawClient, type Response } from './client.js'
import { readLedger } from './ledger.js'
import { until } from './until.js'

export type LogLine = Readonly<Record<string, unknown>>

/** A whole relay in this process, made from a config file as `thinwire start` makes it. */
export interface TestRelay {
  readonly port: number
  readonly url: string
  readonly key: string
  readonly keyFile: string
  readonly config: Config
  readonly handler: RequestHandler
  readonly server: Listener
  readonly router: Router
  readonly lines: LogLine[]
  /** The lines of requests, waiting until there are so many. */
  requests(count: number): Promise<LogLine[]>
  /** The records of the ledger, waiting until there are so many. */
  records(count: number): Promise<LogLine[]>
  client(): Promise<RawClient>
  /** @returns a key of this team that the relay knows already */
  addKey(team: string): string
  close(): Promise<void>
}

/** What a request needs to be admitted, as header lines. */
export function auth(relay: TestRelay): string {
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

/** @param settings of the config file; upstreams are not warmed unless they say so, to keep request counts exact */
export async function startRelay(
  upstreams: Record<string, Record<string, unknown>> | string,
  settings: Record<string, unknown> = {},
  env: Record<string, string> = { UPSTREAM_KEY: 'sk-upstream-secret' },
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
  writeFileSync(file, JSON.stringify({ listen: '127.0.0.1:0', upstreams: cold, ...settings }))
  const config = loadConfig({ file, env, cwd: folder })
  const lines: LogLine[] = []
  const sink = { write: (line: string) => void lines.push(JSON.parse(line) as LogLine) }
  const log = new Log(pino({ level: 'debug', base: null }, sink), sink)
  const keyring = config.keys.mode === 'keys' ? Keyring.open(config.keys.file, { pollMs: 20 }) : null
  const key =
    keyring === null ? '' : issueKey(config.keys.file, { env: 'test', team: 'team1', user: 'user1' }).key
  keyring?.reload()
  const router = new Router(config, createTargetStateLogger(log))
  const ledger = new Ledger(config.ledger, log, Prices.open(config.ledger.prices))
  const handler = new RequestHandler({ config, keyring, router, log, ledger })
  const server = new Listener(config, handler, log)
  const { port } = await server.listen()
  return {
    port,
    url: `http://127.0.0.1:${port}/v1`,
    key,
    keyFile: config.keys.file,
    config,
    handler,
    server,
    router,
    lines,
    async requests(count) {
      const settled = (): LogLine[] => lines.filter((line) => 'end' in line && line.end !== 'local')
      await until(() => settled().length >= count, `${count} settled requests`)
      return settled()
    },
    async records(count) {
      await until(() => ledger.state.written >= count, `${count} records`)
      return readLedger(config.ledger.folder)
    },
    client: () => RawClient.connect(port),
    addKey(team) {
      const added = issueKey(config.keys.file, { env: 'test', team, user: 'other' })
      keyring?.reload()
      return added.key
    },
    async close() {
      server.close()
      keyring?.close()
      await ledger.close()
      await Promise.all(router.upstreams.map((upstream) => upstream.destroy()))
      try {
        // Whatever a test is about, its records are as they should be.
        readLedger(config.ledger.folder)
      } finally {
        rmSync(folder, { recursive: true, force: true })
      }
    },
  }
}
