import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { LimitRulesConfig } from '../../src/config/limit-rules.js'
import type { Link, Topic } from '../../src/workers/link.js'
import { ANSWER_MS } from '../../src/workers/remote-limits.js'
import { headerOf } from '../support/client.js'
import { makeRule } from '../support/limit-rules.js'
import { TestPrimary } from '../support/primary-mode.js'
import { startRelay, type TestRelay } from '../support/relay.js'
import { until } from '../support/until.js'
import { type Script, ScriptedUpstream, step } from '../support/upstream.js'
import {
  answers,
  chat,
  limitsOf,
  MODEL,
  outcomeOf,
  posting,
  type RuleEntry,
  takenOf,
} from '../wire/limits/limit-scene.js'

const RELAYS = 4

const configOf = (rules: Readonly<Record<string, RuleEntry>>): LimitRulesConfig => ({
  rules: Object.entries(rules).map(([name, entry]) => makeRule({ name, ...entry })),
  unpriced: 'assume',
  alerts: { url: null, secret: null, at: [50, 80, 100], maxQueued: 10 },
})

/** A link whose worker hears nothing for some time. */
class SlowLink implements Link {
  isHeld = false
  private readonly link: Link
  private readonly held: (() => void)[] = []

  constructor(link: Link) {
    this.link = link
  }

  get isOpen(): boolean {
    return this.link.isOpen
  }

  send(topic: Topic, value: unknown): void {
    this.link.send(topic, value)
  }

  receive(topic: Topic, receiver: (value: unknown) => void): void {
    this.link.receive(topic, (value) => {
      if (this.isHeld) this.held.push(() => receiver(value))
      else receiver(value)
    })
  }

  onClose(listener: () => void): void {
    this.link.onClose(listener)
  }

  goOn(): void {
    this.isHeld = false
    for (const deliver of this.held.splice(0)) deliver()
  }
}

interface Crowd {
  readonly primary: TestPrimary
  readonly relays: readonly TestRelay[]
  readonly links: readonly SlowLink[]
  readonly upstream: ScriptedUpstream
}

/** Several relays that ask one primary about the same rules. */
async function withRelays(
  rules: Readonly<Record<string, RuleEntry>>,
  script: Script,
  act: (crowd: Crowd) => Promise<void>,
  count = RELAYS,
): Promise<void> {
  const upstream = await ScriptedUpstream.start(script)
  const primary = new TestPrimary(configOf(rules))
  const links: SlowLink[] = []
  primary.wrap = (link) => {
    const slow = new SlowLink(link)
    links.push(slow)
    return slow
  }
  const relays: TestRelay[] = []
  try {
    const url = `http://127.0.0.1:${upstream.port}/v1`
    for (let i = 0; i < count; i++)
      relays.push(
        await startRelay(
          url,
          limitsOf(rules, { maxConcurrentRequestsPerKey: 500 }),
          undefined,
          null,
          primary,
        ),
      )
    await act({ primary, relays, links, upstream })
  } finally {
    await Promise.all(relays.map((relay) => relay.close()))
    await upstream.close()
    await primary.server.close()
  }
}

async function ask(relay: TestRelay, body = chat()): Promise<string> {
  const client = await relay.client()
  client.send(posting(relay, body))
  const response = await client.response()
  client.destroy()
  return outcomeOf(response)
}

function count(outcomes: readonly string[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const outcome of outcomes) counts[outcome] = (counts[outcome] ?? 0) + 1
  return counts
}

const LIMITED = '429 rate_limit_exceeded'

test('of 200 requests that come at once to four workers, exactly as many pass as a rate has', () =>
  withRelays(
    { rate: { per: 'pool', requestsPerMinute: 1, requestBurst: 50 } },
    answers(10, 1),
    async ({ relays }) => {
      const outcomes = await Promise.all(
        Array.from({ length: 200 }, (_, i) => ask(relays[i % RELAYS] as TestRelay)),
      )
      assert.equal(count(outcomes), { 200: 50, [LIMITED]: 150 })
    },
  ))

