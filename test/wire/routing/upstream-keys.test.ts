import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Target } from '../../../src/routing/route.js'
import { ANSWER, refusing } from '../../support/failures.js'
import { auth, post, startRelay, type TestRelay } from '../../support/relay.js'
import { type Received, type Script, ScriptedUpstream, whole } from '../../support/upstream.js'
import { SocketUpstream } from '../websocket/sockets.js'

const ENV = { K1: 'sk-first-secret-key', K2: 'sk-second-secret-key', K3: 'sk-third-secret-key' }
const KEYS = [{ env: 'K1', name: 'main' }, { env: 'K2' }, { env: 'K3', weight: 0 }]

/** Number of the key that a request has, from 1. */
function keyOf(request: Received): number {
  const sent = `${request.header('authorization')} ${request.target}`
  return Object.values(ENV).findIndex((key) => sent.includes(key)) + 1
}

interface Scene {
  readonly relay: TestRelay
  /** Has several keys. */
  readonly a: ScriptedUpstream
  readonly b: ScriptedUpstream
  ask(path?: string, body?: string): ReturnType<typeof post>
}

/** @param script what `a` does, by the number of the key */
async function withKeys(
  script: (key: number) => Script,
  act: (scene: Scene) => Promise<void>,
  {
    entry = {},
    route = {},
    alone = false,
    settings = {},
  }: { entry?: object; route?: object; alone?: boolean; settings?: object } = {},
): Promise<void> {
  const a = await ScriptedUpstream.start((request) => script(keyOf(request))(request))
  const b = await ScriptedUpstream.start(ANSWER)
  const targets = alone ? [{ upstream: 'a' }] : [{ upstream: 'a' }, { upstream: 'b' }]
  const relay = await startRelay(
    { a: { baseUrl: a.url, keys: KEYS, ...entry }, b: { baseUrl: b.url } },
    { routes: [{ targets, ...route }], ...settings },
    ENV,
    // Read again only when a test says so.
    100_000,
  )
  const ask = (path = '/v1/chat/completions', body = '{"model":"m"}') => post(relay, path, body)
  try {
    await act({ relay, a, b, ask })
  } finally {
    await relay.close()
    await a.close()
    await b.close()
  }
}

function targetsOf(relay: TestRelay): readonly Target[] {
  return relay.inspect().findRoute('/chat/completions', 'm', null)?.targets ?? []
}

const keysUsed = ({ requests }: ScriptedUpstream): number[] => requests.map(keyOf)

for (const strategy of ['order', 'weight', 'latency'] as const)
  test(`the keys of an upstream take turns by weight, with the strategy ${strategy}`, async () => {
    await withKeys(
      () => ANSWER,
      async ({ a, ask }) => {
        for (let i = 0; i < 60; i++) assert.is((await ask()).status, 200)
        const used = keysUsed(a)
        for (const key of [1, 2]) assert.ok(used.filter((each) => each === key).length > 2, used.join(''))
        // Of weight 0.
        assert.not(used.includes(3))
      },
      { route: { strategy }, alone: strategy === 'latency' },
    )
  })

test('the weights of keys are their shares', async () => {
  await withKeys(
    () => ANSWER,
    async ({ a, ask }) => {
      for (let i = 0; i < 100; i++) await ask()
      const first = keysUsed(a).filter((key) => key === 1).length
      // 90 of 100, give or take six deviations of 3.
      assert.ok(first > 70 && first < 100, String(first))
    },
    {
      entry: {
        keys: [
          { env: 'K1', weight: 9 },
          { env: 'K2', weight: 1 },
        ],
      },
    },
  )
})

const SPENT: readonly (readonly [string, Script])[] = [
  ['refused', refusing('401 No', {})],
  ['out of credit', refusing('402 Pay', {})],
  ['at its limit', refusing('429 No', {}, 'retry-after: 20')],
  ['out of quota', refusing('429 No', { error: { code: 'insufficient_quota' } })],
  ['not allowed', refusing('403 No', {})],
]

for (const [name, script] of SPENT)
  test(`a key that is ${name} leads to the next key of the same upstream, for every request`, async () => {
    await withKeys(
      (key) => (key === 1 ? script : ANSWER),
      async ({ relay, a, b, ask }) => {
        for (const path of ['/v1/chat/completions', '/v1/images/generations', '/v1/files', '/v1/responses/r'])
          for (let i = 0; i < 4; i++) assert.is((await ask(path)).status, 200, path)
        assert.is(b.requests.length, 0)
        // It is left alone then; another model's target has a limit of its own.
        assert.is(keysUsed(a).filter((key) => key === 1).length, 1)
        const [first, second] = targetsOf(relay)
        const now = performance.now()
        assert.not(first?.credential.allows(now) && first.breaker.allows(now))
        assert.ok(second?.credential.allows(now) && second.breaker.allows(now))
        assert.is(first?.name, 'a#main')
      },
    )
  })

