import { Agent, type ClientRequest, type IncomingMessage, request } from 'node:http'
import { WebSocket } from 'ws'
import { randomFrom } from '../random.js'
import { socketOrigin } from '../tls-mode.js'
import { wait } from '../until.js'
import { type Account, drawKind, type Group, type Kind, type Sent } from './account.js'

const PATHS = {
  chat: '/v1/chat/completions',
  messages: '/v1/messages',
  responses: '/v1/responses',
  completions: '/v1/completions',
} as const

/** Targets that fail now and then: so many that some of them are trusted at any time. */
const FLAKY = 16

/** Upstreams and routes of the relay, before a provider. */
export function createRoutes(urlOf: (name: string) => string): object {
  const flaky = Array.from({ length: FLAKY }, (_, i) => `c${i}`)
  const names = ['a', 'd', 'e', 'f', 'g', ...flaky]
  const targets = (...of: string[]): object[] => of.map((upstream) => ({ upstream }))
  return {
    upstreams: Object.fromEntries(names.map((name) => [name, { baseUrl: urlOf(name), warm: false }])),
    routes: [
      ...flaky.map((name) => ({ model: `flaky-${name}`, targets: targets(name, 'd') })),
      { model: 'hedged', targets: targets('e', 'f'), hedge: true },
      { model: 'limited', upstream: 'g' },
      { upstream: 'a' },
    ],
  }
}

/** The model by which a route of the relay knows the request. */
function modelOf({ kind, used, random }: Group): string {
  if (kind === 'failover') return `flaky-c${Math.floor(random() * FLAKY)}`
  return kind === 'hedged' || kind === 'limited' ? kind : used.model
}

export interface TeamKey {
  readonly team: string
  readonly text: string
}

/** Clients that send requests of all kinds to one relay, and note in the account what becomes of them. */
export class MixedClients {
  private readonly account: Account
  private readonly port: number
  private readonly life: number
  private readonly keys: readonly TeamKey[]
  private readonly seed: number
  private readonly agent: Agent
  /** False when no more requests are to be sent. */
  goesOn: boolean

  constructor(account: Account, port: number, life: number, keys: readonly TeamKey[], seed: number) {
    this.account = account
    this.port = port
    this.life = life
    this.keys = keys
    this.seed = seed
    this.agent = new Agent({ keepAlive: true })
    this.goesOn = true
  }

  /** Sends groups of requests one after the other, until it is told to stop. */
  async keepSending(): Promise<void> {
    while (this.goesOn) {
      const random = randomFrom(this.seed + this.account.groups.length * 7919)
      await this.perform(this.open(drawKind(random), random))
    }
  }

  /** Opens a stream that stays open. @returns what waits for its end */
  hold(kind: 'held' | 'held socket'): Promise<void> {
    const random = randomFrom(this.seed + this.account.groups.length * 7919)
    const group = this.open(kind, random)
    return kind === 'held' ? this.ask(group, bodyOf(group, true)) : this.talk(group)
  }

  close(): void {
    this.agent.destroy()
  }

  private open(kind: Kind, random: () => number): Group {
    const key = this.keys[Math.floor(random() * this.keys.length)] as TeamKey
    return this.account.open(kind, key, this.life, random)
  }

  private async perform(group: Group): Promise<void> {
    const { kind, random } = group
    switch (kind) {
      case 'cached':
        return this.repeat(group)
      case 'stored':
      case 'background':
        return this.store(group)
      case 'socket':
        return this.talk(group)
      case 'left':
        return this.ask(group, bodyOf(group, true), { leavesAfter: random() * 25 })
      case 'whole':
      case 'limited':
      case 'invalid':
        return this.ask(group, bodyOf(group, false))
      case 'failover':
      case 'hedged':
        return this.ask(group, bodyOf(group, random() < 0.5))
      default:
        return this.ask(group, bodyOf(group, true))
    }
  }

