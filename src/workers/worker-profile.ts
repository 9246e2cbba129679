import type { ProfileWish } from '../admin/profile-endpoint.js'
import type { ToMetricsPrimary, ToMetricsWorker } from './metrics-messages.js'

type Message = Extract<ToMetricsPrimary, { readonly profile: number }>

/** A profile of a worker, as the primary gets it: piece by piece, each when the one before it has been taken. */
export class WorkerProfile {
  private readonly id: number
  private readonly send: (message: ToMetricsWorker) => void
  private readonly onSampling: () => void
  /** What has come and was not taken, and who waits for it. */
  private readonly arrived: Message[]
  private wake: () => void
  private error: Error | null

  constructor(id: number, wish: ProfileWish, send: (message: ToMetricsWorker) => void) {
    this.id = id
    this.send = send
    this.onSampling = wish.onSampling
    this.arrived = []
    this.wake = () => {}
    this.error = null
    wish.stop.addEventListener('abort', () => this.fail(new Error('it was stopped')), { once: true })
    if (wish.stop.aborted) this.fail(new Error('it was stopped'))
    else send({ kind: 'profile', profile: id, seconds: wish.seconds })
  }

  /** The worker has sent something of it. */
  receive(message: Message): void {
    if (message.kind === 'sampling') {
      if (this.error === null) this.onSampling()
      return
    }
    this.arrived.push(message)
    this.wake()
  }

  /** It will not come to its end. */
  fail(error: Error): void {
    this.error ??= error
    this.send({ kind: 'stop', profile: this.id })
    this.wake()
  }

  /** Waits for the samples: what goes wrong until then is thrown here. @returns the pieces of the profile */
  async take(): Promise<AsyncIterable<string>> {
    const first = await this.next()
    return this.pieces(first)
  }

  private async *pieces(first: Message): AsyncGenerator<string> {
    try {
      for (let message = first; message.kind === 'piece'; message = await this.next()) {
        yield message.text
        this.send({ kind: 'more', profile: this.id })
      }
    } finally {
      // Whoever reads it may have left.
      this.send({ kind: 'stop', profile: this.id })
    }
  }

  private async next(): Promise<Message> {
    while (this.error === null && this.arrived.length === 0)
      await new Promise<void>((resolve) => {
        this.wake = resolve
      })
    if (this.error !== null) throw this.error
    const message = this.arrived.shift() as Message
    if (message.kind === 'failed') throw Object.assign(new Error('no profile'), { code: message.code })
    return message
  }
}