test('records, metrics and /readyz name a key by its name or place, and never show it', async () => {
  await withKeys(
    (key) => (key === 1 ? refusing('401 No', { error: { message: ENV.K1 } }) : ANSWER),
    async ({ relay, ask }) => {
      let n = 0
      do {
        n++
        await ask()
      } while (targetsOf(relay)[0]?.credential.refused === null)
      const record = (await relay.records(n))[n - 1]
      assert.is(record?.failed_attempts, 'a#main 401')
      assert.is(record?.upstream, 'a')
      assert.is(record?.upstream_key, '2')
      const client = await relay.client()
      client.send('GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n')
      const ready = (await client.response()).body.toString()
      client.destroy()
      assert.match(ready, /"refused":\["a#main \(credential\)"\]/)
      const warning = relay.lines.find(({ why }) => why === 'credential')
      assert.is(warning?.upstream, 'a#main')
      for (const text of [ready, JSON.stringify(relay.lines), JSON.stringify(record)])
        for (const key of Object.values(ENV)) assert.not(text.includes(key))
    },
  )
})

test('when all keys of an upstream are spent, another upstream is asked, and each key once', async () => {
  await withKeys(
    () => refusing('402 Pay', {}),
    async ({ a, b, ask }) => {
      assert.is((await ask()).status, 200)
      assert.equal(keysUsed(a).sort(), [1, 2, 3])
      assert.is(b.requests.length, 1)
      await ask()
      assert.is(a.requests.length, 3)
    },
  )
})

test('a host that fails is asked with another key only after the other upstreams, and never if it is not there', async () => {
  await withKeys(
    () => refusing('500 No', {}),
    async ({ a, b, ask }) => {
      assert.is((await ask()).status, 200)
      assert.is(a.requests.length, 1)
      assert.is(b.requests.length, 1)
    },
  )
  await withKeys(
    (key) => (key === 1 ? refusing('500 No', {}) : ANSWER),
    async ({ ask }) => {
      for (let i = 0; i < 6; i++) assert.is((await ask()).status, 200)
    },
    { alone: true },
  )
  await withKeys(
    () => (request) => request.end(),
    async ({ a, ask }) => {
      assert.is((await ask()).status, 502)
      assert.is(a.requests.length, 1)
    },
    { alone: true },
  )
})

test('all keys of an upstream share its connections, and a key in the URL takes turns as well', async () => {
  await withKeys(
    () => ANSWER,
    async ({ a, ask }) => {
      for (let i = 0; i < 20; i++) await ask()
      assert.is(a.connections, 1)
      assert.equal([...new Set(keysUsed(a))].sort(), [1, 2])
      for (const { target, headers } of a.requests) {
        assert.match(target, /\?key=sk-/)
        assert.not(JSON.stringify(headers).includes('sk-'))
      }
    },
    { entry: { auth: 'query' } },
  )
})

test('an error page that repeats any of the keys is redacted', async () => {
  await withKeys(
    () => refusing('400 No', { error: Object.values(ENV) }),
    async ({ ask }) => {
      const text = (await ask()).body.toString()
      for (const key of Object.values(ENV)) assert.not(text.includes(key))
    },
  )
})

test('the list of models is asked for with a key that is served', async () => {
  const list: Script = (request) =>
    request.write(whole('200 OK', '{"object":"list","data":[{"id":"m"}]}', 'content-type: application/json'))
  await withKeys(
    (key) => (key === 1 ? refusing('401 No', {}) : list),
    async ({ relay, a }) => {
      targetsOf(relay)[0]?.credential.refuse(performance.now(), 'credential', null)
      const client = await relay.client()
      client.send(`GET /v1/models HTTP/1.1\r\n${auth(relay)}\r\n`)
      const response = await client.response()
      client.destroy()
      assert.match(response.body.toString(), /"id":"m"/)
      assert.equal(keysUsed(a), [2])
    },
  )
})

test('the health of keys stays when the config changes elsewhere', async () => {
  await withKeys(
    (key) => (key === 1 ? refusing('401 No', {}) : ANSWER),
    async ({ relay, a, ask }) => {
      while (targetsOf(relay)[0]?.credential.refused === null) await ask()
      const before = a.requests.length
      const [first] = targetsOf(relay)
      const file = String(relay.config.file)
      writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), listModels: 'all' }))
      relay.app.reload()
      const [after] = targetsOf(relay)
      assert.ok(after !== first && after?.credential === first?.credential)
      for (let i = 0; i < 10; i++) await ask()
      assert.equal([...new Set(keysUsed(a).slice(before))], [2])
    },
  )
})

test('a WebSocket that one key is refused for is opened with another', async () => {
  const up = new SocketUpstream()
  const url = await up.start()
  const refuser = await ScriptedUpstream.start(refusing('401 No', {}))
  const relay = await startRelay(
    { a: { baseUrl: refuser.url, keys: KEYS, websockets: true }, b: { baseUrl: url, websockets: true } },
    { routes: [{ targets: [{ upstream: 'a' }, { upstream: 'b' }] }] },
    ENV,
  )
  try {
    const client = await relay.client()
    client.send(
      `GET /v1/realtime?model=m HTTP/1.1\r\n${auth(relay)}connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`,
    )
    await client.until((it) => it.bytes.includes('101 Switching'), 'the upgrade')
    assert.equal(keysUsed(refuser).sort(), [1, 2, 3])
    client.destroy()
  } finally {
    await relay.close()
    up.close()
    await refuser.close()
  }
})

test.run()
