import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseResponses, RawClient, type Response } from '../../support/client.js'
import {
  answerFor,
  BREAKING,
  errorFor,
  FAILING_200,
  GOOD,
  MoodyUpstream,
  NUMBER,
  REFUSING,
} from '../../support/moody.js'
import { randomFrom, SEED } from '../../support/random.js'
import { auth, type LogLine, startRelay, type TestRelay } from '../../support/relay.js'
import { until, wait } from '../../support/until.js'

const REQUESTS = 400

/** Upper bound until a hedge and a third attempt were seen: how many requests that takes depends on the machine. */
const REQUESTS_MAX = 8_000

const AT_ONCE = 32

/**
 * `plain`: targets in the order of the config. `storm`: the fastest target first, with hedges, over connections that
 * are reset while they are idle. `once`: without failover. `shared`: three requests that share a response.
 */
const KINDS = ['plain', 'plain', 'plain', 'storm', 'storm', 'storm', 'once', 'shared'] as const
type Kind = (typeof KINDS)[number]

/** One request, and the response that its client got. */
interface Sent {
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

class Chaos {
  readonly sent: Sent[] = []
  readonly problems: string[] = []
  /** Requests whose client has waited too long for the end. */
  readonly endless: Sent[] = []
  readonly relay: TestRelay
  readonly upstreams: ReadonlyMap<string, MoodyUpstream>
  private readonly random: () => number
  private wasSeen: boolean

