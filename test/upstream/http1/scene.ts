import type { buildConnector } from 'undici'
import { readErrorCode } from '../../../src/lib/error-code.js'
import type { Connection, ConnectionEvents } from '../../../src/upstream/connection.js'
import { wasConnectionReused } from '../../../src/upstream/connection-loss.js'
import type { DispatchRequest } from '../../../src/upstream/connection-pool.js'
import type { DispatchHandler, RawHeaderList } from '../../../src/upstream/dispatch-handler.js'
import { Http1Connection } from '../../../src/upstream/http1/http1-connection.js'
import { parseEndpoint } from '../../../src/upstream/url.js'
import { MemorySocket } from './memory-socket.js'

export const EMPTY_OK = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n'

/** One connection of our own, with its other side in the hands of the test, and all that it says. */
export class Scene implements ConnectionEvents {
  readonly connection: Http1Connection
  /** The last that was opened. */
  socket: MemorySocket
  readonly sockets: MemorySocket[] = []
  /** What the connector was asked for. */
  readonly targets: buildConnector.Options[] = []
  /** `free`, `closed` and `lost CODE`. */
  readonly told: string[] = []
  /** Connections open when the test says so. */
  holdsConnect = false
  private readonly waiting: (() => void)[] = []

  constructor(origin = 'http://upstream.test') {
    this.socket = new MemorySocket()
    const connect = (target: buildConnector.Options, callback: buildConnector.Callback): void => {
      this.targets.push(target)
      const open = (): void => {
        this.socket = new MemorySocket()
        this.sockets.push(this.socket)
        callback(null, this.socket.asSocket)
      }
      if (this.holdsConnect) this.waiting.push(open)
      else setImmediate(open)
    }
    this.connection = new Http1Connection(
      {
        endpoint: parseEndpoint(new URL(origin)),
        connect: connect as buildConnector.connector,
        keepAliveMs: 60_000,
        maxHeaderSize: 4_096,
      },
      this,
    )
  }

  /** Sends a request. */
  ask(request: Partial<DispatchRequest> = {}, handler = new Recorder()): Recorder {
    this.connection.dispatch({ method: 'GET', path: '/', headers: [], body: null, ...request }, handler)
    return handler
  }

  /** Sends a request, and has it answered, so that the connection is kept. */
  async use(): Promise<void> {
    const handler = this.ask()
    await turns(3)
    await this.answer(EMPTY_OK)
    if (handler.end !== 'complete') throw new Error(`it ended with ${handler.end}`)
    this.told.length = 0
  }

  /** Has the other side send something, and waits until it was read. */
  async answer(text: string): Promise<void> {
    this.socket.send(text)
    await this.settle()
  }

  /** Lets the other side do what it has to do. */
  async settle(): Promise<void> {
    while (this.socket.step()) await turns(1)
    await turns(2)
  }

  open(): void {
    for (const open of this.waiting.splice(0)) open()
  }

  onFree(): void {
    this.told.push('free')
  }

  onClosed(): void {
    this.told.push('closed')
  }

  onLost(_connection: Connection, error: Error): void {
    this.told.push(`lost ${readErrorCode(error)}`)
  }

  onForgotten(): void {
    this.told.push('forgotten')
  }
}

/** What a handler was told, and what it does then. */
export class Recorder implements DispatchHandler {
  readonly told: string[] = []
  status = 0
  body = ''
  /** `complete` or the code of an error; empty before. */
  end = ''
  error: Error | null = null
  abort: (reason?: Error) => void = () => {}
  resume: () => void = () => {}
  /** Called in each callback, by its name. @returns false to pause */
  act: (name: string) => boolean | undefined = () => undefined

  /** @param isWritten as far as the relay knows, from `onConnect` */
  wasReused(isWritten: boolean): boolean {
    return wasConnectionReused(this.error, isWritten)
  }

  onConnect(abort: (reason?: Error) => void): void {
    this.abort = abort
    this.tell('onConnect')
  }

  onHeaders(status: number, _raw: RawHeaderList, resume: () => void): boolean {
    this.status = status
    this.resume = resume
    return this.tell('onHeaders')
  }

  onData(chunk: Buffer): boolean {
    this.body += chunk.toString('latin1')
    return this.tell('onData')
  }

  onComplete(): void {
    this.end = 'complete'
    this.tell('onComplete')
  }

  onError(error: Error): void {
    this.end = readErrorCode(error)
    this.error = error
    this.tell('onError')
  }

  private tell(name: string): boolean {
    this.told.push(name)
    return this.act(name) !== false
  }
}

export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}
