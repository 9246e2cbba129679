import { Agent, request } from 'node:https'
import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type FrontRequest, Http2Client, requestByHttp1 } from '../support/fronts/front-client.js'
import { HAPROXY, HaproxyFront, writeList } from '../support/fronts/haproxy.js'
import { type HaproxyScene, haproxyChat, inHaproxyScene } from '../support/fronts/haproxy-scene.js'
import { DIRECT_CREDENTIAL } from '../support/fronts/provider.js'
import { echo, sendByUpgrade } from '../support/fronts/upgrade.js'
import { clear, open, type Place } from '../support/thinwire.js'
import { until } from '../support/until.js'
import { CHUNKED, head, ScriptedUpstream, SSE, whole } from '../support/upstream.js'

if (HAPROXY === undefined) process.stderr.write('haproxy is not there: its direct way is not tested\n')
const withHaproxy = HAPROXY === undefined ? test.skip : test

const NOW = Math.floor(Date.now() / 1_000)

withHaproxy(
  'direct is for listed keys, paths and models alone, and takes nothing of a client along',
  async () => {
    const list = (key: string) => [
      { key },
      { key: 'lc_a_b_expired_1', until: NOW - 5 },
      { key: 'lc_a_b_lasting_1', until: NOW + 3_600 },
    ]
    await inHaproxyScene({ relays: false, list: ({ key }) => list(key) }, async (scene) => {
      const { provider, key, haproxy } = scene
      const ask = async (id: string, change: Partial<FrontRequest>, body = {}): Promise<[number, string]> => {
        const outcome = await requestByHttp1({ ...haproxyChat(scene, id, body), ...change })
        assert.ok(outcome.isDirect, `${id}: ${outcome.status} ${outcome.body}`)
        return [outcome.status, outcome.code]
      }
      const json = { 'content-type': 'application/json' }
      const allowed: Array<[string, Record<string, string>]> = [
        ['any case', { authorization: `bEARER ${key}` }],
        ['x-api-key', { 'x-api-key': key }],
        ['api-key', { 'api-key': key }],
        ['not expired', { authorization: 'Bearer lc_a_b_lasting_1' }],
      ]
      for (const [id, headers] of allowed)
        assert.equal(await ask(id, { headers: { ...headers, ...json } }), [200, ''])
      const cursor = '/cursor/v1/chat/completions'
      assert.equal(await ask('cursor', { path: cursor }), [200, ''])
      assert.is(provider.arrivals.at(-1)?.path, '/v1/chat/completions')
      const refused: Array<[string, Record<string, string>]> = [
        ['no key', {}],
        ['wrong', { authorization: `Bearer ${key}x` }],
        ['expired', { authorization: 'Bearer lc_a_b_expired_1' }],
        ['basic', { authorization: `Basic ${key}` }],
        ['hash', { authorization: `Bearer ${key.toUpperCase()}` }],
      ]
      for (const [id, headers] of refused)
        assert.equal(await ask(id, { headers: { ...headers, ...json } }), [401, 'invalid_api_key'], id)
      const paths = [
        '/v1/files',
        '/v1/responses/resp_1',
        '/v1/organization/users',
        '/v1/chat/completions/',
        '/v1/models/../files',
        '/v1/%63hat/completions',
        '//v1/chat/completions',
        '/v1/chat/completions/../../files',
        '/v1/chat/completions;x',
        '/cursor/v1/models',
        '/cursor/v1/responses',
        '/cursor/cursor/v1/chat/completions',
      ]
      for (const path of paths) assert.equal(await ask(path, { path }), [503, 'direct_not_possible'], path)
      assert.equal(await ask('get', { method: 'GET', path: '/v1/files' }), [503, 'direct_not_possible'])
      const bodies = [
        { model: 'fast' },
        { model: 'claude-x' },
        { previous_response_id: 'resp_1' },
        { background: true },
      ]
      for (const body of bodies)
        assert.equal(await ask('body', {}, body), [503, 'direct_not_possible'], JSON.stringify(body))
      assert.equal(
        provider.arrivals.map(({ id }) => id),
        [...allowed.map(([id]) => id), 'cursor'],
      )

      const smuggled = {
        cookie: 'a=b',
        'x-goog-api-key': 'k',
        'openai-organization': 'org-x',
        'openai-project': 'p',
        'x-thinwire-team': 't',
        'x-forwarded-for': '9.9.9.9',
        'x-api-key': key,
        'xi-api-key': key,
        connection: 'authorization',
      }
      const path = `/v1/chat/completions?key=${key}`
      const { headers } = haproxyChat(scene, 'headers')
      assert.equal(await ask('headers', { path, headers: { ...headers, ...smuggled } }), [200, ''])
      const arrival = provider.arrivalsOf('headers')[0]
      assert.is(arrival?.headers.authorization, `Bearer ${DIRECT_CREDENTIAL}`)
      assert.is(arrival?.path, '/v1/chat/completions')
      const names = Object.keys(arrival?.headers ?? {}).sort()
      const known = ['authorization', 'connection', 'content-length', 'content-type', 'host']
      assert.equal(
        names.filter((name) => !known.includes(name)),
        [],
      )

      const long = { messages: [{ role: 'user', content: 'x'.repeat(400_000) }] }
      assert.equal(await ask('long', {}, long), [200, ''])
      assert.is(
        provider.arrivalsOf('long')[0]?.body.length,
        Buffer.byteLength(haproxyChat(scene, 'long', long).body ?? ''),
      )

      // A line of the log that is cut would be no record: neither a model nor a path can make it too long.
      const model = '\u0001'.repeat(12_000)
      assert.equal(await ask('long-model', {}, { model }), [200, ''])
      assert.equal(await ask('long-path', { path: `/v1/${'"'.repeat(9_000)}` }), [503, 'direct_not_possible'])

      // Also one each for: cursor, get, headers, long, long-model, long-path.
      const count = allowed.length + refused.length + paths.length + bodies.length + 6
      await until(() => haproxy.directLog.length === count, `${count} lines of the access log`)
      const line = haproxy.directLog[0] ?? {}
      assert.is(line.status, '200')
      assert.is(line.team, 'core')
      assert.is(line.path, '/v1/chat/completions')
      assert.ok(Number(line.time) > NOW && Number(line.duration) >= 0 && Number(line.first_byte) >= 0)
      for (const secret of [key, DIRECT_CREDENTIAL]) assert.not.ok(haproxy.front.output.includes(secret))
    })
  },
)