test('of 200 requests that come at once to four workers, exactly as many are in flight as there are places', () =>
  withRelays(
    { places: { per: 'pool', concurrent: 7 } },
    step.hang(),
    async ({ relays, upstream, primary }) => {
      const clients = await Promise.all(
        Array.from({ length: 200 }, async (_, i) => {
          const relay = relays[i % RELAYS] as TestRelay
          const client = await relay.client()
          client.send(posting(relay, chat()))
          return client
        }),
      )
      const refused = (): number =>
        [...primary.server.limiter.refusals].reduce((sum, one) => sum + one.count, 0)
      await until(() => refused() === 193, '193 refusals')
      await until(() => upstream.requests.length === 7, 'seven requests')
      assert.is(takenOf(primary.server.limiter.readAll()).places, 7)
      for (const client of clients) client.destroy()
      await until(() => takenOf(primary.server.limiter.readAll()).places === 0, 'the places to be given back')
    },
  ))

test('of 200 requests that come at once to four workers, as many pass as a budget can hold, as in one process', async () => {
  const rules = { budget: { per: 'pool', tokens: { month: 30_000 } } }
  const body = chat(MODEL, { max_tokens: 1_000 })
  const passed: number[] = []
  for (const relayCount of [1, RELAYS])
    await withRelays(
      rules,
      step.hang(),
      async ({ relays, upstream, primary }) => {
        const clients = await Promise.all(
          Array.from({ length: 200 }, async (_, i) => {
            const relay = relays[i % relayCount] as TestRelay
            const client = await relay.client()
            client.send(posting(relay, body))
            return client
          }),
        )
        const refused = (): number =>
          [...primary.server.limiter.refusals].reduce((sum, one) => sum + one.count, 0)
        await until(() => refused() + upstream.requests.length === 200, 'all requests to be decided')
        passed.push(upstream.requests.length)
        for (const client of clients) client.destroy()
        await until(() => takenOf(primary.server.limiter.readAll()).held === 0, 'nothing to be held')
      },
      relayCount,
    )
  assert.is(passed[0], passed[1])
  assert.ok((passed[0] ?? 0) > 10)
})

test('a client that leaves while the primary is asked has given back what it was granted', () =>
  withRelays(
    { places: { per: 'pool', concurrent: 1, tokens: { day: 10_000 } } },
    answers(10, 1),
    async ({ relays, links, upstream, primary }) => {
      const [relay] = relays as [TestRelay]
      const [link] = links as [SlowLink]
      link.isHeld = true
      const client = await relay.client()
      client.send(posting(relay, chat()))
      await until(() => takenOf(primary.server.limiter.readAll()).places === 1, 'a place to be taken')
      client.destroy()
      await until(() => takenOf(primary.server.limiter.readAll()).places === 0, 'the place to be given back')
      link.goOn()
      assert.is(await ask(relay), '200')
      assert.is(upstream.requests.length, 1)
      await until(() => takenOf(primary.server.limiter.readAll()).held === 0, 'nothing to be held')
    },
    1,
  ))

test('a body goes on to arrive while the primary is asked', () =>
  withRelays(
    { all: { per: 'pool', requestsPerMinute: 10 } },
    answers(10, 1),
    async ({ relays, links, upstream }) => {
      const [relay] = relays as [TestRelay]
      const [link] = links as [SlowLink]
      const bytes = posting(relay, chat(MODEL, { user: 'x'.repeat(300_000) }))
      for (const part of [bytes.length - 100_000, bytes.length]) {
        link.isHeld = true
        const client = await relay.client()
        client.send(bytes.slice(0, part))
        await until(() => relay.inspect().exchanges[0]?.phase === 'plan', 'the request to be planned')
        client.send(bytes.slice(part))
        link.goOn()
        const response = await client.response()
        assert.is(response.status, 200)
        client.destroy()
      }
      const sent = bytes.slice(bytes.indexOf('\r\n\r\n') + 4)
      for (const request of upstream.requests) assert.is(request.body.toString(), sent)
      assert.is(upstream.requests.length, 2)
    },
    1,
  ))

