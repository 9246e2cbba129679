import { connect, type Socket } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { nowUs, STAMP_DIGITS, STAMP_MARK } from './plan.js'

/** Where a request goes, and what its head has besides the usual. */
export interface Target {
  readonly name: string
  readonly port: number
  readonly headers: readonly string[]
}

/** How fast a client's network takes a prompt. */
export interface Pace {
  readonly bytes: number
  /** Milliseconds from one piece of so many bytes to the next. */
  readonly every: number
}

/** Told of what a stream brings. Times are microseconds. */
export interface StreamListener {
  /** An answer has begun. @param text with its head in it */
  onHead?(text: string): void
  /** An event came. @param delay since the upstream wrote it @param now its arrival */
  onEvent(delay: number, now: number): void
  onEnd(): void
  onFailure(error: Error): void
}

/** What is looked back at for the stamp or the end that two pieces share. */
const CARRIED = 64

export function requestBytes(target: Target, body: Buffer, path = '/v1/chat/completions'): Buffer {
  const head =
    `POST ${path} HTTP/1.1\r\n` +
    'host: 127.0.0.1\r\ncontent-type: application/json\r\n' +
    'accept: application/json\r\nuser-agent: OpenAI/JS 6.0.0\r\nx-stainless-lang: js\r\nx-stainless-retry-count: 0\r\n' +
    `${target.headers.map((header) => `${header}\r\n`).join('')}content-length: ${body.length}\r\n\r\n`
  return Buffer.concat([Buffer.from(head, 'latin1'), body])
}

/** A kept connection that asks for one stream after the other, and reads as little of them as it can. */
export class StreamClient {
  readonly socket: Socket
  private readonly target: Target
  private listener: StreamListener | null
  private carried: string
  private started: boolean

  constructor(target: Target) {
    this.target = target
    this.listener = null
    this.carried = ''
    this.started = false
    this.socket = connect({ port: target.port, host: '127.0.0.1', noDelay: true })
    this.socket.on('data', (piece: Buffer) => this.onPiece(piece))
    this.socket.on('error', (error) => this.fail(error.message))
    this.socket.on('close', () => this.fail('the connection was closed'))
  }

  /** Sends a request that `requestBytes` has made. One at a time. */
  ask(request: Buffer, listener: StreamListener): void {
    this.begin(listener)
    this.socket.write(request)
  }

  /** As `ask`, at the pace of a network. @returns microseconds of the clock at which the last of it was sent */
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
    }
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
    if (text.endsWith('0\r\n\r\n')) {
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