  /** Sends the same request together and again; the first client may leave while others stay. */
  private async repeat(group: Group): Promise<void> {
    const body = bodyOf(group, group.random() < 0.5)
    const leavesAfter = group.random() < 0.3 ? group.random() * 10 : null
    await Promise.all([this.ask(group, body, { leavesAfter }), this.ask(group, body), this.ask(group, body)])
    if (this.goesOn) await this.ask(group, body)
  }

  /** Makes an object and looks at it three times. */
  private async store(group: Group): Promise<void> {
    await this.ask(group, bodyOf(group, false))
    const [made] = group.sents
    for (let i = 0; i < 3 && made?.status === 200; i++)
      await this.ask(group, '', { method: 'GET', path: `/v1/responses/resp_${made.trace}` })
  }

  private ask(
    group: Group,
    body: string,
    {
      leavesAfter = null,
      method = 'POST',
      path = PATHS[group.api],
    }: { leavesAfter?: number | null; method?: string; path?: string } = {},
  ): Promise<void> {
    const sent = this.account.add(group)
    const { port, agent } = this
    const headers = {
      ...this.headersOf(group, sent),
      ...(body === '' ? {} : { 'content-type': 'application/json' }),
    }
    return new Promise((resolve) => {
      const end = (): void => {
        if (sent.endedAt === 0) sent.endedAt = performance.now()
        resolve()
      }
      const req: ClientRequest = request({ host: '127.0.0.1', port, agent, method, path, headers })
      req.on('error', end)
      req.on('response', (res: IncomingMessage) => {
        sent.answered = true
        res.resume()
        res.on('error', () => {})
        res.on('end', () => {
          if (res.complete) sent.status = res.statusCode ?? null
        })
        res.on('close', end)
      })
      req.end(body)
      if (leavesAfter !== null)
        wait(leavesAfter).then(() => {
          if (sent.endedAt > 0) return
          sent.hasLeft = true
          req.destroy()
          end()
        })
    })
  }

  private headersOf(group: Group, sent: Sent): Record<string, string> {
    return {
      authorization: `Bearer ${group.kind === 'wrong key' ? `${group.key.slice(0, -1)}-` : group.key}`,
      traceparent: `00-${sent.trace}-00f067aa0ba902b7-01`,
      ...(group.tags === null ? {} : { 'x-thinwire-tags': group.tags }),
    }
  }

  /** Asks for several responses on one WebSocket. */
  private talk(group: Group): Promise<void> {
    const sent = this.account.add(group)
    const count = 1 + Math.floor(group.random() * 4)
    const headers = this.headersOf(group, sent)
    const ws = new WebSocket(`${socketOrigin(this.port)}${PATHS.responses}`, { headers })
    const input = [{ type: 'message', role: 'user', content: 'Say some words.' }]
    let done = 0
    const next = (): void => {
      group.responses++
      ws.send(JSON.stringify({ type: 'response.create', model: group.used.model, input, store: false }))
    }
    return new Promise((resolve) => {
      ws.on('error', () => {})
      ws.on('open', next)
      ws.on('message', (data: Buffer) => {
        sent.answered = true
        if ((JSON.parse(data.toString()) as { type: string }).type !== 'response.completed') return
        done++
        if (done < count) return next()
        sent.status = 101
        ws.close()
      })
      ws.on('close', () => {
        sent.endedAt = performance.now()
        resolve()
      })
    })
  }
}

function bodyOf(group: Group, stream: boolean): string {
  const model = modelOf(group)
  const number = group.sents.length === 0 ? group.random().toString() : ''
  const text = `Say some words. ${number}`
  switch (group.api) {
    case 'completions':
      return JSON.stringify({ model, stream, prompt: text })
    case 'responses':
      return JSON.stringify({ model, stream, input: text, background: group.kind === 'background' })
    default:
      return JSON.stringify({ model, stream, max_tokens: 6_000, messages: [{ role: 'user', content: text }] })
  }
}
