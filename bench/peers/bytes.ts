import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { MODEL } from '../wire/plan.js'
import { requestBytes, type Target } from '../wire/stream.js'
import { describeChange } from './changes.js'

/** What a relay does to the bytes of a prompt, of a stream and of a JSON response. */
export interface Bytes {
  readonly prompt: string
  readonly stream: string
  readonly json: string
}

/** How long a piece may be on its way before the next one follows. */
const PIECE_MS = 250

/** Longest wait for a whole response. */
const PATIENCE_MS = 20_000

const CHUNK = `"object":"chat.completion.chunk","created":1750000000,"model":"${MODEL}"`

/** The beginning of an event, and its rest: a relay that works on events holds it back. */
const HALF = `id: 7\nevent: chunk\ndata:{"id":"chatcmpl-probe",${CHUNK},"choi`

/** A stream as an API may send it: a comment, odd spaces, a field that nobody knows, an event in two pieces. */
export const STREAM: readonly string[] = [
  ': a comment\n\n',
  `data: {"id": "chatcmpl-probe",  ${CHUNK},"choices":[{"index":0,"delta":{"role":"assistant","content":"one"}}],"odd":{"b":1,"a":[ ]}}\n\n`,
  HALF,
  'ces":[{"index":0,"delta":{"content":" caf\\u00e9"}}]}\r\n\r\n',
  `data: {"id":"chatcmpl-probe",${CHUNK},"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n` +
    `data: {"id":"chatcmpl-probe",${CHUNK},"choices":[],"usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}\n\n`,
  'data: [DONE]\n\n',
]

/** A JSON response with odd spaces, a field that nobody knows, and an escape that is not needed. */
export const ANSWER = `{ "id":"chatcmpl-probe",
  "object":"chat.completion","created":1750000000,"model":"${MODEL}",
  "choices":[{"index":0,"message":{"role":"assistant","content":"caf\\u00e9"},"finish_reason":"stop"}],
  "odd":{"b":1,"a":[ ]},
  "usage":{"prompt_tokens":5,"completion_tokens":2,"total_tokens":7}}`

/** @param asked `true` for a stream */
export function promptOf(asked: boolean): string {
  return `{"model":"${MODEL}",  "stream":${asked},"messages":[{"role":"user","content":"caf\\u00e9"}],"temperature":0,"seed":7}`
}

/** The API behind a relay: it remembers the prompt, and sends the next piece when the last one has arrived. */
export class ProbeUpstream {
  prompt: string
  /** Called for a piece of the stream; resolves when it has arrived at the client, or will not for now. */
  onPiece: (piece: string) => Promise<void>
  private readonly server: Server

  constructor() {
    this.prompt = ''
    this.onPiece = async () => {}
    this.server = createServer((req, res) => void this.answer(req, res))
  }

  async listen(): Promise<number> {
    this.server.listen(0, '127.0.0.1')
    await once(this.server, 'listening')
    return (this.server.address() as AddressInfo).port
  }

  close(): void {
    this.server.close()
    this.server.closeAllConnections()
  }

  private async answer(req: IncomingMessage, res: ServerResponse): Promise<void> {
    let body = ''
    for await (const piece of req.setEncoding('utf8')) body += piece
    if (req.method !== 'POST') {
      res.end(`{"object":"list","data":[{"id":"${MODEL}","object":"model"}]}`)
      return
    }
    this.prompt = body
    if (!/"stream": *true/.test(body)) {
      res.setHeader('content-type', 'application/json').end(ANSWER)
      return
    }
    res.setHeader('content-type', 'text/event-stream').flushHeaders()
    for (const piece of STREAM) {
      res.write(piece)
      await this.onPiece(piece)
    }
    res.end()
  }
}

