import { gzipSync } from 'node:zlib'
import { parseResponses, RawClient } from './client.js'
import { randomFrom } from './random.js'
import { until, wait } from './until.js'
import { CHUNKED, chunk, head, type Received, type Script, SSE, whole } from './upstream.js'

/** What becomes of a request, and how often of so many. */
const KINDS = {
  chat: 25,
  messages: 12,
  gzip: 10,
  json: 15,
  limited: 5,
  'error within': 4,
  cut: 6,
  reset: 6,
  'early reset': 3,
  hang: 4,
  silence: 4,
  'wrong key': 6,
}

export type Kind = keyof typeof KINDS

/** Kinds of which the upstream tells the tokens. */
const COUNTED: ReadonlySet<Kind> = new Set(['chat', 'messages', 'gzip', 'json'])

/** Kinds whose answer never comes to its end. */
export const ENDLESS: ReadonlySet<Kind> = new Set(['cut', 'reset', 'early reset', 'hang', 'silence'])

/** One request, as it was meant to be, and what was seen of it. */
export interface Sent {
  readonly trace: string
  /** Of the relay that it was sent to. */
  readonly life: number
  readonly kind: Kind
  /** Tokens that the upstream tells, other ones for each request. Null if it tells none. */
  readonly prompt: number | null
  readonly completion: number | null
  /** Milliseconds before each of the upstream's pieces. */
  readonly pauses: readonly number[]
  /** Milliseconds after which the client leaves, by a reset or without; null if it stays. */
  readonly leaves: number | null
  readonly resets: boolean
  /** How much of its bytes the client sends before it leaves. */
  readonly share: number
  /** It has come to the upstream. */
  reached: boolean
  /** Something of an answer has come to the client. */
  answered: boolean
  /** Status of an answer that has come to the client whole. */
  status: number | null
  /** `performance.now()` when the client had its answer, or the end of its connection, or left. */
  endedAt: number
}

/** Requests of all kinds by clients that may leave at any time, and the upstream that answers them. */
export class Traffic {
  readonly sent = new Map<string, Sent>()
  private readonly seed: number
  private count = 0

  /** @param seed decides what each request is, if not when */
  constructor(seed: number) {
    this.seed = seed
  }

  /** Sends requests one after the other, until it is told to stop or nobody takes them. */
  async keepSending(port: number, key: string, life: number, goesOn: () => boolean): Promise<void> {
    while (goesOn()) {
      const client = await connected(port)
      if (client === null) return
      await this.exchange(client, key, this.next(life))
    }
  }

  /** Opens a stream that neither side ends. @returns when it has begun, with what waits for its end */
  async hold(port: number, key: string, life: number): Promise<{ readonly over: Promise<void> }> {
    const client = await RawClient.connect(port)
    const sent: Sent = {
      ...this.next(life),
      kind: 'hang',
      prompt: null,
      completion: null,
      leaves: null,
      share: 1,
    }
    const over = this.exchange(client, key, sent)
    await client.sees('data: ')
    return { over }
  }

  /** The upstream's side. */
  readonly script: Script = async (request) => {
    const trace = request.header('traceparent')?.split('-')[1] ?? ''
    const sent = this.sent.get(trace)
    if (sent === undefined) throw new Error(`nobody has sent ${request.target} ${trace}`)
    sent.reached = true
    await answer(request, sent)
  }

  private next(life: number): Sent {
    const n = ++this.count
    const random = randomFrom(this.seed + n * 7919)
    const below = (limit: number): number => Math.floor(random() * limit)
    const kind = drawKind(random())
    const isCounted = COUNTED.has(kind)
    const mayLeave = random() < 0.35
    const mustLeave = kind === 'hang' || kind === 'silence'
    return {
      trace: n.toString(16).padStart(32, '0'),
      life,
      kind,
      prompt: isCounted ? 1_000 + n : null,
      completion: isCounted ? 1 + 3 * n : null,
      pauses: Array.from({ length: 1 + below(5) }, () => below(8)),
      leaves: mustLeave ? below(200) : mayLeave ? below(40) : null,
      resets: random() < 0.5,
      share: mayLeave && random() < 0.2 ? random() : 1,
      reached: false,
      answered: false,
      status: null,
      endedAt: 0,
    }
  }

  private async exchange(client: RawClient, key: string, sent: Sent): Promise<void> {
    this.sent.set(sent.trace, sent)
    const bytes = requestOf(sent, sent.kind === 'wrong key' ? `${key}x` : key)
    client.send(bytes.slice(0, Math.ceil(bytes.length * sent.share)))
    const isOver = (): boolean => client.ending !== null || statusOf(client) !== null
    const over = until(isOver, `the end of a request (${sent.kind})`, 30_000)
    await (sent.leaves === null ? over : Promise.race([over, wait(sent.leaves)]))
    sent.answered = client.bytes.length > 0
    sent.status = statusOf(client)
    if (sent.resets) client.reset()
    else client.destroy()
    sent.endedAt = performance.now()
    await over
  }
}

