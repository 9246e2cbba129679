import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { type DemoApi, Problem } from './problem.js'

/** A step of a stream: wait for the model's next piece. */
export const PAUSE = Symbol('pause')

/** A step of a stream: the bytes of one event, a pause, or a silence in milliseconds. */
export type Step = string | typeof PAUSE | number

/** The content of a response: a JSON body, or the steps of an event stream, which are made as they are sent. */
export type ReplyContent = { readonly body: unknown } | { readonly steps: Iterator<Step> }

/**
 * Formats a server-sent event (WHATWG HTML, 9.2.6). Responses and Messages name their events, chat and completions do
 * not.
 */
export function formatEvent(data: unknown, name?: string): string {
  const line = `data: ${JSON.stringify(data)}\n\n`
  return name === undefined ? line : `event: ${name}\n${line}`
}

/** Creates an id in the format of the real APIs: `chatcmpl-…`, `resp_…`, `msg_…`. */
export function createId(prefix: string): string {
  return prefix + randomBytes(12).toString('hex')
}

/** The current time in seconds since 1970. */
export function epochSeconds(): number {
  return Math.floor(Date.now() / 1000)
}

/** The response to a request, with the headers of its API. */
export class Reply {
  private readonly res: ServerResponse
  private readonly api: DemoApi
  private readonly requestId: string
  private readonly startedAt: number

  constructor(res: ServerResponse, api: DemoApi) {
    this.res = res
    this.api = api
    this.requestId = createId('req_')
    this.startedAt = performance.now()
  }

  /**
   * Sends the content that `create` returns, or the Problem that it throws.
   * @param paceMs time between two pieces of a stream, in milliseconds
   */
  send(create: () => ReplyContent, paceMs: number): void {
    try {
      const content = create()
      if ('body' in content) this.sendJson(200, content.body, {})
      else this.sendEvents(content.steps, paceMs)
    } catch (error) {
      // Other errors: a body that nests deeper than the stack, or a bug. The relay in this process must survive them.
      const problem = error instanceof Problem ? error : new Problem(500, 'The demo upstream failed here.')
      this.sendJson(problem.status, problem.body(this.api, this.requestId), problem.headers)
    }
  }

  private sendEvents(steps: Iterator<Step>, paceMs: number): void {
    this.res.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache',
      ...this.headers(200),
    })
    new EventWriter(this.res, steps, paceMs).start()
  }

  private sendJson(status: number, body: unknown, extra: Readonly<Record<string, string>>): void {
    const bytes = Buffer.from(JSON.stringify(body))
    this.res.writeHead(status, {
      'content-type': 'application/json',
      'content-length': bytes.length,
      ...this.headers(status),
      ...extra,
    })
    this.res.end(bytes)
  }

  /** OpenAI: API reference, Debugging requests. Anthropic: Rate limits, Response headers; Errors, Request id. */
  private headers(status: number): Readonly<Record<string, string>> {
    const remaining = status === 429 ? '0' : '9999'
    if (this.api === 'anthropic') {
      return {
        'request-id': this.requestId,
        'anthropic-organization-id': 'thinwire-demo',
        'anthropic-ratelimit-requests-limit': '10000',
        'anthropic-ratelimit-requests-remaining': remaining,
        'anthropic-ratelimit-requests-reset': new Date(Date.now() + 1000).toISOString(),
      }
    }
    return {
      'x-request-id': this.requestId,
      'openai-organization': 'thinwire-demo',
      'openai-version': '2020-10-01',
      'openai-processing-ms': String(Math.round(performance.now() - this.startedAt)),
      'x-ratelimit-limit-requests': '10000',
      'x-ratelimit-remaining-requests': remaining,
      'x-ratelimit-reset-requests': status === 429 ? '100ms' : '6ms',
      'x-ratelimit-limit-tokens': '2000000',
      'x-ratelimit-remaining-tokens': '1999999',
      'x-ratelimit-reset-tokens': '0s',
    }
  }
}

/**
 * Writes the steps of a stream at the model's pace. Each event is a write of its own in an event-loop turn of its
 * own: Node joins the writes of one turn, and the reader would not see where the events end.
 */
class EventWriter {
  private readonly res: ServerResponse
  private readonly steps: Iterator<Step>
  private readonly paceMs: number
  private readonly onTurn: () => void
  private timer: NodeJS.Timeout | null
  private immediate: NodeJS.Immediate | null

  constructor(res: ServerResponse, steps: Iterator<Step>, paceMs: number) {
    this.res = res
    this.steps = steps
    this.paceMs = paceMs
    this.onTurn = () => this.advance()
    this.timer = null
    this.immediate = null
  }

  start(): void {
    // Emitted only after a write that returned false, and then nothing else is scheduled.
    this.res.on('drain', this.onTurn)
    this.res.on('close', () => this.stop())
    this.advance()
  }

  private advance(): void {
    let step: IteratorResult<Step>
    try {
      step = this.steps.next()
    } catch {
      // As in Reply.send, but the status has been sent: a broken stream must not look like a complete one.
      this.res.destroy()
      return
    }
    if (step.done === true) this.res.end()
    else if (step.value === PAUSE) this.schedule(this.paceMs)
    else if (typeof step.value === 'number') this.schedule(step.value)
    else if (this.res.write(step.value)) this.schedule(0)
  }

  private schedule(delayMs: number): void {
    if (delayMs > 0) this.timer = setTimeout(this.onTurn, delayMs)
    else this.immediate = setImmediate(this.onTurn)
  }

  /** The response is complete, or the client has left: the model must not continue. */
  private stop(): void {
    if (this.timer !== null) clearTimeout(this.timer)
    if (this.immediate !== null) clearImmediate(this.immediate)
  }
}
