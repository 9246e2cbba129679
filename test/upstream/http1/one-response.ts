import type { buildConnector, Client } from 'undici'
import { readErrorCode } from '../../../src/lib/error-code.js'
import type { Connection, ConnectionEvents } from '../../../src/upstream/connection.js'
import type { ClientKind, DispatchRequest } from '../../../src/upstream/connection-pool.js'
import type { DispatchHandler, RawHeaderList } from '../../../src/upstream/dispatch-handler.js'
import { Http1Connection } from '../../../src/upstream/http1/http1-connection.js'
import { TappedSocket } from '../../../src/upstream/reference/tapped-socket.js'
import { UndiciConnection } from '../../../src/upstream/reference/undici-connection.js'
import { parseEndpoint } from '../../../src/upstream/url.js'
import { randomFrom } from '../../support/random.js'
import { type Close, MemorySocket } from './memory-socket.js'

const ORIGIN = 'http://upstream.test'
export const MAX_HEAD = 4_096
const KEEP_ALIVE_MS = 60_000

/** What the other side of a connection sends, as the response to one request. */
export interface Wire {
  readonly method: string
  readonly pieces: readonly Buffer[]
  readonly closes: Close
  /** Null reads without a pause; a number is the seed of when the handler pauses. */
  readonly pauses: number | null
}

/** What a client has made of it. */
export interface Outcome {
  readonly status: number | null
  readonly reason: string
  /** Name, value, name, value, in Latin-1. */
  readonly headers: readonly string[]
  readonly body: Buffer
  /** `complete`; `open` if it waits for more; or the code of an error. */
  end: string
  /** The connection takes another request. */
  isKept: boolean
}

/** Turns of the event loop in which nothing happens, until a response is taken to be over. undici needs some. */
const QUIET_TURNS = 5

/** One request on a connection of its own. */
export class OneResponse implements DispatchHandler, ConnectionEvents {
  readonly outcome: Mutable<Outcome>
  private readonly socket: MemorySocket
  private readonly connection: Connection
  private readonly random: (() => number) | null
  private readonly data: Buffer[]
  private resume: (() => void) | null
  private quiet: number
  private isFree: boolean

  constructor(client: ClientKind, wire: Wire) {
    this.outcome = {
      status: null,
      reason: '',
      headers: [],
      body: Buffer.alloc(0),
      end: 'open',
      isKept: false,
    }
    this.socket = new MemorySocket(wire.pieces, wire.closes)
    this.random = wire.pauses === null ? null : randomFrom(wire.pauses)
    this.data = []
    this.resume = null
    this.quiet = 0
    this.isFree = false
    this.connection = connect(client, this.socket, this)
    const request: DispatchRequest = {
      method: wire.method,
      path: '/',
      headers: [],
      body: wire.method === 'POST' ? Buffer.from('{}') : null,
      reset: false,
    }
    this.connection.dispatch(request, this)
  }

  /** Does one turn. @returns false if all is over */
  step(): boolean {
    const { resume } = this
    if (resume !== null && this.random !== null && this.random() < 0.5) {
      this.resume = null
      this.quiet = 0
      resume()
    }
    // Nothing is sent before the request.
    if (this.socket.written.length > 0 && this.socket.step()) this.quiet = 0
    else this.quiet++
    return this.quiet < QUIET_TURNS || this.resume !== null
  }

  /** Ends it. @returns what has come of it */
  finish(): Outcome {
    const { outcome, connection } = this
    outcome.body = Buffer.concat(this.data)
    outcome.isKept = this.isFree && connection.isOpen && outcome.end === 'complete'
    const found = { ...outcome }
    void connection.destroy().catch(() => {})
    return found
  }

  onConnect(): void {}

  onHeaders(status: number, raw: RawHeaderList, resume: () => void, reason: string): boolean {
    const { outcome } = this
    if (status < 200) return true
    if (outcome.status !== null) throw new Error('there are two heads')
    outcome.status = status
    outcome.reason = reason
    outcome.headers = raw.map((text) => (typeof text === 'string' ? text : text.toString('latin1')))
    return this.mayGoOn(resume)
  }

  onData(chunk: Buffer): boolean {
    if (this.resume !== null) throw new Error('data has come in a pause')
    if (this.outcome.status === null) throw new Error('data has come before a head')
    if (this.outcome.end !== 'open') throw new Error('data has come behind the end')
    // undici's memory is used again.
    this.data.push(Buffer.from(chunk))
    return this.mayGoOn(null)
  }

  onComplete(): void {
    this.end('complete')
  }

  onError(error: Error): void {
    this.end(readErrorCode(error))
  }

  onFree(): void {
    this.isFree = true
  }

  onClosed(): void {
    this.isFree = false
  }

  onLost(): void {}

  onForgotten(): void {}

  private end(how: string): void {
    if (this.outcome.end !== 'open') throw new Error(`${how} has come after ${this.outcome.end}`)
    this.outcome.end = how
    this.resume = null
  }

  private lastResume: (() => void) | null = null

  private mayGoOn(resume: (() => void) | null): boolean {
    this.lastResume = resume ?? this.lastResume
    if (this.random === null || this.random() < 0.6) return true
    this.resume = this.lastResume
    return false
  }
}

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

function connect(client: ClientKind, memory: MemorySocket, events: ConnectionEvents): Connection {
  const socket = memory.asSocket
  const open = (_target: buildConnector.Options, callback: buildConnector.Callback): void => {
    setImmediate(() => {
      if (client === 'undici') {
        socket.on('error', (error) => socket.destroy(error))
        new TappedSocket(socket)
      }
      callback(null, socket)
    })
  }
  if (client === 'own')
    return new Http1Connection(
      {
        endpoint: parseEndpoint(new URL(ORIGIN)),
        connect: open as buildConnector.connector,
        keepAliveMs: KEEP_ALIVE_MS,
        maxHeaderSize: MAX_HEAD,
      },
      events,
    )
  const options: Client.Options = {
    pipelining: 1,
    allowH2: false,
    keepAliveTimeout: KEEP_ALIVE_MS,
    keepAliveMaxTimeout: 600_000,
    keepAliveTimeoutThreshold: 1_000,
    headersTimeout: 0,
    bodyTimeout: 0,
    maxHeaderSize: MAX_HEAD,
  }
  return new UndiciConnection(ORIGIN, options, open as buildConnector.connector, events)
}

/** Has both clients read each of them. */
export async function readByBoth(wires: readonly Wire[]): Promise<{ own: Outcome; undici: Outcome }[]> {
  const pairs = wires.map((wire) => ({
    own: new OneResponse('own', wire),
    // Pauses and reads must not change anything; undici's parser asserts in some pauses that an end comes in, and loses
    // all but the last part of a reason that is read in parts.
    undici: new OneResponse('undici', { ...wire, pieces: [Buffer.concat(wire.pieces)], pauses: null }),
  }))
  let active = pairs.flatMap(({ own, undici }) => [own, undici])
  while (active.length > 0) {
    await new Promise((resolve) => setImmediate(resolve))
    active = active.filter((one) => one.step())
  }
  const found = pairs.map(({ own, undici }) => ({ own: own.finish(), undici: undici.finish() }))
  await new Promise((resolve) => setImmediate(resolve))
  return found
}
