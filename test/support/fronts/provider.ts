import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type Server,
  type ServerResponse,
} from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { type Certificate, issue } from '../../../scripts/certificate.js'
import { resetSocket } from '../../../src/relay/reset.js'
import { deferred, wait } from '../until.js'
import { RELAY_CREDENTIAL } from './relay-set.js'

/** The operator's credential, which the front uses for the direct way. */
export const DIRECT_CREDENTIAL = 'sk-of-the-operator-0123456789'
/** The name in the provider's certificate. */
export const PROVIDER_HOST = 'api.openai.com'

/** What the body of a request asks the provider to do. It stands in `metadata`, whose values are text. */
export interface Wish {
  /** Events of a stream, or 1 for a whole answer. */
  readonly pieces: number
  readonly gapMs: number
  /** Resets the connection behind so many pieces; 0: before the head. */
  readonly cutAfter: number | null
  /** Status of a refusal. */
  readonly refuse: number | null
}

export type Way = 'relay' | 'direct' | 'other'

/** One request as the provider got it. */
export interface Arrival {
  readonly way: Way
  readonly id: string
  readonly method: string
  readonly path: string
  readonly headers: IncomingMessage['headers']
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
  readonly at: number
  /** Whether the last byte of the answer was handed to the kernel. */
  answered: boolean
}

/**
 * A provider with two doors: HTTP for the relays, HTTPS for the direct way of a front. It counts each request by the
 * id in the body's `user`, so that what was sent twice or never can be counted.
 */
export class FrontProvider {
  readonly arrivals: Arrival[] = []
  readonly certificate: Certificate
  private readonly plain: Server
  private readonly secure: Server
  private readonly sockets = new Set<Socket>()
  private readonly byId = new Map<string, Arrival[]>()
  /** Keeps no list of arrivals but the counts: for a run of hours. */
  private readonly keepsArrivals: boolean

  private constructor(certificate: Certificate, keepsArrivals: boolean) {
    this.certificate = certificate
    this.keepsArrivals = keepsArrivals
    const onRequest: RequestListener = (req, res) => {
      this.onRequest(req, res).catch(() => cut(req.socket))
    }
    this.plain = createServer(onRequest)
    this.secure = createSecureServer({ cert: certificate.cert, key: certificate.key }, onRequest)
    for (const server of [this.plain, this.secure]) {
      server.keepAliveTimeout = 60_000
      server.on('connection', (socket: Socket) => {
        this.sockets.add(socket)
        socket.on('close', () => this.sockets.delete(socket))
      })
    }
  }

  /** @param host the name in the certificate, which is its own authority */
  static async start(host = PROVIDER_HOST, keepsArrivals = true): Promise<FrontProvider> {
    const provider = new FrontProvider(issue({ host }), keepsArrivals)
    for (const server of [provider.plain, provider.secure])
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    return provider
  }

  /** Base URL for the relays. */
  get url(): string {
    return `http://127.0.0.1:${portOf(this.plain)}`
  }

  /** The port of the HTTPS door. */
  get securePort(): number {
    return portOf(this.secure)
  }

  async close(): Promise<void> {
    const closed = [this.plain, this.secure].map((server) => new Promise((resolve) => server.close(resolve)))
    for (const socket of this.sockets) socket.destroy()
    await Promise.all(closed)
  }

  /** Requests with this id, in their order. */
  arrivalsOf(id: string): readonly Arrival[] {
    return this.byId.get(id) ?? []
  }

  /** Ids that came more than once: what would be billed twice. */
  get twice(): string[] {
    return [...this.byId].filter(([, arrivals]) => arrivals.length > 1).map(([id]) => id)
  }

  /** Forgets what a client has the outcome of. @returns how often it came */
  forget(id: string): number {
    const count = this.arrivalsOf(id).length
    this.byId.delete(id)
    return count
  }