withHaproxy('where only some models may go direct, a body that may name another one does not', async () => {
  const models = '^fast$ gpt-5-mini\n^claude-[\\s\\S]*$ -\n^gpt-5$ =\n^[\\s\\S]*$ -\n'
  await inHaproxyScene({ relays: false, models }, async (scene) => {
    const { provider, key } = scene
    const ask = async (body: string | Buffer, more = {}): Promise<number> => {
      const headers = { authorization: `Bearer ${key}`, ...more }
      return (await requestByHttp1({ ...haproxyChat(scene, ''), headers, body })).status
    }
    const chunked = { 'transfer-encoding': 'chunked' }
    const allowed = [
      '{"model":"gpt-5"}',
      '{"text":"model \\u00e9 \\u000a \\\\u0041 \\"model\\": \\"x\\"","model":"gpt-5"}',
      `{"text":"${'x'.repeat(50_000)}","model":"gpt-5"}`,
    ]
    for (const body of allowed) {
      assert.is(await ask(body), 200, body.slice(0, 80))
      assert.is(await ask(body, chunked), 200, `chunked: ${body.slice(0, 80)}`)
    }
    assert.is(await ask('{"model":"gpt-5"}', { 'content-encoding': 'identity' }), 200)
    const list = { ...haproxyChat(scene, ''), method: 'GET', path: '/v1/models', body: '' }
    assert.is((await requestByHttp1(list)).status, 200)
    const before = provider.arrivals.length
    const refused = [
      '{}',
      '',
      '{"Model":"gpt-5"}',
      '{"model":null}',
      '{"model":["gpt-5"]}',
      '{"model":1}',
      '{"model":"gpt-6"}',
      '{"model":"gpt-5","model":"gpt-6"}',
      '{"model":"gpt-5","mod\\u0065l":"gpt-6"}',
      '{"model":"gpt-5","\\u006Dodel":"gpt-6"}',
      '{"model":"gpt-5","a":"\\\\","mod\\u0065l":"gpt-6"}',
      '{"mod\\u0065l":"gpt-6"}',
      '{"x":{"model":"gpt-5"},"model":"gpt-6"}',
      '\ufeff{"model":"gpt-6"}',
      Buffer.from('{"model":"gpt-6"}', 'utf16le'),
      'model=gpt-6',
      `{"text":"${'x'.repeat(200_000)}","model":"gpt-6"}`,
      `{"model":"gpt-5","text":"${'x'.repeat(200_000)}","model":"gpt-6"}`,
    ]
    const long = { 'x-long': 'y'.repeat(50_000) }
    for (const body of refused)
      for (const more of [{}, chunked, { ...chunked, ...long }]) {
        const status = await ask(body, more)
        // A client that still sends may miss the answer.
        if (body.length > 100_000) assert.is.not(status, 200)
        else assert.is(status, 503, body.slice(0, 80).toString())
      }
    assert.is(await ask(gzipSync('{"model":"gpt-6"}'), { 'content-encoding': 'gzip' }), 503)
    assert.is(await ask('{"model":"gpt-5","prompt":{"id":"pmpt_1"}}'), 503)
    assert.is(provider.arrivals.length, before)
  })
})