  constructor(relay: TestRelay, upstreams: readonly MoodyUpstream[]) {
    this.relay = relay
    this.upstreams = new Map(upstreams.map((upstream) => [upstream.name, upstream]))
    this.random = randomFrom(SEED)
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
      while (this.sent.length < (this.seenAll ? REQUESTS : REQUESTS_MAX)) {
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
        for (const [name, upstream] of this.upstreams) if (isStormy(name)) upstream.resetKept(this.random)
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
    const asked = kind === 'shared' ? '"prompt"' : '"stream":true,"messages"'
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

  /** Checks all requests after they have ended. */
  inspect(told: readonly LogLine[]): void {
    const records = new Map(told.map((record) => [String(record.trace_id), record]))
    if (records.size !== told.length) this.problems.push('some have more than one record')
    const groups = new Map<number, Sent[]>()
    for (const sent of this.sent) {
      groups.set(sent.number, [...(groups.get(sent.number) ?? []), sent])
      const record = records.get(sent.trace)
      const problem = record === undefined ? this.checkUnknown(sent) : this.check(sent, record)
      if (problem !== null) this.tell(sent, record, problem)
    }
    for (const group of groups.values()) {
      const theirs = told.filter(({ trace_id }) => group.some(({ trace }) => trace === trace_id))
      const problem = this.checkCount(group, theirs)
      if (problem !== null) for (const sent of group) this.tell(sent, records.get(sent.trace), problem)
    }
    for (const { name, server } of this.upstreams.values()) {
      for (const request of server.requests) {
        const sent = groups.get(Number(request.header(NUMBER)))?.[0]
        if (sent === undefined || !request.body.equals(sent.body))
          this.problems.push(`${name} got another body`)
      }
    }
  }

  /** A client that left before its head had arrived made no request. */
  private checkUnknown({ leaves }: Sent): string | null {
    return leaves === null ? 'it has no record' : null
  }

  /** How many upstreams got the whole request, and may have acted on it. */
  private countWhole({ number }: Sent): number {
    let count = 0
    for (const upstream of this.upstreams.values()) {
      if (REFUSING.has(upstream.moodFor(number))) continue
      for (const request of upstream.server.requests) if (Number(request.header(NUMBER)) === number) count++
    }
    return count
  }

  /** Compares the client's response with the record. @returns what is wrong, or null */
  check(sent: Sent, record: LogLine): string | null {
    const { got, kind } = sent
    const targets = [...this.upstreams.keys()].filter((name) => isStormy(name) === (kind === 'storm'))
    const { failed_attempts, upstream, status, end, cache } = record
    if (this.endless.includes(sent)) return 'its client got no end'
    if (end === 'crashed') return 'it met a fault'
    const failures = failed_attempts === null ? [] : String(failed_attempts).split(', ')
    // What an upstream did not get whole, it has not acted on.
    if (kind === 'once' && this.countWhole(sent) > 1) return 'it was sent twice'
    for (const failure of failures) {
      const name = failure.slice(0, 1)
      if (kind !== 'storm' && GOOD.has(this.moodOf(name, sent)) && !isLate(failure))
        return `${name} was healthy`
    }
    if (got === null) return sent.leaves === null ? 'its client has got nothing' : null
    const text = got.body.toString()
    if (got.complete && (got.status !== status || end === 'client_gone'))
      return sent.leaves === null ? 'the record says another end' : null
    const from = /"from":"(\w)"/.exec(text)?.[1] ?? null
    if (from !== null && from !== upstream && cache === null) return `it is from ${from}`
    if (got.status === 200 && from !== null) {
      const mood = this.moodOf(from, sent)
      const whole = answerFor(from, sent.number, mood)
      if (got.complete ? text !== whole : !whole.startsWith(text))
        return 'its bytes are not those of one response'
      if (got.complete && !FAILING_200.has(mood))
        return GOOD.has(mood) ? null : `the response of ${from} was bad`
      if (mood === 'cut') return null
    }
    if (
      got.status >= 400 &&
      got.complete &&
      from !== null &&
      text !== errorFor(from, sent.number, this.moodOf(from, sent))
    )
      return 'its error is not of one upstream'
    if (sent.leaves !== null || kind === 'once') return null
    // The request failed, so no target may have been able to serve it. A machine that stalls makes every target late.
    const able = targets.filter(
      (name) =>
        GOOD.has(this.moodOf(name, sent)) &&
        !failures.some((failure) => failure.startsWith(name) && isLate(failure)) &&
        // A healthy target fails only by a reset of a kept connection, and gets the request again once.
        failures.filter((failure) => failure.startsWith(name)).length < 2,
    )
    if (able.length > 0) return `${able.join(' and ')} could have served it`
    if (got.complete) return null
    return targets.some((name) => BREAKING.has(this.moodOf(name, sent))) ? null : 'it was cut'
  }

  /** Compares the attempts in the records with those that the upstreams have seen. @returns what is wrong, or null */
  checkCount(group: readonly Sent[], records: readonly LogLine[]): string | null {
    const [{ number, kind }] = group as [Sent]
    let asked = 0
    for (const upstream of this.upstreams.values()) asked += upstream.asked.get(number) ?? 0
    const told = records.reduce((sum, { attempts }) => sum + Number(attempts), 0)
    if (asked > told) return `${asked} came, ${told} are in the records`
    // An attempt may not arrive: it was cancelled before it was connected, or its connection was being reset.
    const exact = kind !== 'storm' && group.every(({ leaves }) => leaves === null)
    return exact && asked < told ? `${asked} came, and ${told} are in the records` : null
  }

  moodOf(name: string, { number }: Sent): ReturnType<MoodyUpstream['moodFor']> {
    return (this.upstreams.get(name) as MoodyUpstream).moodFor(number)
  }

  tell(sent: Sent, record: LogLine | undefined, problem: string): void {
    const moods = [...this.upstreams.keys()]
      .filter((name) => isStormy(name) === (sent.kind === 'storm'))
      .map((name) => `${name}: ${this.moodOf(name, sent)}`)
    const { kind, number, upload, leaves, got } = sent
    const seen =
      got === null
        ? 'nothing'
        : `${got.status} ${got.complete ? 'whole' : 'cut'} ${got.body.toString().slice(0, 80)}`
    const fields = [
      'attempts',
      'failed_attempts',
      'upstream',
      'status',
      'end',
      'cache',
      'error_code',
      'total_ms',
    ]
    const taken = fields.map((field) => `${field} ${String(record?.[field])}`).join(', ')
    this.problems.push(
      `${kind} ${number} (${upload}, leaves ${leaves}): ${problem}\n  ${moods.join(', ')}\n  got ${seen}\n  ${taken}`,
    )
  }
}

/** Whether only requests of kind `storm` use this upstream. */
function isStormy(name: string): boolean {
  return name > 'c'
}

function isLate(failure: string): boolean {
  return /firstByteMs|firstTokenMs/.test(failure)
}

test('a request succeeds if any of its targets is healthy, however and whenever the others fail', async () => {
  const upstreams = await Promise.all(
    ['a', 'b', 'c', 'd', 'e', 'f'].map((name, i) => MoodyUpstream.start(name, SEED + i)),
  )
  const steady = ['a', 'b', 'c'].map((upstream) => ({ upstream }))
  const stormy = ['d', 'e', 'f'].map((upstream) => ({ upstream }))
  const relay = await startRelay(
    Object.fromEntries(upstreams.map(({ name, server }) => [name, { baseUrl: server.url }])),
    {
      routes: [
        { model: 'storm', targets: stormy, strategy: 'latency', hedge: true, firstTokenMs: 500 },
        { model: 'once', targets: steady, hedge: true, failover: false },
        { targets: steady, firstTokenMs: 500 },
      ],
      timeouts: {
        firstByteMs: 1_000,
        idleMs: 1_000,
        connectMs: 5_000,
        requestMs: 10_000,
        clientStallMs: 10_000,
      },
    },
  )
  const chaos = new Chaos(relay, upstreams)
  try {
    await chaos.run()
    await until(() => relay.inspect().openCount === 0, 'every exchange to be settled')
    relay.app.flush()
    const told = relay.lines.filter((line) => 'end' in line)
    const records = await relay.records(told.length)
    chaos.inspect(records)
    const { problems } = chaos
    if (problems.length > 0)
      assert.unreachable(
        `TEST_SEED=${SEED}, ${problems.length} problems\n${problems.slice(0, 10).join('\n')}`,
      )

    const route = relay.inspect().findRoute('/chat/completions', 'storm', null)
    const steadyRoute = relay.inspect().findRoute('/chat/completions', 'm', null)
    const underWay = (): number[] => [
      relay.inspect().bufferedBytes,
      ...[...(route?.targets ?? []), ...(steadyRoute?.targets ?? [])].flatMap(({ breaker, upstream }) => [
        breaker.inFlight,
        upstream.inFlight,
      ]),
    ]
    await until(() => underWay().every((count) => count === 0), `TEST_SEED=${SEED}: all to be over`)
    // The run is worthless without a hedge and a third attempt.
    assert.ok(chaos.seenAll, 'nothing was hedged, or no third target was asked')
  } finally {
    await relay.close()
    for (const upstream of upstreams) await upstream.close()
  }
})

test.run()