async function connected(port: number): Promise<RawClient | null> {
  try {
    return await RawClient.connect(port)
  } catch {
    return null
  }
}

/** Status of the answer, if it is whole. */
function statusOf(client: RawClient): number | null {
  const [response] = parseResponses(client.bytes, false)
  return response?.complete === true ? response.status : null
}

function drawKind(random: number): Kind {
  const kinds = Object.entries(KINDS) as [Kind, number][]
  let left = random * kinds.reduce((sum, [, weight]) => sum + weight, 0)
  for (const [kind, weight] of kinds) {
    left -= weight
    if (left < 0) return kind
  }
  return 'chat'
}

function requestOf(sent: Sent, key: string): string {
  const isStream = sent.kind !== 'json' && sent.kind !== 'limited'
  const body = JSON.stringify({
    model: sent.kind,
    stream: isStream,
    messages: [{ role: 'user', content: 'hi' }],
  })
  const path = sent.kind === 'messages' ? 'messages' : 'chat/completions'
  return (
    `POST /v1/${path} HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${key}\r\n` +
    `traceparent: 00-${sent.trace}-00f067aa0ba902b7-01\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  )
}

async function answer(request: Received, sent: Sent): Promise<void> {
  const json = 'content-type: application/json'
  const used = { prompt_tokens: sent.prompt, completion_tokens: sent.completion }
  switch (sent.kind) {
    case 'chat':
      await writeStream(request, sent, [
        ...texts(sent),
        data({ choices: [], usage: used }),
        'data: [DONE]\n\n',
      ])
      return request.lastChunk()
    case 'messages':
      await writeStream(request, sent, messages(sent))
      return request.lastChunk()
    case 'gzip': {
      const bytes = gzipSync(
        [...texts(sent), data({ choices: [], usage: used }), 'data: [DONE]\n\n'].join(''),
      )
      const size = Math.ceil(bytes.length / sent.pauses.length)
      const pieces = sent.pauses.map((_, i) => bytes.subarray(i * size, (i + 1) * size))
      await writeStream(request, sent, pieces, 'content-encoding: gzip')
      return request.lastChunk()
    }
    case 'json':
      await wait(sent.pauses[0] ?? 0)
      return request.write(whole('200 OK', JSON.stringify({ model: 'm', choices: [], usage: used }), json))
    case 'limited':
      return request.write(whole('429 Too Many Requests', '{"error":{"code":"rate_limit_exceeded"}}', json))
    case 'error within':
      await writeStream(request, sent, [...texts(sent), data({ error: { code: 'server_error' } })])
      return request.lastChunk()
    case 'cut':
      await writeStream(request, sent, texts(sent))
      return request.end()
    case 'reset':
      await writeStream(request, sent, texts(sent))
      return request.reset()
    case 'early reset':
      await wait(sent.pauses[0] ?? 0)
      return request.reset()
    case 'hang':
      await writeStream(request, sent, texts(sent))
      return request.hang()
    default:
      return request.hang()
  }
}

function data(event: object): string {
  return `data: ${JSON.stringify(event)}\n\n`
}

function texts(sent: Sent): string[] {
  return sent.pauses.map((_, i) =>
    data({ model: 'm', choices: [{ index: 0, delta: { content: `word ${i} ` } }] }),
  )
}

/** Of Anthropic, where the tokens of the prompt come first, and those of the answer last. */
function messages(sent: Sent): string[] {
  const prompt = sent.prompt ?? 0
  const usage = { input_tokens: prompt - 10, cache_read_input_tokens: 10, output_tokens: 1 }
  const delta = { type: 'text_delta', text: 'word' }
  return [
    { type: 'message_start', message: { model: 'm', usage } },
    ...sent.pauses.map(() => ({ type: 'content_block_delta', index: 0, delta })),
    { type: 'message_delta', delta: { stop_reason: 'end_turn' }, usage: { output_tokens: sent.completion } },
    { type: 'message_stop' },
  ].map((event) => `event: ${event.type}\n${data(event)}`)
}

async function writeStream(
  request: Received,
  { pauses }: Sent,
  pieces: readonly (string | Buffer)[],
  ...headers: string[]
): Promise<void> {
  await request.write(head('200 OK', SSE, CHUNKED, ...headers))
  for (const [i, piece] of pieces.entries()) {
    if (request.closed) return
    await wait(pauses[i] ?? 0)
    if (piece.length > 0) await request.write(chunk(piece))
  }
}