for (const [how, silence] of [
  ['is gone', (relay: TestRelay): void => relay.limits?.cut()],
  ['does not answer', null],
] as const)
  test(`where the primary ${how}, a request is refused that a rule limits, and others pass`, () =>
    withRelays(
      {
        mini: { match: { model: MODEL }, requestsPerMinute: 10 },
        seen: { requestsPerMinute: 1, observe: true },
      },
      answers(10, 1),
      async ({ relays, links }) => {
        const [relay] = relays as [TestRelay]
        const [link] = links as [SlowLink]
        if (silence !== null) silence(relay)
        else link.isHeld = true
        const client = await relay.client()
        client.send(posting(relay, chat()))
        if (silence === null) {
          await until(() => relay.inspect().exchanges[0]?.phase === 'plan', 'the request to be planned')
          const now = performance.now()
          for (let ms = 0; ms <= 2 * ANSWER_MS; ms += 1_000) relay.app.tick(now + ms)
        }
        const response = await client.response()
        client.destroy()
        assert.is(outcomeOf(response), '503 limits_unavailable')
        assert.is(headerOf(response, 'x-should-retry'), 'true')
        assert.match(response.body.toString(), /The rule .{1,2}mini/)
        // It only observes.
        assert.is(await ask(relay, chat('gpt-4o')), '200')
        if (silence !== null) return
        link.goOn()
        assert.is(await ask(relay), '200')
      },
      1,
    ))

test('a worker that dies gives back what it has taken at once', () =>
  withRelays(
    { places: { per: 'pool', concurrent: 1 } },
    step.hang(),
    async ({ relays, upstream, primary }) => {
      const [dying, other] = relays as [TestRelay, TestRelay]
      const client = await dying.client()
      client.send(posting(dying, chat()))
      await upstream.request(0)
      assert.is(await ask(other), LIMITED)
      dying.limits?.cut()
      await until(() => takenOf(primary.server.limiter.readAll()).places === 0, 'the place to be given back')
      const next = await other.client()
      next.send(posting(other, chat()))
      await upstream.request(1)
      client.destroy()
      next.destroy()
    },
    2,
  ))

test('what has ended at one worker is settled before a request is refused at another one', () =>
  withRelays({ tight: { per: 'pool', tokens: { day: 3_000 } } }, answers(10, 1), async ({ relays }) => {
    const outcomes: string[] = []
    for (let i = 0; i < 40; i++)
      outcomes.push(await ask(relays[i % RELAYS] as TestRelay, chat(MODEL, { max_tokens: 2_000 })))
    // Each is estimated at two thirds of the budget.
    assert.equal(count(outcomes), { 200: 40 })
  }))

test('the record of the request that brings a budget to a share says so, whichever worker has served it', () =>
  withRelays(
    { budget: { per: 'pool', tokens: { day: 100_000 } } },
    answers(20_000, 0),
    async ({ relays }) => {
      for (let i = 0; i < RELAYS; i++) assert.is(await ask(relays[i] as TestRelay), '200')
      const records = await Promise.all(relays.map((relay) => relay.records(1)))
      assert.equal(
        records.map(([record]) => record?.limit_reached ?? null),
        [null, null, 'budget tokens day 50%', 'budget tokens day 80%'],
      )
    },
  ))

test('the holder of a key is told what all workers have counted', () =>
  withRelays({ all: { per: 'pool', requestsPerMinute: 10 } }, answers(10, 1), async ({ relays }) => {
    for (const relay of relays) await ask(relay)
    const [relay] = relays as [TestRelay]
    const client = await relay.client()
    client.send(`GET /v1/key HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${relay.key}\r\n\r\n`)
    const { limits } = JSON.parse((await client.response()).body.toString()) as {
      limits: { amounts: { used: number }[] }[]
    }
    client.destroy()
    assert.is(limits[0]?.amounts[0]?.used, RELAYS)
    const { amounts } = (await relay.limits?.readFigures()) ?? { amounts: [] }
    assert.equal(
      [...amounts].map(({ rule, usedRatio }) => [rule, usedRatio]),
      [['all', RELAYS / 10]],
    )
  }))

test.run()
