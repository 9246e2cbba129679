import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { revokeKey } from '../../../src/access/keyring.js'
import type { TestRelay } from '../../support/relay.js'
import { startRelay } from '../../support/relay.js'
import { type Scene, withRelay } from '../../support/scene.js'
import { expectHedgesAfter, withTargets } from '../../support/targets.js'
import { gate, until } from '../../support/until.js'
import { CHUNKED, head, type Script, ScriptedUpstream, SSE, step, whole } from '../../support/upstream.js'
import { answers, chat, expectBooks, limitsOf, MODEL, outcomeOf, posting, takenOf } from './limit-scene.js'

const LIMITED = '429 rate_limit_exceeded'

/** One rule of each kind of amount; nothing of it is used up here. */
const ALL = limitsOf({
  pool: { requestsPerMinute: 1_000, tokensPerMinute: 1_000_000, concurrent: 50 },
  user: { per: 'user', usd: { hour: 50, day: 50, week: 50, month: 50 } },
  key: { per: 'key', match: { model: '*' }, tokens: { day: 1_000_000 }, usd: { month: 50 }, concurrent: 9 },
})

const taken = (relay: TestRelay): { places: number; held: number } => takenOf(relay.inspect().limits)

function delta(content: string): string {
  return `data: {"id":"c1","object":"chat.completion.chunk","model":"${MODEL}","choices":[{"index":0,"delta":{"content":"${content}"}}]}\n\n`
}

/** A stream that has begun, and says no more. */
const begins: Script = async (request) => {
  await request.write(head('200 OK', SSE, CHUNKED))
  await request.chunk(delta('Hello'))
  await request.chunk(delta(' there'))
}

const stream = chat(MODEL, { stream: true })

async function idle(relay: TestRelay): Promise<void> {
  await until(() => relay.inspect().openCount === 0, 'all requests to end')
}

for (const [way, script, act] of [
  [
    'the client leaves before the upstream responds',
    step.hang(),
    async ({ relay, upstream }: Scene, { destroy }: Client): Promise<void> => {
      await upstream.request(0)
      assert.is(taken(relay).places, 2)
      destroy()
    },
  ],
  [
    'the client leaves in the middle of a stream',
    begins,
    async (_: Scene, { sees, destroy }: Client): Promise<void> => {
      await sees(' there')
      destroy()
    },
  ],
  [
    'the client resets the connection in the middle of a stream',
    begins,
    async (_: Scene, { sees, reset }: Client): Promise<void> => {
      await sees(' there')
      reset()
    },
  ],
  [
    'the upstream is killed before it responds',
    step.reset(),
    async (_: Scene, { sees }: Client): Promise<void> => sees('HTTP/1.1 502'),
  ],
  [
    'the upstream is killed in the middle of a stream',
    begins,
    async ({ upstream }: Scene, { sees }: Client): Promise<void> => {
      await sees(' there')
      const request = await upstream.request(0)
      request.reset()
    },
  ],
  [
    'the upstream answers with an error',
    (request) =>
      request.write(whole('500 Error', '{"error":{"message":"no"}}', 'content-type: application/json')),
    async (_: Scene, { sees }: Client): Promise<void> => sees('HTTP/1.1 500'),
  ],
] as readonly (readonly [string, Script, (scene: Scene, client: Client) => Promise<void>])[]) {
  test(`nothing is held afterwards, and the counters are what the records say: ${way}`, () =>
    withRelay(
      script,
      async (scene) => {
        const { relay } = scene
        const client = await scene.client()
        client.send(posting(relay, stream))
        await act(scene, {
          sees: (part) => client.sees(part),
          destroy: () => client.destroy(),
          reset: () => client.reset(),
        })
        await idle(relay)
        await expectBooks(relay, 1)
      },
      ALL,
    ))
}

interface Client {
  sees(part: string): Promise<void>
  destroy(): void
  reset(): void
}

test('a client that leaves while its body is uploaded holds nothing, whether the upstream was asked or not', () =>
  withRelay(
    step.hang(),
    async (scene) => {
      const { relay } = scene
      const client = await scene.client()
      const body = chat(MODEL, { padding: 'x'.repeat(300_000) })
      const bytes = posting(relay, body)
      client.send(bytes.slice(0, bytes.length - 1_000))
      await until(() => taken(relay).places === 2, 'the upload to begin')
      client.destroy()
      await idle(relay)
      // Its model has not come yet: it was not checked.
      const early = await scene.client()
      early.send(bytes.slice(0, 200))
      await until(() => relay.inspect().openCount === 1, 'the request to arrive')
      assert.is(taken(relay).places, 0)
      early.destroy()
      await idle(relay)
      await expectBooks(relay, 2)
    },
    ALL,
  ))

