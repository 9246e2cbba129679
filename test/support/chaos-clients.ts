import { parseResponses, RawClient, type Response } from './client.js'
import { type MoodyUpstream, NUMBER } from './moody.js'
import { randomFrom } from './random.js'
import { auth, type TestRelay } from './relay.js'
import { until, wait } from './until.js'

/** Upper bound until a hedge and a third attempt were seen: how many requests that takes depends on the machine. */
const REQUESTS_MAX = 8_000

const AT_ONCE = 32

/** The targets of the requests of each kind, by the names of their upstreams; or of their keys, for one with several. */
export const TARGETS = {
  /** In the order of the config. */
  plain: ['a', 'b', 'c'],
  /** The fastest target first, with hedges, over connections that are reset while they are idle. */
  storm: ['d', 'e', 'f'],
  /** Without failover. */
  once: ['a', 'b', 'c'],
  /** The same over connections that are reset. */
  'stormy once': ['d', 'e', 'f'],
  /** Three requests that share a response. */
  shared: ['a', 'b', 'c'],
  /** An upstream with three keys, and two without. */
  keys: ['k', 'l', 'm', 'b', 'c'],
  /** The same without failover. */
  'keys once': ['k', 'l', 'm', 'b', 'c'],
  /** The first of three refuses connections; without failover. */
  refused: ['a', 'b'],
} as const satisfies Record<string, readonly string[]>
export type Kind = keyof typeof TARGETS

/** How often each is drawn. */
const KINDS: readonly Kind[] = [
  ...[
    'plain',
    'plain',
    'plain',
    'storm',
    'storm',
    'storm',
    'storm',
    'storm',
    'once',
    'stormy once',
    'shared',
  ],
  ...['keys', 'keys', 'keys once', 'refused'],
] as Kind[]

/** Kinds whose route has no failover: only what no upstream has acted on goes on to another one. */
export const WITHOUT_FAILOVER: ReadonlySet<Kind> = new Set(['once', 'stormy once', 'keys once', 'refused'])

/** Whether the kept connections of an upstream are reset. */
export function isStormy(name: string): boolean {
  return name >= 'd' && name <= 'f'
}

/** One request, and the response that its client got. */
export interface Sent {
  readonly trace: string
  readonly number: number
  readonly kind: Kind
  readonly body: Buffer
  readonly upload: 'whole' | 'pieces' | 'chunked'
  /** Milliseconds after which the client leaves; null if it stays. */
  readonly leaves: number | null
  /** How much of the body the client sends, from 0 to 1. */
  readonly share: number
  got: Response | null
}

/** Clients that send requests of all kinds by chance: many at a time, whole and in pieces, and some leave. */
export class ChaosClients {
  readonly sent: Sent[] = []
  /** Requests whose client has waited too long for the end. */
  readonly endless: Sent[] = []
  readonly relay: TestRelay
  private readonly upstreams: readonly MoodyUpstream[]
  private readonly count: number
  private readonly random: () => number
  private wasSeen: boolean

  /** @param count of requests, at least */
  constructor(relay: TestRelay, upstreams: readonly MoodyUpstream[], count: number, seed: number) {
    this.relay = relay
    this.upstreams = upstreams
    this.count = count
    this.random = randomFrom(seed)
    this.wasSeen = false
  }

  /** Whether a hedge and a third attempt were seen; the budget of hedges forgets its own. */
  get seenAll(): boolean {
    this.wasSeen ||= this.sees()
    return this.wasSeen
  }

  private sees(): boolean {
    const { relay } = this
    const hedged = relay.inspect().findRoute('/chat/completions', 'storm', null)?.hedges.taken ?? 0
    return hedged > 0 && relay.lines.some(({ attempts }) => attempts === 3)
  }

  private below(limit: number): number {
    return Math.floor(this.random() * limit)
  }

