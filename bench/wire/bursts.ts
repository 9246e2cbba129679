import type { Jobs, Mark } from './jobs.js'
import { nowUs, promptWith } from './plan.js'
import { openAll, requestBytes, type StreamClient } from './stream.js'

/** The upstream sends the events of all streams at the same moments, from the second one on. */
export async function runBursts(
  ask: Jobs['burst']['ask'],
  mark: (mark: Mark) => void,
): Promise<Jobs['burst']['answer']> {
  const { target, plan } = ask
  const clients = await openAll(target, plan.together ?? 1)
  const request = requestBytes(target, promptWith(plan, ask.promptBytes))
  const burst = new Burst(plan.chunks, clients.length, mark)
  for (let n = 0; n < ask.bursts; n++) {
    burst.restart()
    await Promise.all(clients.map((client) => burst.run(client, request)))
  }
  for (const client of clients) client.close()
  return { firstByteUs: burst.firstByteUs, delayUs: burst.delayUs }
}

/** Counts what comes of streams that go together. */
class Burst {
  readonly firstByteUs: number[]
  readonly delayUs: number[]
  private readonly chunks: number
  private readonly streams: number
  private readonly mark: (mark: Mark) => void
  /** Streams with a first event, and with their last event but one. */
  private begun: number
  private nearlyOver: number

  constructor(chunks: number, streams: number, mark: (mark: Mark) => void) {
    this.firstByteUs = []
    this.delayUs = []
    this.chunks = chunks
    this.streams = streams
    this.mark = mark
    this.begun = 0
    this.nearlyOver = 0
  }

  restart(): void {
    this.begun = 0
    this.nearlyOver = 0
  }

  run(client: StreamClient, request: Buffer): Promise<void> {
    return new Promise((resolve, reject) => {
      const askedAt = nowUs()
      let events = 0
      client.ask(request, {
        onEvent: (delay, now) => {
          events++
          if (events === 1) this.begin(now - askedAt)
          else if (events < this.chunks) this.count(delay, events)
        },
        onEnd: () => {
          if (events === this.chunks) resolve()
          else reject(new Error(`${events} events came, of ${this.chunks}`))
        },
        onFailure: reject,
      })
    })
  }

  private begin(us: number): void {
    this.firstByteUs.push(us)
    if (++this.begun === this.streams) this.mark('begin')
  }

  private count(delay: number, events: number): void {
    this.delayUs.push(delay)
    if (events === this.chunks - 1 && ++this.nearlyOver === this.streams) this.mark('end')
  }
}