test('a key that is revoked in the middle of a stream gives everything back', () =>
  withRelay(
    begins,
    async (scene) => {
      const { relay } = scene
      const client = await scene.client()
      client.send(posting(relay, stream))
      await client.sees(' there')
      assert.is(taken(relay).places, 2)
      revokeKey(relay.keyFile, relay.app.keyring?.list()[0]?.id ?? '')
      relay.app.reloadKeys()
      await idle(relay)
      await expectBooks(relay, 1)
    },
    { ...ALL, keys: { cutStreams: true } },
  ))

test('requests that are cut by a shutdown hold nothing, and are counted', () =>
  withRelay(
    begins,
    async (scene) => {
      const { relay } = scene
      const client = await scene.client()
      client.send(posting(relay, stream))
      await client.sees(' there')
      await relay.app.drain()
      relay.app.flush()
      await expectBooks(relay, 1)
    },
    { ...ALL, timeouts: { drainMs: 0 } },
  ))

test('a hit of the cache counts as a request without tokens; so does a request that joins another', () => {
  const { opened, open } = gate()
  const slow: Script = async (request) => {
    await opened
    await answers(100, 20)(request)
  }
  return withRelay(
    slow,
    async (scene) => {
      const { relay } = scene
      const ask = chat(MODEL, { temperature: 0 })
      const [first, joined] = [await scene.client(), await scene.client()]
      first.send(posting(relay, ask))
      await scene.upstream.request(0)
      joined.send(posting(relay, ask))
      // Where another process counts, it has the place before this one knows of it, and lets the request join.
      const hasJoined = () => relay.inspect().exchanges.some(({ cache }) => cache === 'joined')
      await until(() => taken(relay).places === 2 && hasJoined(), 'the second request to join')
      open()
      await Promise.all([first.response(), joined.response()])
      assert.is(outcomeOf(await scene.ask(posting(relay, ask))), '200')
      assert.is(scene.asked.length, 1)
      const records = await expectBooks(relay, 3)
      assert.equal(records.map(({ cache }) => cache).sort(), ['hit', 'joined', 'miss'])
      const tokens = relay.inspect().limits.find(({ budget }) => budget?.unit === 'tokens')
      assert.is(tokens?.used, 120)
      // Three requests were counted, and the rate allows no fourth one.
      assert.is(outcomeOf(await scene.ask(posting(relay, ask))), LIMITED)
    },
    {
      ...limitsOf({
        rate: { requestsPerMinute: 1, requestBurst: 3, concurrent: 9 },
        sums: { tokens: { day: 9_000 } },
      }),
      cache: { enabled: true, rules: [{ maxTemperature: 0 }] },
    },
  )
})

test('a refused request is refused also where the cache has its response', () =>
  withRelay(
    answers(10, 5),
    async (scene) => {
      const { relay } = scene
      const ask = posting(relay, chat(MODEL, { temperature: 0 }))
      assert.is(outcomeOf(await scene.ask(ask)), '200')
      assert.is(outcomeOf(await scene.ask(ask)), LIMITED)
      await expectBooks(relay, 2)
    },
    {
      ...limitsOf({ one: { requestsPerMinute: 1 } }),
      cache: { enabled: true, rules: [{ maxTemperature: 0 }] },
    },
  ))

test('a failover is one request', () =>
  withTargets(
    [(request) => request.write(whole('503 Busy', 'busy')), answers(30, 4)],
    async ({ relay }) => {
      const client = await relay.client()
      client.send(posting(relay, chat()))
      assert.is((await client.response()).status, 200)
      client.destroy()
      const [record] = await expectBooks(relay, 1)
      assert.is(record?.attempts, 2)
      const other = await relay.client()
      other.send(posting(relay, chat()))
      assert.is((await other.response()).status, 200)
      const third = await relay.client()
      third.send(posting(relay, chat()))
      assert.is(outcomeOf(await third.response()), LIMITED)
      other.destroy()
      third.destroy()
      await expectBooks(relay, 3)
    },
    { settings: limitsOf({ two: { requestsPerMinute: 1, requestBurst: 2 }, sums: { usd: { day: 5 } } }) },
  ))

test('a hedged request is one request', () =>
  withTargets(
    [step.hang(), answers(30, 4)],
    async ({ relay }) => {
      expectHedgesAfter(relay, 20)
      const client = await relay.client()
      client.send(posting(relay, chat()))
      assert.is((await client.response()).status, 200)
      client.destroy()
      const [record] = await expectBooks(relay, 1)
      assert.is(record?.attempts, 2)
      const tokens = relay.inspect().limits.find(({ budget }) => budget?.unit === 'tokens')
      assert.is(tokens?.used, 34)
    },
    {
      route: { hedge: true, failover: true },
      settings: limitsOf({ sums: { tokens: { day: 9_000 }, concurrent: 1 } }),
    },
  ))

