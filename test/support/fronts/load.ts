import { randomFrom } from '../random.js'
import { until, wait } from '../until.js'
import { type Ended, type FrontRequest, Http2Client, type Outcome, requestByHttp1 } from './front-client.js'

export interface LoadOptions {
  readonly port: number
  readonly host: string
  readonly ca: string
  readonly key: string
  readonly model?: string
  readonly seed: number
  /** Requests at one time. Default: 8. */
  readonly workers?: number
  /** What one worker waits between two requests. Default: 10 ms. */
  readonly pauseMs?: number
  /** Probability that the provider cuts an answer. Default: 0. */
  readonly cuts?: number
  readonly patienceMs?: number
  /** False: all clients use HTTP/1.1, for a front that has no other. */
  readonly http2?: boolean
  /** Called with each outcome, instead of keeping it: for a run of hours. */
  readonly onOutcome?: (outcome: Outcome, wasCut: boolean) => void
}

/** How many loads there were in this process: an id is never used twice. */
let loads = 0

/**
 * Clients that send chats through a front without a pause: every other one by HTTP/1.1 on a new connection, the rest
 * by HTTP/2 on a kept one; two of three streamed.
 */
export class Load {
  readonly outcomes: Outcome[] = []
  /** Ids of requests whose answer the provider was asked to cut. */
  readonly wishedCuts = new Set<string>()
  started = 0
  private readonly options: LoadOptions
  private readonly random: () => number
  private readonly clients: Http2Client[] = []
  private readonly prefix: string
  private isRunning = true
  private readonly working: Array<Promise<void>>

  constructor(options: LoadOptions) {
    this.options = options
    this.random = randomFrom(options.seed)
    this.prefix = `load${options.seed}-${++loads}`
    this.working = Array.from({ length: options.workers ?? 8 }, (_, n) => this.work(n))
  }

  /** Ends when each request that is open has its outcome. */
  async stop(): Promise<readonly Outcome[]> {
    this.isRunning = false
    await Promise.all(this.working)
    for (const client of this.clients) client.close()
    return this.outcomes
  }

  /** Waits until so many further requests have their outcome. */
  async passes(count: number): Promise<void> {
    const goal = this.ended + count
    await until(() => this.ended >= goal, `${count} more outcomes`, 60_000)
  }

  private ended = 0

  private async work(n: number): Promise<void> {
    const client = n % 2 === 0 || this.options.http2 === false ? null : new Http2Client()
    if (client !== null) this.clients.push(client)
    while (this.isRunning) {
      const wanted = this.next()
      const outcome = await (client === null ? requestByHttp1(wanted) : client.request(wanted))
      this.ended++
      const { onOutcome } = this.options
      if (onOutcome === undefined) this.outcomes.push(outcome)
      else onOutcome(outcome, this.wishedCuts.delete(outcome.id))
      await wait(this.options.pauseMs ?? 10)
    }
  }

  private next(): FrontRequest {
    const { port, host, ca, key, model = 'gpt-5-mini', cuts = 0, patienceMs } = this.options
    const id = `${this.prefix}-${this.started++}`
    const stream = this.random() < 2 / 3
    const pieces = stream ? 1 + Math.floor(this.random() * 12) : 1
    const isCut = this.random() < cuts
    if (isCut) this.wishedCuts.add(id)
    const cut = isCut ? { cut_after: String(stream ? 1 + Math.floor(this.random() * pieces) : 0) } : {}
    const chat = {
      model,
      user: id,
      stream,
      metadata: { pieces: String(pieces), gap_ms: String(Math.floor(this.random() * 20)), ...cut },
      messages: [{ role: 'user', content: 'x'.repeat(Math.floor(this.random() * 2_000)) }],
    }
    return {
      port,
      host,
      ca,
      id,
      stream,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify(chat),
      ...(patienceMs === undefined ? {} : { patienceMs }),
    }
  }
}

/** How many ended in which way, and how many of these went direct: for the words of a test. */
export function countOutcomes(outcomes: readonly Outcome[]): Record<Ended | 'direct', number> {
  const counts = { whole: 0, cut: 0, error: 0, nothing: 0, 'false-whole': 0, late: 0, direct: 0 }
  for (const { ended, isDirect } of outcomes) {
    counts[ended]++
    if (isDirect) counts.direct++
  }
  return counts
}