withHaproxy(
  'a key that is revoked is refused after the reload, on connections from before it, too',
  async () => {
    await inHaproxyScene({ relays: false }, async (scene) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 })
      const events = { metadata: { pieces: '100', gap_ms: '50' }, stream: true }
      const stream = requestByHttp1(haproxyChat(scene, 'open', events))
      assert.is(await askKept(scene, agent), 200)
      writeList(scene.haproxy.listFolder, [{ key: 'lc_a_b_other_1' }])
      const from = performance.now()
      scene.haproxy.front.reload()
      let status = 200
      await until(() => {
        void askKept(scene, agent).then((next) => {
          status = next
        })
        return status === 401
      }, 'the revoked key to be refused')
      process.stdout.write(`revoked ${(performance.now() - from).toFixed(0)} ms after the reload\n`)
      assert.is((await stream).ended, 'whole')
      agent.destroy()
    })
  },
)

function askKept({ haproxy, key }: HaproxyScene, agent: Agent): Promise<number> {
  const { port, host, ca } = haproxy.target
  const headers = { authorization: `Bearer ${key}` }
  const options = { host: '127.0.0.1', port, servername: host, ca, path: '/v1/models', headers, agent }
  return new Promise((resolve) => {
    const req = request(options, (res) => res.resume().on('end', () => resolve(res.statusCode ?? 0)))
    req.on('error', () => resolve(0)).end()
  })
}

withHaproxy(
  'a provider that refuses the operator’s key does not look like a wrong key of the client',
  async () => {
    await inHaproxyScene({ relays: false }, async (scene) => {
      const ask = (refuse: string) => requestByHttp1(haproxyChat(scene, 'no', { metadata: { refuse } }))
      const refused = await ask('401')
      assert.equal([refused.status, refused.code, refused.isDirect], [502, 'direct_refused', true])
      const busy = await ask('429')
      assert.equal([busy.status, busy.code, busy.isDirect], [429, 'refused_by_test', true])
    })
  },
)

withHaproxy('a provider that has another name in its certificate gets nothing', async () => {
  await inHaproxyScene({ relays: false, providerHost: 'api.example.com' }, async (scene) => {
    const outcome = await requestByHttp1(haproxyChat(scene, 'mistaken'))
    assert.equal([outcome.status, outcome.code, outcome.isDirect], [503, 'upstream_unreachable', true])
    assert.equal(scene.provider.arrivals, [])
  })
})

withHaproxy(
  'large heads and the real address pass, leaving is leaving, and a cut shows over HTTP/1.1 alone',
  async () => {
    const fields = Array.from({ length: 30 }, (_, i) => `x-long-${i}: ${'y'.repeat(2_000)}`)
    const relay = await ScriptedUpstream.start(async (asked) => {
      if (asked.target === '/readyz') return asked.write(whole('200 OK', 'ready'))
      if (asked.target === '/echo') return echo(asked)
      if (asked.target === '/hang') return asked.hang()
      if (asked.target === '/heads') return asked.write(whole('200 OK', '{"id":"heads"}', ...fields))
      await asked.write(head('200 OK', SSE, CHUNKED))
      await asked.chunk('data: 1\n\n')
      asked.reset()
    })
    const place = {} as Place
    open(place)
    const { folder } = place
    const options = { folder, relayPorts: [relay.port, relay.port], providerPort: 1, providerCa: '' }
    // With HTTP/2 as an operator might add it: the recipe says what happens then.
    const change = (recipe: string): string =>
      recipe
        .replace('alpn http/1.1 ', 'alpn h2,http/1.1 ')
        .replace(/ca-file \S+/, 'ca-file /etc/ssl/certs/ca-certificates.crt')
    const haproxy = await HaproxyFront.start({ ...options, change }, [])
    try {
      await until(() => relay.requests.length > 1, 'health checks')
      const headers = { 'x-forwarded-for': '9.9.9.9', forwarded: 'for=9.9.9.9' }
      const wanted = { ...haproxy.target, method: 'GET', headers }
      const heads = await requestByHttp1({ ...wanted, path: '/heads', id: 'heads' })
      assert.is(heads.ended, 'whole')
      assert.is(heads.headers['x-long-29'], 'y'.repeat(2_000))
      assert.is(await sendByUpgrade(haproxy.target, '/echo'), 'ping')
      const arrived = relay.requests.find(({ target }) => target === '/heads')
      assert.is(arrived?.header('x-forwarded-for'), '127.0.0.1')
      assert.is(arrived?.header('forwarded'), undefined)
      await requestByHttp1({ ...wanted, path: '/hang', patienceMs: 500 })
      await until(
        () => relay.requests.find(({ target }) => target === '/hang')?.closed === true,
        'the request to end',
      )
      const stream = { ...wanted, path: '/cut', stream: true }
      assert.is((await requestByHttp1(stream)).ended, 'cut')
      const client = new Http2Client()
      // If this fails, HAProxy shows cuts over HTTP/2: then the recipe can offer it.
      assert.is((await client.request(stream)).ended, 'false-whole')
      client.close()
    } finally {
      await haproxy.front.kill()
      await relay.close()
      await clear(place)
    }
  },
)

test.run()