  async run(): Promise<void> {
    let number = 0
    const work = async (): Promise<void> => {
      while (this.sent.length < (this.seenAll ? this.count : REQUESTS_MAX)) {
        const kind = KINDS[this.below(KINDS.length)] as Kind
        number++
        const first = this.draw(kind, number)
        const group = kind === 'shared' ? [first, this.sharing(first), this.sharing(first)] : [first]
        if (kind === 'storm') this.allowHedges()
        await Promise.all(group.map((sent) => this.ask(sent)))
      }
    }
    let over = false
    const disturb = async (): Promise<void> => {
      while (!over) {
        for (const upstream of this.upstreams) if (isStormy(upstream.name)) upstream.resetKept(this.random)
        await wait(60)
      }
    }
    const disturbing = disturb()
    await Promise.all(Array.from({ length: AT_ONCE }, work))
    over = true
    await disturbing
  }

  /** Makes the route hedge after some 50 ms, and more often than its budget allows. */
  private allowHedges(): void {
    const route = this.relay.inspect().findRoute('/chat/completions', 'storm', null)
    for (let i = 0; i < 10; i++) {
      route?.hedges.count()
      for (const { breaker } of route?.targets ?? []) breaker.latency.observe(performance.now(), 50)
    }
  }

  private draw(kind: Kind, number: number): Sent {
    const large = this.below(5) === 0
    const pad = 'x'.repeat(large ? 60_000 + this.below(150_000) : this.below(500))
    const asked = kind === 'shared' ? '"prompt"' : `"stream":${this.below(3) > 0},"messages"`
    const upload = (['whole', 'pieces', 'chunked'] as const)[this.below(3)] as Sent['upload']
    const body = Buffer.from(
      `{"model":"${kind}","tools":[],"user":"${number}",${asked}:"${kind === 'shared' ? '' : pad}"}`,
    )
    const leaves = this.below(6) === 0
    const share = leaves && this.below(3) === 0 ? this.random() : 1
    return this.add({ number, kind, body, upload, leaves: leaves ? this.below(120) : null, share })
  }

  private sharing({ number, kind, body }: Sent): Sent {
    const leaves = this.below(3) === 0 ? this.below(60) : null
    return this.add({ number, kind, body, upload: 'whole', leaves, share: 1 })
  }

  private add(sent: Omit<Sent, 'trace' | 'got'>): Sent {
    const trace = (this.sent.length + 1).toString(16).padStart(32, '0')
    const added: Sent = { ...sent, trace, got: null }
    this.sent.push(added)
    return added
  }

  private async ask(sent: Sent): Promise<void> {
    const client = await RawClient.connect(this.relay.port)
    const read = (): Response | undefined => parseResponses(client.bytes, client.ending === 'fin')[0]
    const isOver = (): boolean => client.ending !== null || read()?.complete === true
    const over = until(isOver, 'an end', 15_000).catch(() => this.endless.push(sent))
    await Promise.race([this.send(client, sent).then(() => over), over])
    sent.got = read() ?? null
    client.destroy()
  }

  private async send(client: RawClient, sent: Sent): Promise<void> {
    const { number, kind, body, upload, trace, leaves, share } = sent
    const path = kind === 'shared' ? 'completions' : 'chat/completions'
    const framing = upload === 'chunked' ? 'transfer-encoding: chunked' : `content-length: ${body.length}`
    const startedAt = performance.now()
    const headers = `${auth(this.relay)}${NUMBER}: ${number}\r\ntraceparent: 00-${trace}-00f067aa0ba902b7-01\r\n${framing}`
    const opening = `POST /v1/${path} HTTP/1.1\r\n${headers}\r\n\r\n`
    if (upload === 'whole') client.send(Buffer.concat([Buffer.from(opening), body]))
    else {
      client.send(opening)
      const size = Math.ceil(body.length / 4)
      for (let from = 0; from < body.length * share && client.ending === null; from += size) {
        const piece = body.subarray(from, from + size)
        if (upload === 'pieces') client.send(piece)
        else
          client.send(
            Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')]),
          )
        await wait(number % 4)
      }
      if (upload === 'chunked' && share === 1) client.send('0\r\n\r\n')
    }
    if (leaves === null) return
    await wait(Math.max(0, leaves - (performance.now() - startedAt)))
    client.destroy()
  }
}
