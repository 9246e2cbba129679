import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { WebSocket, WebSocketServer } from 'ws'
import { type LogLine, startRelay, type TestRelay } from '../../support/relay.js'
import { socketOrigin } from '../../support/tls-mode.js'
import { until } from '../../support/until.js'

/** One side of a WebSocket: the messages that it got, and how it ended. */
export class Peer {
  readonly socket: WebSocket
  readonly messages: string[] = []
  readonly pings: string[] = []
  readonly pongs: string[] = []
  /** The status of a refused handshake, with its body. */
  refusal: { status: number; body: string } | null = null
  private close: { code: number; reason: string } | null = null

  constructor(socket: WebSocket) {
    this.socket = socket
    socket.on('message', (data: Buffer) => this.messages.push(data.toString()))
    socket.on('ping', (data) => this.pings.push(data.toString()))
    socket.on('pong', (data) => this.pongs.push(data.toString()))
    socket.on('error', () => {})
    socket.on('close', (code, reason) => {
      this.close = { code, reason: reason.toString() }
    })
    socket.on('unexpected-response', (_, res: IncomingMessage) => {
      let body = ''
      res.on('data', (chunk: Buffer) => {
        body += chunk
      })
      res.on('end', () => {
        this.refusal = { status: res.statusCode ?? 0, body }
      })
    })
  }

  send(...events: readonly object[]): void {
    for (const event of events) this.socket.send(JSON.stringify(event))
  }

  get events(): Record<string, unknown>[] {
    return this.messages.map((text) => JSON.parse(text) as Record<string, unknown>)
  }

  /** The n-th event, from 0, when it has come. */
  async event(n: number): Promise<Record<string, unknown>> {
    await until(() => this.messages.length > n, `message ${n}`)
    return this.events[n] ?? {}
  }

  async opened(): Promise<void> {
    await until(() => this.socket.readyState === WebSocket.OPEN, 'the socket to open')
  }

  async refused(): Promise<{ status: number; body: string }> {
    await until(() => this.refusal !== null, 'the handshake to be refused')
    return this.refusal ?? { status: 0, body: '' }
  }

  async closed(): Promise<{ code: number; reason: string }> {
    await until(() => this.close !== null, 'the socket to close')
    return this.close ?? { code: 0, reason: '' }
  }
}

/** A WebSocket as the upstream got it. */
export interface Accepted {
  readonly peer: Peer
  readonly target: string
  readonly headers: NodeJS.Dict<string | string[]>
}

/** Else `ws` cuts a client whose pings come faster than their pongs leave, with a relay or without. */
const NO_PONG_LIMIT = { maxPendingAutoPongs: 0 }

/** A real WebSocket server. */
export class SocketUpstream {
  readonly accepted: Accepted[] = []
  /** What each plain GET gets; null for 404. */
  object: object | null = null
  /** It is compressed. */
  isGzipped = false
  private readonly server: Server
  private readonly sockets: WebSocketServer

