import { readFileSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { createServer as createSecureServer, type TLSSocket } from 'node:tls'
import { answerBody } from './answer.js'
import { apiOf, makeShape, type StreamShape } from './events.js'
import { type Api, nowUs, type Plan, RESUMED_HEADER, readPlan, STAMP_DIGITS } from './plan.js'

// The upstream of the wire benches, in a process of its own. It writes HTTP/1.1 by hand, so that it needs little of the
// core that it shares with the client. It is an open loop: an event is sent at its time, whatever the receiver does.

/** Size of the timer wheel; no pause between two events is longer. */
const WHEEL_MS = 4_096

/** Bytes that a stream without a pace writes to a socket before it waits for 'drain'. */
const BURST_BYTES = 256 * 1024

/** Bytes of a piece that are searched for the head and the plan; and of its end, because some relays reorder fields. */
const LOOKED_AT = 8_192
const END_LOOKED_AT = 400

/** The beginning of a plan, and the bytes within which it ends. */
const PLAN_MARK = '"json='
const PLAN_BYTES = 200

/** From the last start of streams that go together to their next event: by then all have their first one. */
const GATHERED_MS = 100

const STREAM_HEAD =
  'HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ncache-control: no-cache\r\n' +
  'x-request-id: req_bench\r\nopenai-processing-ms: 12\r\nconnection: keep-alive\r\ntransfer-encoding: chunked\r\n\r\n'

/** Some relays ask for the models, and for signs of health, before they send anything else. */
const MODEL_LIST = '{"object":"list","data":[{"id":"bench-model","object":"model","owned_by":"bench"}]}'
const MODELS =
  'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n' +
  `content-length: ${MODEL_LIST.length}\r\n\r\n${MODEL_LIST}`

const shapes = new Map<string, StreamShape>()
const answers = new Map<number, string>()
const wheel: Set<Stream>[] = Array.from({ length: WHEEL_MS }, () => new Set())
let wheelAt = Math.floor(performance.now())

/** Streams that wait for those that go together with them. */
let gathered: Stream[] = []

function shapeOf(api: Api, bytes: number): StreamShape {
  const key = `${api} ${bytes}`
  const known = shapes.get(key)
  if (known !== undefined) return known
  const shape = makeShape(api, bytes)
  shapes.set(key, shape)
  return shape
}

function answerOf(bytes: number): string {
  const known = answers.get(bytes)
  if (known !== undefined) return known
  const body = answerBody(bytes)
  const answer =
    'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\nopenai-processing-ms: 12\r\n' +
    `content-length: ${body.length}\r\n\r\n${body}`
  answers.set(bytes, answer)
  return answer
}

class Stream {
  private readonly socket: Socket
  private readonly plan: Plan
  private readonly shape: StreamShape
  private startedAt: number
  private sent: number

  constructor(socket: Socket, plan: Plan, api: Api, head: string) {
    this.socket = socket
    this.plan = plan
    this.shape = shapeOf(api, plan.bytes)
    this.startedAt = performance.now()
    this.sent = 0
    socket.write(head + this.shape.begin + (plan.chunks === 0 ? '' : this.event()), 'latin1')
    if (plan.every === 0) this.burst()
    else if (plan.together !== undefined) this.gather(plan.together)
    else this.next()
  }

  /** Goes on when the last of them has begun. */
  private gather(together: number): void {
    gathered = gathered.filter(({ socket }) => !socket.destroyed)
    gathered.push(this)
    if (gathered.length < together) return
    const startedAt = performance.now() + GATHERED_MS - this.plan.every
    for (const stream of gathered) {
      stream.startedAt = startedAt
      stream.next()
    }
    gathered = []
  }

  onTime(): void {
    if (this.socket.destroyed) return
    this.socket.write(this.event(), 'latin1')
    this.next()
  }

  private next(): void {
    if (this.sent >= this.plan.chunks) {
      this.socket.write(this.shape.end, 'latin1')
      return
    }
    const due = Math.max(Math.ceil(this.startedAt + this.sent * this.plan.every), wheelAt + 1)
    wheel[due % WHEEL_MS]?.add(this)
  }

  private burst(): void {
    let text = ''
    while (this.sent < this.plan.chunks) {
      text += this.event()
      if (text.length < BURST_BYTES) continue
      if (!this.socket.write(text, 'latin1')) {
        this.socket.once('drain', () => this.burst())
        return
      }
      text = ''
    }
    this.socket.write(text + this.shape.end, 'latin1')
  }

  private event(): string {
    this.sent++
    const stamp = String(Math.floor(nowUs())).padStart(STAMP_DIGITS, '0')
    return this.shape.before + stamp + this.shape.after
  }
}

/** Reads requests off one connection. Bodies come with their length, or chunked. */
class Connection {
  private readonly socket: Socket
  private head: string
  private plan: Plan | null
  /** Missing bytes of the body; -1 while the head is not complete, -2 in a chunked body. */
  private left: number
  private readonly streamHead: string

  /** @param streamHead the head of responses that are streams */
  constructor(socket: Socket, streamHead: string) {
    this.socket = socket
    this.streamHead = streamHead
    this.head = ''
    this.plan = null
    this.left = -1
    socket.setNoDelay(true)
    socket.on('data', (piece: Buffer) => this.onPiece(piece))
    socket.on('error', () => socket.destroy())
  }

  private onPiece(piece: Buffer): void {
    let body = piece.length
    // The plan is at the beginning of the body; the rest of a long body is only counted.
    if (this.left === -1 || this.plan === null) {
      const before = this.head.length
      this.head += piece.toString('latin1', 0, Math.min(piece.length, LOOKED_AT))
      if (piece.length > LOOKED_AT && !this.head.includes(PLAN_MARK)) {
        // Some relays write the fields in an order of their own, with long ones on both sides.
        const at = piece.indexOf(PLAN_MARK, LOOKED_AT)
        if (at !== -1) this.head += piece.toString('latin1', at, at + PLAN_BYTES)
        this.head += piece.toString('latin1', Math.max(LOOKED_AT, piece.length - END_LOOKED_AT))
      }
      if (this.left === -1) {
        const end = this.head.indexOf('\r\n\r\n')
        if (end === -1) return
        const fields = this.head.slice(0, end + 2)
        const length = /\r\ncontent-length: *(\d+)/i.exec(fields)?.[1]
        const chunked = length === undefined && /\r\ntransfer-encoding: *chunked/i.test(fields)
        this.left = chunked ? -2 : Number(length ?? 0)
        body = piece.length - (end + 4 - before)
      }
      this.plan = readPlan(this.head)
    }
    if (this.left === -2) {
      if (piece.toString('latin1', Math.max(0, piece.length - 5)) === '0\r\n\r\n') this.answer()
      return
    }
    this.left -= body
    if (this.left <= 0) this.answer()
  }

  private answer(): void {
    const { plan } = this
    const isHead = this.head.startsWith('HEAD')
    const isGet = this.head.startsWith('GET')
    const api = apiOf(this.head)
    this.head = ''
    this.plan = null
    this.left = -1
    if (isHead) this.socket.write('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n', 'latin1')
    else if (isGet) this.socket.write(MODELS, 'latin1')
    else if (plan === null)
      this.socket.write('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n', 'latin1')
    else if (plan.json > 0) this.socket.write(answerOf(plan.json), 'latin1')
    else new Stream(this.socket, plan, api, this.streamHead)
  }
}

function turn(): void {
  const now = Math.floor(performance.now())
  while (wheelAt < now) {
    wheelAt++
    const due = wheel[wheelAt % WHEEL_MS]
    if (due === undefined || due.size === 0) continue
    wheel[wheelAt % WHEEL_MS] = new Set()
    for (const stream of due) stream.onTime()
  }
}

setInterval(turn, 1)
const [port, securePort, certFile = '', keyFile = '', idleMs] = process.argv.slice(2)
const listen = { host: '127.0.0.1', backlog: 4_096 }

createServer({ noDelay: true }, (socket) => new Connection(socket, STREAM_HEAD)).listen({
  port: Number(port),
  ...listen,
})

const RESUMED_HEAD = STREAM_HEAD.replace('\r\n', `\r\n${RESUMED_HEADER}\r\n`)

if (securePort !== undefined) {
  createSecureServer(
    { cert: readFileSync(certFile), key: readFileSync(keyFile), noDelay: true },
    (socket: TLSSocket) => {
      // As providers do with connections that nobody uses.
      socket.setTimeout(Number(idleMs), () => socket.end())
      new Connection(socket, socket.isSessionReused() ? RESUMED_HEAD : STREAM_HEAD)
    },
  ).listen({ port: Number(securePort), ...listen })
}
