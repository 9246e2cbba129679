import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import pino from 'pino'
import { deriveKeyId, hashKey, mintKey } from '../access/key.js'
import type { KeyRecord } from '../access/keyring.js'
import { NO_ADMIN } from '../config/admin.js'
import type { Config } from '../config/config.js'
import type { LimitRulesConfig, Rate } from '../config/limit-rules.js'
import { createRouteConfig } from '../config/routes.js'
import { createUpstreamConfig, type UpstreamConfig } from '../config/upstreams.js'
import { waitUnreferenced } from '../lib/wait-unreferenced.js'
import { Log } from '../observe/log.js'
import { type App, createApp } from './app.js'

/** After these, V8 has compiled the code that every request and every connection runs (bench `start`). */
const CONNECTIONS = 40
const REQUESTS_PER_CONNECTION = 10

/** On a machine where the warm-up takes longer, the rest of it is left out. */
const TIME_LIMIT_MS = 1_500

/** How long upstreams that do not respond may keep `/readyz` from saying `ready`. */
const CONNECT_LIMIT_MS = 1_000

const OWNER = { env: 'warm-up', team: 'warm-up', user: 'warm-up' }

/** As a client would send it, with a prompt of usual size. */
const PROMPT = JSON.stringify({
  model: 'warm-up',
  stream: true,
  messages: [{ role: 'user', content: 'To be or not to be, "that" is the question.\n'.repeat(40) }],
})

const EVENT = 'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":" be"}}]}\n\n'

/** Every response ends with it. */
const LAST_CHUNK = '0\r\n\r\n'

const NOWHERE = { write(): void {} }

/**
 * Makes the first request as fast as the later ones: compiles the code and connects the upstreams. A failure here
 * does not keep the relay from starting; it is logged. `THINWIRE_WARM_UP=off` leaves the code out: it takes half a
 * second of CPU time, which many short-lived relays of a test or of a build do not want to spend.
 * @param compiles false: only the upstreams are connected
 */
export async function warmUp(app: App, log: Log, compiles = true): Promise<void> {
  const connected = app.connectUpstreams()
  if (compiles && process.env.THINWIRE_WARM_UP !== 'off')
    await warmUpCode(app.config).catch((error) => log.warn({ err: error }, 'the code could not be warmed up'))
  await Promise.race([connected, waitUnreferenced(CONNECT_LIMIT_MS)])
  app.markReady()
}

/**
 * Sends requests through a second relay that is built like the first, between a client and an upstream of its own on
 * loopback, so that the first real request runs compiled code: otherwise it takes a hundred times as long as later
 * ones (bench `start`). None of these requests is logged or recorded.
 * @param readClock milliseconds
 * @returns how many were answered
 */
export async function warmUpCode(config: Config, readClock = () => performance.now()): Promise<number> {
  const upstream = createServer((req, res) => {
    req.resume().once('end', () => {
      res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
      res.write(EVENT)
      // In a later turn of the event loop, so that it arrives as a chunk of its own.
      setImmediate(() => res.end(EVENT))
    })
  })
  await new Promise<void>((resolve, reject) => {
    upstream.once('error', reject).listen({ host: '127.0.0.1', port: 0, exclusive: true }, resolve)
  })
  const key = mintKey(OWNER)
  const app = await createApp({
    config: createWarmUpConfig(config, (upstream.address() as AddressInfo).port),
    log: new Log(pino({ level: config.log.level, base: null }, NOWHERE), NOWHERE),
    prices: null,
    source: null,
    recordsUsage: false,
    ...(config.keys.mode === 'keys' ? { keyring: createKeyring(key) } : {}),
  })
  try {
    const { port } = await app.listen()
    const deadline = readClock() + TIME_LIMIT_MS
    let answered = 0
    for (let i = 0; i < CONNECTIONS && readClock() < deadline; i++) answered += await sendRequests(port, key)
    return answered
  } finally {
    await app.close()
    upstream.closeAllConnections()
    upstream.close()
  }
}

/** The same config, with one upstream and nothing that is seen from outside. */
function createWarmUpConfig(config: Config, port: number): Config {
  const name = 'warm-up'
  const upstream: UpstreamConfig = {
    ...createUpstreamConfig(name, `http://127.0.0.1:${port}`, config.timeouts),
    apiKey: 'warm-up',
    auth: 'bearer',
    warm: false,
  }
  return {
    ...config,
    listen: { host: '127.0.0.1', port: 0, tls: null },
    upstreams: [upstream],
    routes: [createRouteConfig(name)],
    aliases: [],
    metrics: { listen: null, hosts: [] },
    admin: NO_ADMIN,
    limitRules: createWarmUpRules(config),
  }
}

const WIDE_RATE: Rate = { perMinute: 1e9, burst: 1e9 }

/** The same rules with amounts that nothing reaches: they refuse no warm-up, and call no webhook because of one. */
function createWarmUpRules({ limitRules }: Config): LimitRulesConfig {
  const rules = limitRules.rules.map((rule) => ({
    ...rule,
    requests: rule.requests === null ? null : WIDE_RATE,
    tokens: rule.tokens === null ? null : WIDE_RATE,
    concurrent: rule.concurrent === null ? null : 1e6,
    budgets: rule.budgets.map((budget) => ({ ...budget, amount: Number.MAX_SAFE_INTEGER })),
    allow: null,
    deny: null,
  }))
  const alerts = { ...limitRules.alerts, url: null, secret: null }
  return { rules, unpriced: { input: 1, output: 1 }, alerts }
}

/** A keyring with this key and no other. */
function createKeyring(key: string): { find(hash: string): KeyRecord | undefined } {
  const hash = hashKey(key)
  const record: KeyRecord = {
    ...OWNER,
    id: deriveKeyId(hash),
    issuedAt: new Date().toISOString(),
    revokedAt: null,
    expiresAt: null,
    models: null,
    addresses: null,
    limits: null,
  }
  const records = new Map([[hash, record]])
  return { find: (wanted) => records.get(wanted) }
}

/** Sends requests, one after the other, on a connection of their own. @returns how many were answered */
function sendRequests(port: number, key: string): Promise<number> {
  const request =
    `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer ${key}\r\n` +
    'user-agent: warm-up\r\naccept: application/json\r\ncontent-type: application/json\r\n' +
    `content-length: ${Buffer.byteLength(PROMPT)}\r\n\r\n${PROMPT}`
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let sent = 0
    let answered = 0
    let response = ''
    const next = (): void => {
      if (sent === REQUESTS_PER_CONNECTION) {
        socket.destroy()
        return
      }
      sent++
      response = ''
      socket.write(request)
    }
    socket.setNoDelay(true).once('connect', next).once('error', reject)
    socket.once('close', () => resolve(answered))
    socket.setTimeout(TIME_LIMIT_MS, () => socket.destroy())
    socket.on('data', (chunk: Buffer) => {
      response += chunk.toString('latin1')
      // The limits of a config may refuse such a request.
      if (!response.startsWith('HTTP/1.1 200 ')) socket.destroy()
      else if (response.endsWith(LAST_CHUNK)) {
        answered++
        next()
      }
    })
  })
}
