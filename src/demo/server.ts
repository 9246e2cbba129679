import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { describeModel, listModels } from './catalog.js'
import { answerChat } from './chat.js'
import { answerCompletion } from './completions.js'
import type { Fields } from './fields.js'
import { answerMessage, answerTokenCount } from './messages.js'
import { createRateLimited, type DemoApi, Problem } from './problem.js'
import { Reply, type ReplyContent } from './reply.js'
import { answerResponse } from './responses.js'

/** A running demo upstream. */
export interface Demo {
  /** Scheme, address and port: `http://127.0.0.1:41234`. Paths begin with `/v1`. */
  readonly origin: string
  /** Stops listening and cuts open connections. Resolves when everything is closed. May be called twice. */
  close(): Promise<void>
}

/** How to start the demo. */
export interface DemoOptions {
  /** Default: 127.0.0.1. */
  readonly host?: string
  /** Default: 0, which takes a free port. */
  readonly port?: number
  /**
   * Time between two pieces of a stream, in milliseconds. Default: 25. With 0 each event is still a write of its own.
   */
  readonly paceMs?: number
}

/**
 * Longer than a client's pool keeps a connection idle: the client closes first, so that no request meets a closed
 * connection.
 */
const KEEP_ALIVE_MS = 75_000

const BODY_LIMIT = 64 * 1024 * 1024

const ERROR_MODEL = 'thinwire-demo-error'

/** The paths for POST. GET is only for the model list. */
const POSTS: Readonly<Record<string, (body: Fields) => ReplyContent>> = {
  '/v1/chat/completions': answerChat,
  '/v1/completions': answerCompletion,
  '/v1/responses': answerResponse,
  '/v1/messages': answerMessage,
  '/v1/messages/count_tokens': answerTokenCount,
}

const MODELS = '/v1/models'

/**
 * Starts the demo upstream: OpenAI's API and Anthropic's Messages, with a model of a few fixed sentences. Any key and
 * any model name are accepted.
 * @throws an error of the system if it cannot listen on the address
 */
export async function startDemo(options: DemoOptions = {}): Promise<Demo> {
  const { host = '127.0.0.1', port = 0, paceMs = 25 } = options
  const server = createServer({ noDelay: true, keepAliveTimeout: KEEP_ALIVE_MS }, (req, res) =>
    handle(req, res, paceMs),
  )
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(port, host, () => {
      server.off('error', reject)
      resolve()
    })
  })
  const { address, family, port: bound } = server.address() as AddressInfo
  const closed = new Promise<void>((resolve) => {
    server.once('close', resolve)
  })
  return {
    origin: `http://${family === 'IPv6' ? `[${address}]` : address}:${bound}`,
    close() {
      if (server.listening) server.close()
      // Busy connections, too: a stream stops its timer when its socket closes.
      server.closeAllConnections()
      return closed
    },
  }
}

function handle(req: IncomingMessage, res: ServerResponse, paceMs: number): void {
  const url = req.url ?? '/'
  const mark = url.indexOf('?')
  const path = mark === -1 ? url : url.slice(0, mark)
  const api = detectApi(path, req)
  const reply = new Reply(res, api)
  const post = Object.hasOwn(POSTS, path) ? POSTS[path] : undefined
  if (req.method === 'POST' && post !== undefined) {
    readBody(req, (body) => reply.send(() => post(parseBody(body)), paceMs))
    return
  }
  reply.send(() => answerGet(req, path, api), paceMs)
}

/** Anthropic's clients get Anthropic's format on its own paths. The model list serves both kinds of clients. */
function detectApi(path: string, req: IncomingMessage): DemoApi {
  if (path === '/v1/messages' || path.startsWith('/v1/messages/')) return 'anthropic'
  return isModels(path) && req.headers['anthropic-version'] !== undefined ? 'anthropic' : 'openai'
}

function isModels(path: string): boolean {
  return path === MODELS || (path.startsWith(`${MODELS}/`) && path.length > MODELS.length + 1)
}

function answerGet(req: IncomingMessage, path: string, api: DemoApi): ReplyContent {
  const method = req.method ?? 'GET'
  // Without a listener for upgrades Node treats this as an ordinary GET. Clients that try a WebSocket first fall back
  // to HTTP after a 426, which has to name a protocol (RFC 9110, 15.5.22).
  if (req.headers.upgrade?.toLowerCase() === 'websocket') {
    throw new Problem(426, 'The demo upstream has no WebSockets. Use HTTP.', null, 'websocket_unsupported', {
      connection: 'close, upgrade',
      upgrade: 'HTTP/1.1',
    })
  }
  if (Object.hasOwn(POSTS, path)) throw createMethodNotAllowed(method, path, 'POST')
  if (!isModels(path)) throw new Problem(404, `Unknown request URL: ${method} ${path}.`, null, 'unknown_url')
  if (method !== 'GET' && method !== 'HEAD') throw createMethodNotAllowed(method, path, 'GET, HEAD')
  if (path === MODELS) return { body: listModels(api) }
  return { body: describeModel(decodeName(path.slice(MODELS.length + 1)), api) }
}

function createMethodNotAllowed(method: string, path: string, allow: string): Problem {
  return new Problem(405, `${method} is not allowed on ${path}; use ${allow}.`, null, 'method_not_allowed', {
    allow,
  })
}

function decodeName(name: string): string {
  try {
    return decodeURIComponent(name)
  } catch {
    throw new Problem(
      404,
      'The model name in the path is not valid percent-encoding.',
      'model',
      'model_not_found',
    )
  }
}

/**
 * Calls back once with the body, or with null if it was larger than the limit. A body that is too large is still read
 * to its end: a client that is cut while it sends would not see the error.
 */
function readBody(req: IncomingMessage, onBody: (body: Buffer | null) => void): void {
  let chunks: Buffer[] = []
  let received = 0
  req.on('data', (chunk: Buffer) => {
    received += chunk.length
    if (received > BODY_LIMIT) chunks = []
    else chunks.push(chunk)
  })
  req.on('end', () => onBody(received > BODY_LIMIT ? null : Buffer.concat(chunks)))
}

function parseBody(body: Buffer | null): Fields {
  if (body === null) {
    throw new Problem(413, `The request body is larger than ${BODY_LIMIT} bytes.`, null, 'request_too_large')
  }
  let value: unknown
  try {
    value = JSON.parse(body.toString())
  } catch {
    throw new Problem(400, 'The request body is not valid JSON. Send one JSON object.', null, 'invalid_json')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Problem(400, 'The request body must be a JSON object.', null, 'invalid_json')
  }
  const request = value as Fields
  if (request.model === ERROR_MODEL) throw createRateLimited(ERROR_MODEL)
  return request
}