for (const [name, path, settings] of [
  ['/cursor', '/cursor/v1/chat/completions', {}],
  ['a route that translates', '/v1/responses', { translate: true }],
] as const) {
  test(`a request by ${name} is checked, held and counted once`, () =>
    withRelay(
      answers(100, 20),
      async (scene) => {
        const { relay } = scene
        const body = path.endsWith('responses')
          ? JSON.stringify({ model: MODEL, input: 'Say hello.', max_output_tokens: 50 })
          : chat()
        assert.is(outcomeOf(await scene.ask(posting(relay, body, path))), '200')
        assert.is(outcomeOf(await scene.ask(posting(relay, body, path))), LIMITED)
        const [record] = await expectBooks(relay, 2)
        assert.is(record?.route, path)
        assert.is(scene.asked.length, 1)
      },
      {
        ...limitsOf({
          one: { match: { path }, requestsPerMinute: 1 },
          sums: { match: { path }, usd: { day: 5 }, tokens: { day: 9_000 } },
        }),
        ...('translate' in settings ? { routes: [{ upstream: 'up', translate: true }] } : {}),
      },
      'translate' in settings ? { apis: ['chat'] } : {},
    ))
}

test('a reload changes the rules for requests that come, keeps what is spent, and loses nothing of those in flight', async () => {
  const { opened, open } = gate()
  const slow: Script = async (request) => {
    await opened
    await answers(400, 100)(request)
  }
  const upstream = await ScriptedUpstream.start(slow)
  const rules = (tokens: number, more: object[] = []): object => ({
    limits: { rules: [{ name: 'sums', tokens: { day: tokens }, concurrent: 5 }, ...more] },
  })
  const entry = { up: { baseUrl: upstream.url, apiKey: { env: 'UPSTREAM_KEY' }, warm: false } }
  const relay = await startRelay(entry, { ...rules(1_000) }, undefined, 60_000)
  const reload = (settings: object): void => {
    const file = relay.config.file ?? ''
    const { listen } = JSON.parse(readFileSync(file, 'utf8')) as { listen: unknown }
    writeFileSync(file, JSON.stringify({ listen, upstreams: entry, ...settings }))
    relay.app.reload()
  }
  try {
    const ask = async (): Promise<string> => {
      const client = await relay.client()
      client.send(posting(relay, chat()))
      const response = await client.response()
      client.destroy()
      return outcomeOf(response)
    }
    const first = await relay.client()
    first.send(posting(relay, chat()))
    await upstream.request(0)
    reload(rules(2_000, [{ name: 'rate', requestsPerMinute: 1 }]))
    assert.is(taken(relay).places, 1)
    open()
    assert.is((await first.response()).status, 200)
    first.destroy()
    await expectBooks(relay, 1)
    assert.is(await ask(), '200')
    assert.is(await ask(), LIMITED)
    reload(rules(900))
    assert.is(await ask(), '429 budget_exceeded')
    reload(rules(5_000))
    assert.is(await ask(), '200')
    await expectBooks(relay, 5)
    const restarts = relay.lines.filter(({ msg }) => String(msg).includes('after a restart'))
    assert.equal(restarts, [])
  } finally {
    await relay.close()
    await upstream.close()
  }
})

for (const mode of ['off', 'passthrough'] as const) {
  test(`without keys (${mode}), rules about owners of keys match nothing, and the others work`, () =>
    withRelay(
      answers(10, 5),
      async (scene) => {
        const { relay } = scene
        const ask = async (): Promise<string> =>
          outcomeOf(
            await scene.ask(posting({ key: 'sk-own' }, chat()).replace('host: relay', 'host: 127.0.0.1')),
          )
        assert.equal([await ask(), await ask(), await ask()], ['200', '200', LIMITED])
        const counted = new Set(relay.inspect().limits.map(({ rule, owner }) => `${rule.name} ${owner}`))
        assert.equal([...counted].sort(), ['each -', 'sums '])
        await expectBooks(relay, 3)
      },
      {
        ...limitsOf({
          key: { match: { key: 'k_*' }, requestsPerMinute: 1 },
          team: { match: { team: '*' }, concurrent: 1 },
          user: { match: { user: '*' }, models: { deny: '*' } },
          env: { match: { env: '*' }, tokens: { day: 1 } },
          each: { per: 'key', requestsPerMinute: 1, requestBurst: 2 },
          sums: { usd: { day: 5 } },
        }),
        keys: { mode },
      },
    ))
}

test.run()
