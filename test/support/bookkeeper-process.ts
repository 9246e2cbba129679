import { type ChildProcess, fork } from 'node:child_process'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { fileURLToPath } from 'node:url'
import { loadConfig } from '../../src/config/config.js'
import { Exchange } from '../../src/exchange/exchange.js'
import { InFlight } from '../../src/exchange/in-flight.js'
import { Bookkeeper } from '../../src/ledger/write/bookkeeper.js'

/** What a test asks of a worker's process. */
type Order =
  | { readonly do: 'open' | 'record'; readonly count: number }
  | { readonly do: 'begin' | 'close' | 'end' }

/** The books of one worker, in a process of their own: it can be killed. */
export class BooksProcess {
  readonly child: ChildProcess
  readonly worker: number
  /** Ids of its open requests. */
  open: readonly string[]
  private answers: ((value: unknown) => void)[]
  private readonly exit: Promise<void>

  constructor(folder: string, worker: number) {
    this.worker = worker
    this.open = []
    this.answers = []
    this.child = fork(fileURLToPath(import.meta.url), [folder, String(worker)], { serialization: 'advanced' })
    this.child.on('message', (value) => this.answers.shift()?.(value))
    this.exit = new Promise((resolve) => {
      this.child.on('exit', () => resolve())
    })
  }

  /** Marks the start, and completes what dead starts have left. */
  async begin(): Promise<void> {
    await this.ask({ do: 'begin' })
  }

  /** Opens requests, and writes them to the journal. @returns their ids */
  async openRequests(count: number): Promise<readonly string[]> {
    this.open = (await this.ask({ do: 'open', count })) as readonly string[]
    return this.open
  }

  /** Ends its open requests: they are recorded. */
  async closeRequests(): Promise<void> {
    await this.ask({ do: 'close' })
    this.open = []
  }

  /** Records requests that are over at once. @returns their ids */
  async record(count: number): Promise<readonly string[]> {
    return (await this.ask({ do: 'record', count })) as readonly string[]
  }

  /** Ends it as a relay ends that is stopped. */
  async end(): Promise<void> {
    this.child.send({ do: 'end' } satisfies Order)
    await this.exit
  }

  async kill(): Promise<void> {
    this.child.kill('SIGKILL')
    await this.exit
  }

  private ask(order: Order): Promise<unknown> {
    return new Promise((resolve) => {
      this.answers.push(resolve)
      this.child.send(order)
    })
  }
}

async function runProcess(folder: string, worker: number): Promise<void> {
  const { ledger } = loadConfig({ env: {}, cwd: '/nonexistent' })
  const log = { info: () => {}, warn: () => {}, error: () => {} }
  const options = { ...ledger, folder, fsync: 'never' as const, flushMs: 1, rotateBytes: 8_192 }
  const books = new Bookkeeper(options, log, null, worker)
  const inFlight = new InFlight()
  // Each tick writes open requests to the journal, as at the end of a relay: whatever their age.
  const tick = setInterval(() => books.noteOpen(inFlight, performance.now(), true), 20)
  const openRequest = (): Exchange => {
    const req = { method: 'GET', rawHeaders: [] } as unknown as IncomingMessage
    const exchange = new Exchange(req, {} as ServerResponse, performance.now())
    inFlight.add(exchange)
    return exchange
  }
  const closeRequest = (exchange: Exchange): void => {
    inFlight.delete(exchange)
    exchange.conclude('done')
    const summary = exchange.close(performance.now())
    if (summary !== null) books.record(summary)
  }
  const untilTrue = async (isTrue: () => boolean): Promise<void> => {
    while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5))
  }
  const obey = async (order: Order): Promise<unknown> => {
    switch (order.do) {
      case 'begin':
        return books.begin()
      case 'open': {
        const opened = Array.from({ length: order.count }, openRequest)
        // The tick after the next finds that the append of the first one is done.
        await untilTrue(() => opened.every(({ journaledAt }) => journaledAt > 0))
        const [first] = opened
        const journaled = first?.journaledAt ?? 0
        await untilTrue(() => (first?.journaledAt ?? 1) > journaled)
        return opened.map((exchange) => exchange.summarizeOpen(performance.now()).request.id)
      }
      case 'close': {
        inFlight.forEach(closeRequest)
        return untilTrue(() => books.writtenSeq === books.lastSeq)
      }
      case 'record': {
        const opened = Array.from({ length: order.count }, openRequest)
        const ids = opened.map((exchange) => exchange.summarizeOpen(performance.now()).request.id)
        opened.forEach(closeRequest)
        await untilTrue(() => books.writtenSeq === books.lastSeq)
        return ids
      }
      case 'end':
        clearInterval(tick)
        await books.close()
        return process.disconnect()
    }
  }
  process.on('message', (order: Order) => {
    void obey(order).then((value) => {
      if (process.connected) process.send?.(value ?? null)
    })
  })
}

if (process.argv[1] === fileURLToPath(import.meta.url))
  await runProcess(process.argv[2] as string, Number(process.argv[3]))