  /** @param refusal answers each handshake with this status instead */
  constructor(refusal: { status: number; body: string } | null = null) {
    this.server = createServer((_, res) => {
      if (this.object === null) {
        res.writeHead(404).end()
        return
      }
      const text = JSON.stringify(this.object)
      res.setHeader('content-type', 'application/json')
      if (this.isGzipped) res.setHeader('content-encoding', 'gzip').end(gzipSync(text))
      else res.end(text)
    })
    this.sockets = new WebSocketServer({
      noServer: true,
      perMessageDeflate: true,
      ...NO_PONG_LIMIT,
      handleProtocols: (offered) => [...offered][0] ?? false,
    })
    this.server.on('upgrade', (req, socket, head) => {
      if (refusal !== null) {
        const { status, body } = refusal
        socket.end(
          `HTTP/1.1 ${status} No\r\ncontent-length: ${body.length}\r\nconnection: close\r\n\r\n${body}`,
        )
        return
      }
      this.sockets.handleUpgrade(req, socket, head, (ws) =>
        this.accepted.push({ peer: new Peer(ws), target: req.url ?? '', headers: req.headers }),
      )
    })
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1`
  }

  async connection(n: number): Promise<Accepted> {
    await until(() => this.accepted.length > n, `connection ${n} at the upstream`)
    return this.accepted[n] as Accepted
  }

  close(): void {
    for (const socket of this.sockets.clients) socket.terminate()
    this.server.closeAllConnections()
    this.server.close()
  }
}

export interface SocketScene {
  readonly relay: TestRelay
  readonly upstreams: Readonly<Record<string, SocketUpstream>>
  readonly up: SocketUpstream
  open(path?: string, options?: { protocols?: string[]; key?: string }): Peer
  /** The records of responses, when there are so many; without those of connections. */
  responses(count: number): Promise<LogLine[]>
  /** The records of connections, when there are so many. */
  connections(count: number): Promise<LogLine[]>
}

/**
 * Runs a relay in front of WebSocket servers.
 * @param entries settings of the upstreams by their names; one named `up` without any
 */
export async function withSockets(
  act: (scene: SocketScene) => Promise<void>,
  settings: object = {},
  entries: Readonly<Record<string, object>> = { up: {} },
  upstreams: Readonly<Record<string, SocketUpstream>> = {},
): Promise<void> {
  const all: Record<string, SocketUpstream> = {}
  const config: Record<string, Record<string, unknown>> = {}
  for (const [name, entry] of Object.entries(entries)) {
    const upstream = upstreams[name] ?? new SocketUpstream()
    all[name] = upstream
    config[name] = { baseUrl: await upstream.start(), apiKey: { env: 'UPSTREAM_KEY' }, ...entry }
  }
  const relay = await startRelay(config, { ...settings })
  const peers: Peer[] = []
  const read = async (isResponse: boolean, count: number): Promise<LogLine[]> => {
    let records: LogLine[] = []
    for (let n = count; records.length < count; n++) {
      const found = await relay.records(n)
      records = found.filter((record) => (record.id !== record.connection_id) === isResponse)
    }
    return records
  }
  try {
    await act({
      relay,
      upstreams: all,
      up: Object.values(all)[0] as SocketUpstream,
      open(path = '/v1/responses', { protocols = [], key = relay.key } = {}) {
        const headers = { authorization: `Bearer ${key}` }
        const peer = new Peer(new WebSocket(`${socketOrigin(relay.port)}${path}`, protocols, { headers }))
        peers.push(peer)
        return peer
      },
      responses: (count) => read(true, count),
      connections: (count) => read(false, count),
    })
  } finally {
    for (const { socket } of peers) socket.terminate()
    for (const upstream of Object.values(all)) upstream.close()
    await relay.close()
  }
}

/** The code of the relay's error event. */
export function codeOf(event: Record<string, unknown> | undefined): unknown {
  return (event?.error as { code?: unknown } | undefined)?.code
}

/** What a client asks with, as Codex does. */
export function create(model: string | null, more: object = {}): object {
  return {
    type: 'response.create',
    ...(model === null ? {} : { model }),
    instructions: 'Be brief.',
    input: [{ type: 'message', role: 'user', content: [{ type: 'input_text', text: 'Say hello to me.' }] }],
    tools: [],
    store: false,
    ...more,
  }
}

/** The events of a short answer. */
export function answer(id: string, model: string, usage: object | null = USAGE, more: object = {}): object[] {
  const begun = { id, object: 'response', status: 'in_progress', model, usage: null }
  return [
    { type: 'response.created', sequence_number: 0, response: begun, ...more },
    { type: 'response.output_text.delta', sequence_number: 1, item_id: 'm1', delta: 'Hello', ...more },
    { type: 'response.output_text.delta', sequence_number: 2, item_id: 'm1', delta: ' there', ...more },
    ...(usage === null
      ? []
      : [
          {
            type: 'response.completed',
            sequence_number: 3,
            response: { ...begun, status: 'completed', usage },
            ...more,
          },
        ]),
  ]
}

export const USAGE = {
  input_tokens: 120,
  input_tokens_details: { cached_tokens: 100 },
  output_tokens: 12,
  output_tokens_details: { reasoning_tokens: 8 },
  total_tokens: 132,
}