  private async onRequest(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const pieces: Buffer[] = []
    for await (const piece of req) pieces.push(piece as Buffer)
    const body = Buffer.concat(pieces)
    const parsed = parseBody(body)
    const arrival: Arrival = {
      way: findWay(req),
      id: parsed.id,
      method: req.method ?? '',
      path: req.url ?? '',
      headers: req.headers,
      rawHeaders: req.rawHeaders,
      body,
      at: performance.now(),
      answered: false,
    }
    if (this.keepsArrivals) this.arrivals.push(arrival)
    if (arrival.id !== '') this.byId.set(arrival.id, [...this.arrivalsOf(arrival.id), arrival])
    if (req.method === 'HEAD') return void res.end()
    if (arrival.way === 'other')
      return sendJson(res, 401, errorBody('Incorrect API key provided.', 'invalid_api_key'))
    await answer(res, parsed, arrival)
  }
}

/** Breaks a connection off: with a reset, or, as Node resets no TLS, without the close_notify of a clean end. */
function cut(socket: Socket | null): void {
  if (socket instanceof TLSSocket) socket.destroy()
  else resetSocket(socket)
}

function portOf(server: Server): number {
  return (server.address() as AddressInfo).port
}

function findWay(req: IncomingMessage): Way {
  const { authorization } = req.headers
  if (authorization === `Bearer ${RELAY_CREDENTIAL}`) return 'relay'
  return authorization === `Bearer ${DIRECT_CREDENTIAL}` ? 'direct' : 'other'
}

interface ParsedBody {
  readonly id: string
  readonly stream: boolean
  readonly wish: Wish
}

function parseBody(body: Buffer): ParsedBody {
  const object = readObject(body)
  const wish = (object.metadata ?? {}) as Record<string, string | undefined>
  const read = (name: string): number | null => (wish[name] === undefined ? null : Number(wish[name]))
  return {
    id: typeof object.user === 'string' ? object.user : '',
    stream: object.stream === true,
    wish: {
      pieces: read('pieces') ?? 1,
      gapMs: read('gap_ms') ?? 0,
      cutAfter: read('cut_after'),
      refuse: read('refuse'),
    },
  }
}

function readObject(body: Buffer): Record<string, unknown> {
  try {
    return JSON.parse(body.toString()) as Record<string, unknown>
  } catch {
    return {}
  }
}

function errorBody(message: string, code: string): unknown {
  return { error: { message, type: 'invalid_request_error', param: null, code } }
}

function sendJson(res: ServerResponse, status: number, body: unknown): void {
  const text = JSON.stringify(body)
  res.writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
  res.end(text)
}

async function answer(
  res: ServerResponse,
  { id, stream, wish }: ParsedBody,
  arrival: Arrival,
): Promise<void> {
  if (wish.refuse !== null)
    return sendJson(res, wish.refuse, errorBody('The provider refuses.', 'refused_by_test'))
  if (!stream) {
    if (wish.gapMs > 0) await wait(wish.gapMs)
    if (wish.cutAfter !== null) {
      // Behind the head: before it, a relay may take its connection for one that was closed while idle, and send again.
      res.writeHead(200, { 'content-type': 'application/json', 'content-length': 1_000 })
      await send(res, '{"id":"chatcmpl-')
      return cut(res.socket)
    }
    sendJson(res, 200, {
      id: `chatcmpl-${id}`,
      object: 'chat.completion',
      way: arrival.way,
      choices: [
        { index: 0, message: { role: 'assistant', content: `answer to ${id}` }, finish_reason: 'stop' },
      ],
      usage: { prompt_tokens: 5, completion_tokens: 3, total_tokens: 8 },
    })
    arrival.answered = true
    return
  }
  if (wish.cutAfter === 0) return cut(res.socket)
  res.writeHead(200, { 'content-type': 'text/event-stream' })
  for (let n = 0; n < wish.pieces; n++) {
    if (wish.cutAfter === n) return cut(res.socket)
    const delta = { id: `chatcmpl-${id}`, choices: [{ index: 0, delta: { content: `piece ${n} of ${id}` } }] }
    await send(res, `data: ${JSON.stringify(delta)}\n\n`)
    if (wish.gapMs > 0) await wait(wish.gapMs)
    if (res.destroyed) return
  }
  if (wish.cutAfter !== null) return cut(res.socket)
  res.end('data: [DONE]\n\n')
  arrival.answered = true
}

/** Writes, and resolves when the kernel has it or the connection is gone. */
function send(res: ServerResponse, text: string): Promise<void> {
  const { promise, resolve } = deferred()
  res.once('close', resolve)
  res.write(text, () => {
    res.removeListener('close', resolve)
    resolve()
  })
  return promise
}
