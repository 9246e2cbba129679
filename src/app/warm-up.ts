import { createServer } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import pino from 'pino'
import { deriveKeyId, hashKey, mintKey } from '../access/key.js'
import type { KeyRecord } from '../access/keyring.js'
import type { Config } from '../config/config.js'
import { createRouteConfig } from '../config/routes.js'
import { createUpstreamConfig, type UpstreamConfig } from '../config/upstreams.js'
import { Log } from '../observe/log.js'
import { Router } from '../routing/router.js'
import { Listener } from '../server/listener.js'
import { RequestHandler } from '../server/request-handler.js'

/** By then V8 has compiled what every request and every connection runs through (bench `start`). */
const CONNECTIONS = 40
const REQUESTS_EACH = 10

/** A machine on which this takes longer than usual is not made to wait for the rest. */
const PATIENCE_MS = 1_500

const OWNER = { env: 'rehearsal', team: 'rehearsal', user: 'rehearsal' }

/** As a client would send it, with a prompt of usual size. */
const PROMPT = JSON.stringify({
  model: 'rehearsal',
  stream: true,
  messages: [{ role: 'user', content: 'To be or not to be, "that" is the question.\n'.repeat(40) }],
})

const EVENT = 'data: {"object":"chat.completion.chunk","choices":[{"index":0,"delta":{"content":" be"}}]}\n\n'

/** What each of the answers ends with. */
const LAST_CHUNK = '0\r\n\r\n'

const NOWHERE = { write(): void {} }

/**
 * Takes requests through a relay of the same make, between a client and an upstream of its own on loopback, so that
 * the first one that counts finds the code compiled: without it that one takes a hundred times what later ones take
 * (bench `start`). Nothing of it is logged or counted, and nothing but the clock ends it early.
 */
export async function warmUpCode(config: Config): Promise<void> {
  const upstream = createServer((req, res) => {
    req.resume().once('end', () => {
      res.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' })
      res.write(EVENT)
      // In a later turn, so that it comes as a piece of its own.
      setImmediate(() => res.end(EVENT))
    })
  })
  await new Promise<void>((resolve, reject) => {
    upstream.once('error', reject).listen(0, '127.0.0.1', resolve)
  })
  const key = mintKey(OWNER)
  const copy = withUpstream(config, (upstream.address() as AddressInfo).port)
  const router = new Router(copy)
  const log = new Log(pino({ level: config.log.level, base: null }, NOWHERE), NOWHERE)
  const keyring = config.keys.mode === 'keys' ? keyringOf(key) : null
  const server = new Listener(
    copy,
    new RequestHandler({ config: copy, keyring, router, log, ledger: null }),
    log,
  )
  try {
    const { port } = await server.listen()
    const deadline = performance.now() + PATIENCE_MS
    for (let i = 0; i < CONNECTIONS && performance.now() < deadline; i++) await ask(port, key)
  } finally {
    server.close()
    await Promise.all(router.upstreams.map((each) => each.destroy()))
    upstream.closeAllConnections()
    upstream.close()
  }
}

function withUpstream(config: Config, port: number): Config {
  const name = 'rehearsal'
  const upstream: UpstreamConfig = {
    ...createUpstreamConfig(name, `http://127.0.0.1:${port}`, config.timeouts),
    apiKey: 'rehearsal',
    auth: 'bearer',
    warm: false,
  }
  return {
    ...config,
    listen: { host: '127.0.0.1', port: 0 },
    upstreams: [upstream],
    routes: [createRouteConfig(name)],
    aliases: [],
  }
}

/** Has this key and no other. */
function keyringOf(key: string): { find(hash: string): KeyRecord | undefined } {
  const hash = hashKey(key)
  const record: KeyRecord = {
    ...OWNER,
    id: deriveKeyId(hash),
    issuedAt: new Date().toISOString(),
    revokedAt: null,
  }
  const records = new Map([[hash, record]])
  return { find: (wanted) => records.get(wanted) }
}

/** Some requests, one after the other, on a connection of their own. */
function ask(port: number, key: string): Promise<void> {
  const request =
    `POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:${port}\r\nauthorization: Bearer ${key}\r\n` +
    'user-agent: rehearsal\r\naccept: application/json\r\ncontent-type: application/json\r\n' +
    `content-length: ${Buffer.byteLength(PROMPT)}\r\n\r\n${PROMPT}`
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    let asked = 0
    let answer = ''
    const next = (): void => {
      if (asked === REQUESTS_EACH) {
        socket.destroy()
        return
      }
      asked++
      answer = ''
      socket.write(request)
    }
    socket.setNoDelay(true).once('connect', next).once('error', reject)
    socket.once('close', () => resolve())
    socket.setTimeout(PATIENCE_MS, () => socket.destroy())
    socket.on('data', (piece: Buffer) => {
      answer += piece.toString('latin1')
      // A config may refuse such a request, by a limit of its own.
      if (!answer.startsWith('HTTP/1.1 200 ')) socket.destroy()
      else if (answer.endsWith(LAST_CHUNK)) next()
    })
  })
}
