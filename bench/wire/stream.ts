import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { nowUs, STAMP_DIGITS, STAMP_MARK } from './plan.js'

/** Where a request goes, and its further headers. */
export interface Target {
  readonly name: string
  readonly port: number
  readonly headers: readonly string[]
  /** Before the path of each request; most have none. */
  readonly prefix?: string
}

/** The speed of a client's network for a prompt. */
export interface Pace {
  readonly bytes: number
  /** Milliseconds from one piece of `bytes` to the next. */
  readonly every: number
}

/** Callbacks for a stream. Times are microseconds. */
export interface StreamListener {
  /** A response has begun. @param text the first bytes, with the head */
  onHead?(text: string): void
  /** An event has arrived. @param delay time since the upstream wrote it @param now time of its arrival */
  onEvent(delay: number, now: number): void
  onEnd(): void
  onFailure(error: Error): void
}

/** Bytes of the previous piece that are searched again, for a stamp or an end that is cut. */
const CARRIED = 64

export function requestBytes(target: Target, body: Buffer, path = '/v1/chat/completions'): Buffer {
  const head =
    `POST ${target.prefix ?? ''}${path} HTTP/1.1\r\n` +
    'host: 127.0.0.1\r\ncontent-type: application/json\r\n' +
    'accept: application/json\r\nuser-agent: OpenAI/JS 6.0.0\r\nx-stainless-lang: js\r\nx-stainless-retry-count: 0\r\n' +
    `${target.headers.map((header) => `${header}\r\n`).join('')}content-length: ${body.length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head, 'latin1'), body])
}

/** A connection that requests one stream after the other, and parses as little of them as possible. */
export class StreamClient {
  readonly socket: Socket
  private readonly target: Target
  private listener: StreamListener | null
  private carried: string
  private started: boolean
  /** Missing bytes of a body that comes with its length, as a response from a cache does; -1 in a chunked one. */
  private left: number

  constructor(target: Target) {
    this.target = target
    this.listener = null
    this.carried = ''
    this.started = false
    this.left = -1
    this.socket = connect({ port: target.port, host: '127.0.0.1', noDelay: true })
    this.socket.on('data', (piece: Buffer) => this.onPiece(piece))
    this.socket.on('error', (error) => this.fail(error.message))
    this.socket.on('close', () => this.fail('the connection was closed'))
  }

  /** Sends a request of `requestBytes`. One at a time. */
  ask(request: Buffer, listener: StreamListener): void {
    this.begin(listener)
    this.socket.write(request)
  }

  /** Like `ask`, at the pace of a network. @returns when the last piece was sent, in microseconds of the clock */
  async askSlowly(request: Buffer, pace: Pace, listener: StreamListener): Promise<number> {
    this.begin(listener)
    let at = 0
    for (; at + pace.bytes < request.length; at += pace.bytes) {
      this.socket.write(request.subarray(at, at + pace.bytes))
      await setTimeout(pace.every)
    }
    const askedAt = nowUs()
    this.socket.write(request.subarray(at))
    return askedAt
  }

  private begin(listener: StreamListener): void {
    this.listener = listener
    this.started = false
    this.left = -1
    this.carried = ''
  }

  close(): void {
    this.listener = null
    this.socket.destroy()
  }

  private onPiece(piece: Buffer): void {
    const now = nowUs()
    const { listener } = this
    if (listener === null) return
    const text = this.carried + piece.toString('latin1')
    if (!this.started) {
      this.started = true
      if (!text.startsWith('HTTP/1.1 200')) {
        this.fail(`answered ${text.slice(0, 300)}`)
        return
      }
      listener.onHead?.(text)
      const end = text.indexOf('\r\n\r\n') + 4
      const length = /\r\ncontent-length: *(\d+)/i.exec(text.slice(0, end))?.[1]
      if (length !== undefined) this.left = end + Number(length)
    }
    if (this.left >= 0) this.left = Math.max(0, this.left - piece.length)
    let at = 0
    for (;;) {
      const mark = text.indexOf(STAMP_MARK, at)
      if (mark === -1) break
      const from = mark + STAMP_MARK.length
      if (from + STAMP_DIGITS > text.length) break
      listener.onEvent(now - Number(text.slice(from, from + STAMP_DIGITS)), now)
      at = from + STAMP_DIGITS
    }
    this.carried = text.slice(Math.max(at, text.length - CARRIED))
    if (this.left === 0 || (this.left === -1 && text.endsWith('0\r\n\r\n'))) {
      this.listener = null
      listener.onEnd()
    }
  }

  private fail(problem: string): void {
    const { listener } = this
    this.listener = null
    listener?.onFailure(new Error(`${this.target.name}: ${problem}`))
  }
}

/** Connections that are opened at the same time: fewer than any listener's backlog. */
export const OPENING = 64

export async function openAll(target: Target, count: number): Promise<StreamClient[]> {
  const clients: StreamClient[] = []
  while (clients.length < count) {
    const batch = Array.from(
      { length: Math.min(OPENING, count - clients.length) },
      () => new StreamClient(target),
    )
    await Promise.all(batch.map((client) => once(client.socket, 'connect')))
    clients.push(...batch)
  }
  return clients
}
