import { once } from 'node:events'
import { AnswerClient } from './completions.js'
import type { Jobs } from './jobs.js'
import { promptWith } from './plan.js'
import { requestBytes } from './stream.js'

/** Connections that are there at the beginning, and the most there may be. */
const FIRST = 32
const MOST = 1_000

/**
 * Sends requests at fixed times, whatever becomes of the earlier ones. A response's time begins when its request was due:
 * one that had to wait for a connection, or for this process, was late for its user, too.
 */
export async function askAtTimes(ask: Jobs['openLoop']['ask']): Promise<Jobs['openLoop']['answer']> {
  const loop = new OpenLoop(ask)
  return { responseUs: await loop.run() }
}

class OpenLoop {
  private readonly ask: Jobs['openLoop']['ask']
  private readonly request: Buffer
  private readonly total: number
  private readonly responseUs: number[]
  private readonly clients: AnswerClient[]
  private readonly free: AnswerClient[]
  private startedAt: number
  private sent: number
  private end: (samples: number[]) => void
  private fail: (error: Error) => void

  constructor(ask: Jobs['openLoop']['ask']) {
    this.ask = ask
    this.request = requestBytes(ask.target, promptWith(ask.plan, ask.promptBytes))
    this.total = Math.max(1, Math.round(ask.rate * ask.seconds))
    this.responseUs = []
    this.clients = []
    this.free = []
    this.startedAt = 0
    this.sent = 0
    this.end = () => {}
    this.fail = () => {}
  }

  async run(): Promise<number[]> {
    for (let n = 0; n < FIRST; n++) this.free.push(this.open())
    await Promise.all(this.free.map(({ socket }) => once(socket, 'connect')))
    const samples = await new Promise<number[]>((resolve, reject) => {
      this.end = resolve
      this.fail = reject
      this.startedAt = performance.now()
      const timer = setInterval(() => {
        this.sendDue()
        if (this.sent === this.total) clearInterval(timer)
      }, 1)
    })
    for (const client of this.clients) client.close()
    return samples
  }

  private open(): AnswerClient {
    const client = new AnswerClient(this.ask.target)
    this.clients.push(client)
    return client
  }

  private sendDue(): void {
    const due = Math.min(this.total, ((performance.now() - this.startedAt) * this.ask.rate) / 1_000)
    while (this.sent < due) {
      const client = this.free.pop() ?? (this.clients.length < MOST ? this.open() : undefined)
      if (client === undefined) return
      const dueAt = this.startedAt + (this.sent * 1_000) / this.ask.rate
      this.sent++
      client.ask(this.request, () => this.take(client, dueAt), this.fail)
    }
  }

  private take(client: AnswerClient, dueAt: number): void {
    this.responseUs.push((performance.now() - dueAt) * 1_000)
    this.free.push(client)
    if (this.responseUs.length === this.total) this.end(this.responseUs)
  }
}