/** Sends a prompt for a stream and one for a JSON response through a relay. */
export async function probeBytes(upstream: ProbeUpstream, target: Target): Promise<Bytes> {
  const stream = new Response(target, promptOf(true))
  let held = false
  upstream.onPiece = async (piece) => {
    const more = await stream.more(PIECE_MS)
    if (piece === HALF) held = !more
  }
  await stream.whole()
  const streamed = stream.body
  upstream.onPiece = async () => {}
  const answer = new Response(target, promptOf(false))
  await answer.whole()
  const framed = STREAM.map((piece) => Buffer.byteLength(piece)).join() === stream.chunks.join()
  const changes = [
    describeChange(STREAM.join(''), streamed, 'stream'),
    framed || streamed !== STREAM.join('') ? '' : 'in other chunks',
    held ? 'whole events only' : '',
  ]
  return {
    prompt: describeChange(promptOf(false), upstream.prompt, 'json'),
    stream: changes.filter((change) => change !== '').join(', '),
    json: describeChange(ANSWER, answer.body, 'json'),
  }
}

/** One request by hand, so that the framing of its response can be seen. */
class Response {
  private readonly socket: Socket
  private text: string
  private seen: number

  constructor(target: Target, prompt: string) {
    this.text = ''
    this.seen = 0
    this.socket = connect({ port: target.port, host: '127.0.0.1' })
    this.socket.setEncoding('latin1')
    this.socket.on('data', (piece: string) => {
      this.text += piece
    })
    this.socket.on('error', () => {})
    this.socket.write(requestBytes(target, Buffer.from(prompt)))
  }

  /** Whether a further piece of the body comes within a time. */
  async more(withinMs: number): Promise<boolean> {
    const came = await this.until(() => this.bodyBytes > this.seen, withinMs)
    this.seen = this.bodyBytes
    return came
  }

  /** @throws if the response is not whole in time, or no success */
  async whole(): Promise<void> {
    const whole = await this.until(() => this.isWhole, PATIENCE_MS)
    this.socket.destroy()
    if (!this.text.startsWith('HTTP/1.1 200')) throw new Error(`answered ${this.text.slice(0, 300)}`)
    if (!whole) throw new Error('the response did not end')
  }

  get body(): string {
    const { payload, isChunked } = this.parts
    const bytes = isChunked ? this.pieces.join('') : payload
    return Buffer.from(bytes, 'latin1').toString('utf8')
  }

  /** The sizes of its chunks; empty for a response with a length. */
  get chunks(): number[] {
    return this.pieces.map((piece) => piece.length)
  }

  private get parts(): { head: string; payload: string; isChunked: boolean } {
    const end = this.text.indexOf('\r\n\r\n')
    const head = end === -1 ? this.text : this.text.slice(0, end + 2)
    const payload = end === -1 ? '' : this.text.slice(end + 4)
    return { head, payload, isChunked: /\r\ntransfer-encoding: *chunked/i.test(head) }
  }

  private get pieces(): string[] {
    const { payload, isChunked } = this.parts
    const pieces: string[] = []
    for (let at = 0; isChunked && at < payload.length; ) {
      const line = payload.indexOf('\r\n', at)
      const size = line === -1 ? 0 : Number.parseInt(payload.slice(at, line), 16)
      if (!(size > 0)) break
      pieces.push(payload.slice(line + 2, line + 2 + size))
      at = line + 2 + size + 2
    }
    return pieces
  }

  private get bodyBytes(): number {
    return this.parts.isChunked ? this.pieces.join('').length : this.parts.payload.length
  }

  private get isWhole(): boolean {
    const { head, payload, isChunked } = this.parts
    if (isChunked) return payload.endsWith('0\r\n\r\n')
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    return length === undefined ? this.socket.closed : payload.length >= Number(length)
  }

  private async until(holds: () => boolean, withinMs: number): Promise<boolean> {
    const deadline = performance.now() + withinMs
    while (!holds()) {
      if (performance.now() > deadline) return false
      await new Promise((resolve) => setTimeout(resolve, 2))
    }
    return true
  }
}
