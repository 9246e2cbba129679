import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http'
import { setTimeout } from 'node:timers/promises'
import type { Target } from '../wire/stream.js'
import { play, type Session, type View } from './session.js'
import { type CompletionRequest, FIM } from './upstream.js'

/** How a kind of client sends its requests. None of these has a cache of its own, as some clients do. */
export interface EditorKind {
  readonly name: string
  /** Pause in typing after which the client sends a request. */
  readonly debounceMs: number
  /** The client also sends a request when the cursor was moved. */
  readonly onMove: boolean
  readonly stream: boolean
  /** Lines around the cursor that are in the prompt. */
  readonly linesBefore: number
  readonly linesBehind: number
  /** Where the text behind the cursor is sent: in a field of its own, or in the prompt behind a token. */
  readonly behind: 'suffix' | 'prompt'
  readonly maxTokens: number
  readonly stop: string
  /** Requests use one connection; otherwise each has its own. */
  readonly keepAlive: boolean
}

/** These copy what real clients do by default. Each cancels its last request when it sends the next one. */
export const EDITORS: readonly EditorKind[] = [
  {
    name: 'llama.vim',
    debounceMs: 0,
    onMove: true,
    stream: false,
    linesBefore: 256,
    linesBehind: 64,
    behind: 'suffix',
    maxTokens: 128,
    stop: '',
    keepAlive: false,
  },
  {
    name: 'zed',
    debounceMs: 150,
    onMove: false,
    stream: true,
    linesBefore: 64,
    linesBehind: 24,
    behind: 'suffix',
    maxTokens: 64,
    stop: '\n\n',
    keepAlive: true,
  },
  {
    name: 'continue',
    debounceMs: 350,
    onMove: false,
    stream: true,
    linesBefore: 40,
    linesBehind: 12,
    behind: 'prompt',
    maxTokens: 64,
    stop: '\n',
    keepAlive: true,
  },
]

/** One request that a client makes in a session. */
export interface Ask {
  /** Time since the session began. */
  readonly ms: number
  readonly body: CompletionRequest
}

export function asksOf(session: Session, kind: EditorKind, model: string): Ask[] {
  const asks: Ask[] = []
  const views = [...play(session)]
  for (const [i, view] of views.entries()) {
    const { ms, removed, inserted } = view.stroke
    const isMove = removed === 0 && inserted === ''
    if (isMove && !kind.onMove) continue
    // A further key within the pause delays the request, even if it only moves the cursor.
    const next = views[i + 1]?.stroke.ms ?? Number.POSITIVE_INFINITY
    if (kind.debounceMs > 0 && next - ms < kind.debounceMs) continue
    asks.push({ ms: ms + kind.debounceMs, body: bodyOf(view, kind, model) })
  }
  return asks
}

function bodyOf(view: View, kind: EditorKind, model: string): CompletionRequest {
  const before = view.before.split('\n').slice(-kind.linesBefore).join('\n')
  const behind = view.behind.split('\n').slice(0, kind.linesBehind).join('\n')
  const { maxTokens, stop, stream } = kind
  const rest = { stream, max_tokens: maxTokens, temperature: 0, stop }
  if (kind.behind === 'suffix') return { model, prompt: before, suffix: behind, ...rest }
  return { model, prompt: `${FIM.prefix}${before}${FIM.suffix}${behind}${FIM.middle}`, ...rest }
}

/** The result of one request as its client saw it. Times are milliseconds since the request. */
export interface Asked {
  readonly ask: Ask
  /** Value of `x-thinwire-cache`; null if the client left before the response. */
  outcome: string | null
  firstByteMs: number | null
  /** Null if the client left before the end. */
  wholeMs: number | null
  /** The text to insert; null if the response is not complete. */
  text: string | null
}

export interface ReplayOptions {
  /** Factor of the recorded speed. `lockstep`: the next key waits for the response, whatever the time. */
  readonly pace: number | 'lockstep'
  /** Further headers of each request. */
  readonly headers: Readonly<Record<string, string>>
}

/** Sends the requests of a client of that kind while the session is typed. */
export async function replay(
  asks: readonly Ask[],
  kind: EditorKind,
  target: Pick<Target, 'port'>,
  { pace, headers }: ReplayOptions,
): Promise<Asked[]> {
  const agent = new Agent({ keepAlive: kind.keepAlive })
  const all: Asked[] = []
  let last: Outstanding | null = null
  const startedAt = performance.now()
  try {
    for (const ask of asks) {
      if (pace === 'lockstep') await last?.over
      else await setTimeout(Math.max(0, startedAt + ask.ms / pace - performance.now()))
      if (last?.failure != null) throw last.failure
      last?.cancel()
      last = new Outstanding(ask, agent, target.port, headers)
      all.push(last.asked)
    }
    await last?.over
    if (last?.failure != null) throw last.failure
  } finally {
    agent.destroy()
  }
  return all
}

/** An open request. */
class Outstanding {
  readonly asked: Asked
  /** Resolves when the request is complete, cancelled or failed. */
  readonly over: Promise<void>
  /** The request was refused, or was cut by another party than the client. */
  failure: Error | null
  private readonly req: ClientRequest
  private cancelled: boolean

  constructor(ask: Ask, agent: Agent, port: number, headers: Readonly<Record<string, string>>) {
    this.asked = { ask, outcome: null, firstByteMs: null, wholeMs: null, text: null }
    this.failure = null
    this.cancelled = false
    const body = JSON.stringify(ask.body)
    const askedAt = performance.now()
    this.req = request({
      agent,
      host: '127.0.0.1',
      port,
      method: 'POST',
      path: '/v1/completions',
      headers: { ...headers, 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
    })
    this.over = new Promise((resolve) => {
      const fail = (error: Error): void => {
        if (!this.cancelled) this.failure ??= error
        resolve()
      }
      this.req.on('error', fail)
      this.req.on('response', (res) => {
        res.on('error', fail)
        if (res.statusCode !== 200) fail(new Error(`answered ${res.statusCode} to ${kindOf(ask)}`))
        this.read(res, askedAt).then(resolve, fail)
      })
    })
    this.req.end(body)
  }

  cancel(): void {
    this.cancelled = true
    if (this.asked.wholeMs === null) this.req.destroy()
  }

  private async read(res: IncomingMessage, askedAt: number): Promise<void> {
    const { asked } = this
    asked.outcome = String(res.headers['x-thinwire-cache'])
    let text = ''
    for await (const piece of res) {
      asked.firstByteMs ??= performance.now() - askedAt
      text += piece
    }
    if (this.cancelled) return
    asked.wholeMs = performance.now() - askedAt
    asked.text = asked.ask.body.stream ? textOfStream(text) : textOf(text)
  }
}

function kindOf({ body }: Ask): string {
  return `a request of ${body.prompt.length} characters for ${body.model}`
}

function textOf(json: string): string {
  return (JSON.parse(json) as { choices: { text: string }[] }).choices[0]?.text ?? ''
}

function textOfStream(stream: string): string {
  const events = stream.split('\n\n').filter((event) => event.startsWith('data: {'))
  return events.map((event) => textOf(event.slice('data: '.length))).join('')
}
