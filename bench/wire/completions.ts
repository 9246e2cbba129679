import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import type { Jobs, Outcomes } from './jobs.js'
import { completionWith, promptWith, renumber } from './plan.js'
import { requestBytes, StreamClient, type Target } from './stream.js'

/** Where an autocomplete request goes. */
const PATH = '/v1/completions'

/** Number of the last question in this process, so that a new question also differs from those of earlier jobs. */
let numbered = 0

/** Counts the cache outcomes of responses. */
class Tally {
  private readonly counts = new Map<string, number>()

  /** @param head the head of a response */
  count(head: string): void {
    const outcome = /\r\nx-thinwire-cache: *(\w+)/i.exec(head)?.[1] ?? 'none'
    this.counts.set(outcome, (this.counts.get(outcome) ?? 0) + 1)
  }

  get outcomes(): Outcomes {
    return Object.fromEntries(this.counts)
  }
}

/**
 * A connection for one request after the other, with JSON responses only. It knows as little of HTTP as possible: a
 * client that costs more than a cache hit would be measured instead of the relay.
 */
export class AnswerClient {
  readonly socket: Socket
  private readonly target: Target
  private held: Buffer | null
  private onAnswer: ((head: string) => void) | null
  private onFailure: ((error: Error) => void) | null

  constructor(target: Target) {
    this.target = target
    this.held = null
    this.onAnswer = null
    this.onFailure = null
    this.socket = connect({ port: target.port, host: '127.0.0.1', noDelay: true })
    this.socket.on('data', (piece: Buffer) => this.onPiece(piece))
    this.socket.on('error', (error) => this.fail(error.message))
    this.socket.on('close', () => this.fail('the connection was closed'))
  }

  /** Sends one request at a time. @param onAnswer gets the head of the response when the whole response has arrived */
  ask(request: Buffer, onAnswer: (head: string) => void, onFailure: (error: Error) => void): void {
    this.onAnswer = onAnswer
    this.onFailure = onFailure
    this.socket.write(request)
  }

  close(): void {
    this.onFailure = null
    this.socket.destroy()
  }

  private onPiece(piece: Buffer): void {
    const bytes = this.held === null ? piece : Buffer.concat([this.held, piece])
    this.held = bytes
    const end = bytes.indexOf('\r\n\r\n')
    if (end === -1) return
    const head = bytes.toString('latin1', 0, end)
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1]
    if (!head.startsWith('HTTP/1.1 200') || length === undefined) {
      this.fail(`answered ${head.slice(0, 300)}`)
      return
    }
    if (bytes.length < end + 4 + Number(length)) return
    this.held = null
    this.onAnswer?.(head)
  }

  private fail(problem: string): void {
    this.onFailure?.(new Error(`${this.target.name}: ${problem}`))
  }
}

export async function askCompletions(
  ask: Jobs['completions']['ask'],
): Promise<Jobs['completions']['answer']> {
  const { target, distinct, prompts } = ask
  const clients = await openClients(target, ask.connections)
  const base = ++numbered
  numbered += prompts ?? 0
  const requests = clients.map(() => completionRequest(target, ask, numbered))
  const first = clients[0] as AnswerClient
  if (!distinct && prompts === undefined) {
    await new Promise<unknown>((resolve, reject) => first.ask(requests[0] as Buffer, resolve, reject))
  }
  const tally = new Tally()
  let answered = 0
  let asked = 0
  let left = ask.requests ?? Number.POSITIVE_INFINITY
  const startedAt = performance.now()
  const endsAt = startedAt + ask.seconds * 1_000
  await Promise.all(
    clients.map(
      (client, i) =>
        new Promise<void>((resolve, reject) => {
          const request = requests[i] as Buffer
          const next = (): void => {
            if (left-- <= 0 || performance.now() >= endsAt) {
              resolve()
              return
            }
            if (prompts !== undefined) renumber(request, base + (asked++ % prompts))
            else if (distinct) renumber(request, ++numbered)
            client.ask(request, take, reject)
          }
          const take = (head: string): void => {
            answered++
            tally.count(head)
            next()
          }
          next()
        }),
    ),
  )
  const seconds = (performance.now() - startedAt) / 1_000
  for (const client of clients) client.close()
  return { requests: answered, seconds, outcomes: tally.outcomes }
}

/** Sends a fixed number of requests, so that connections have the same share of the cost in each run. */
export async function askAnswers(ask: Jobs['answers']['ask']): Promise<Jobs['answers']['answer']> {
  const clients = await openClients(ask.target, ask.connections)
  const request = requestBytes(ask.target, promptWith(ask.plan, ask.promptBytes, 'chat', ask.model))
  let left = ask.requests
  await Promise.all(
    clients.map(
      (client) =>
        new Promise<void>((resolve, reject) => {
          const next = (): void => {
            if (left-- <= 0) resolve()
            else client.ask(request, next, reject)
          }
          next()
        }),
    ),
  )
  for (const client of clients) client.close()
  return { requests: ask.requests }
}

async function openClients(target: Target, count: number): Promise<AnswerClient[]> {
  const clients = Array.from({ length: count }, () => new AnswerClient(target))
  await Promise.all(clients.map(({ socket }) => once(socket, 'connect')))
  return clients
}

export async function askTogether(ask: Jobs['together']['ask']): Promise<Jobs['together']['answer']> {
  const { target, plan } = ask
  const clients = Array.from({ length: ask.clients }, () => new StreamClient(target))
  await Promise.all(clients.map(({ socket }) => once(socket, 'connect')))
  const requests = clients.map(() => completionRequest(target, ask, 0))
  const tally = new Tally()
  for (let group = 0; group < ask.groups; group++) {
    numbered++
    const streams = clients.map((client, i) => {
      const request = requests[i] as Buffer
      renumber(request, ask.distinct ? ++numbered : numbered)
      return new Promise<void>((resolve, reject) => {
        let events = 0
        client.ask(request, {
          onHead: (text) => tally.count(text),
          onEvent: () => events++,
          onEnd() {
            if (events === plan.chunks) resolve()
            else reject(new Error(`${target.name}: ${events} events came, of ${plan.chunks}`))
          },
          onFailure: reject,
        })
      })
    })
    await Promise.all(streams)
  }
  for (const client of clients) client.close()
  return { streams: ask.groups * clients.length, outcomes: tally.outcomes }
}

function completionRequest(
  target: Target,
  { plan, promptBytes }: Pick<Jobs['together']['ask'], 'plan' | 'promptBytes'>,
  number: number,
): Buffer {
  return requestBytes(target, completionWith(plan, promptBytes, number), PATH)
}
