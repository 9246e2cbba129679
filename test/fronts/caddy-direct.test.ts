import { readFileSync } from 'node:fs'
import { connect } from 'node:tls'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CADDY, writeCaddyList } from '../support/fronts/caddy.js'
import { caddyChat, inCaddyScene } from '../support/fronts/caddy-scene.js'
import { type FrontRequest, Http2Client, requestByHttp1 } from '../support/fronts/front-client.js'
import { DIRECT_CREDENTIAL } from '../support/fronts/provider.js'
import { until } from '../support/until.js'

if (CADDY === undefined) process.stderr.write('caddy is not there: its direct way is not tested\n')
const withCaddy = CADDY === undefined ? test.skip : test

withCaddy(
  'direct is for listed keys and paths alone, and takes no credential of a client along',
  async () => {
    await inCaddyScene({ relays: false }, async (scene) => {
      const { provider, key, caddy } = scene
      const client = new Http2Client()
      const ask = async (id: string, change: Partial<FrontRequest>): Promise<[number, string]> => {
        const wanted = { ...caddyChat(scene, id), ...change }
        const outcome = await (id.startsWith('h2') ? client.request(wanted) : requestByHttp1(wanted))
        assert.ok(outcome.isDirect, `${id}: ${outcome.status} ${outcome.body}`)
        return [outcome.status, outcome.code]
      }
      const json = { 'content-type': 'application/json' }
      const lower = { authorization: `bearer ${key}`, ...json }
      assert.equal(await ask('any case', { headers: lower }), [200, ''])
      assert.equal(await ask('h2', {}), [200, ''])
      assert.equal(await ask('cursor', { path: '/cursor/v1/chat/completions' }), [200, ''])
      assert.is(provider.arrivals.at(-1)?.path, '/v1/chat/completions')
      const refused = [
        {},
        { authorization: `Bearer ${key}x` },
        { authorization: `Basic ${key}` },
        { authorization: key },
        { 'x-api-key': key },
      ]
      for (const headers of refused)
        assert.equal(await ask('refused', { headers: { ...headers, ...json } }), [401, 'invalid_api_key'])
      const paths = [
        '/v1/files',
        '/v1/responses/resp_1',
        '/v1/chat/completions/',
        '/v1/chat/../files',
        '/v1/chat/completions/../../files',
        '/v1/chat/completions%2f..%2f..%2ffiles',
        '//v1/files',
        '/cursor/v1/files',
        '/cursor/v1/responses',
        '/cursor/cursor/v1/chat/completions',
        '/v1//chat/completions',
        '/v1/files/../chat/completions',
        '/v1/files/%2e%2e/chat/completions',
        '/v1/files%3f/../chat/completions',
        '/v1/fine_tuning/jobs%3F/../../chat/completions',
        '/v1/files%23/../chat/completions',
        '/v1/files%2f..%2fchat/completions',
        '/v1/files\\/../chat/completions',
        '/v1/chat/completions/x/..',
        '/v1/chat/completions/.',
        '/v1/chat%2fcompletions',
        '/v1/%63hat/completions',
        '/v1/chat/completions%3f',
        '/v1/chat/completions;x',
      ]
      for (const path of paths) assert.equal(await ask('path', { path }), [503, 'direct_not_possible'], path)
      assert.equal(await ask('get', { method: 'GET', path: '/v1/files' }), [503, 'direct_not_possible'])

      const smuggled = {
        cookie: 'a=b',
        'x-goog-api-key': key,
        'openai-organization': 'org-x',
        'x-thinwire-team': 't',
        'x-forwarded-for': '9.9.9.9',
        'x-api-key': key,
        'api-key': key,
        'xi-api-key': key,
      }
      const path = `/v1/chat/completions?key=${key}`
      assert.equal(await ask('headers', { path, headers: { ...lower, ...smuggled } }), [200, ''])
      const arrival = provider.arrivalsOf('headers')[0]
      assert.is(arrival?.headers.authorization, `Bearer ${DIRECT_CREDENTIAL}`)
      assert.is(arrival?.path, '/v1/chat/completions')
      for (const name of Object.keys(smuggled)) assert.is(arrival?.headers[name], undefined, name)
      assert.not.ok(JSON.stringify(arrival?.rawHeaders).includes(key))

      await until(() => caddy.log.length >= 16, 'the access log')
      assert.ok(
        JSON.stringify(caddy.log[0]).includes('"X-Thinwire-Direct-Key":["k_'),
        JSON.stringify(caddy.log[0]),
      )
      for (const secret of [key, DIRECT_CREDENTIAL]) {
        assert.not.ok(readFileSync(caddy.logFile, 'utf8').includes(secret))
        assert.not.ok(caddy.front.output.includes(secret))
      }

      // A revocation: on a connection from before it, too, and under an open stream.
      const events = { metadata: { pieces: '40', gap_ms: '50' }, stream: true }
      const stream = client.request(caddyChat(scene, 'h2 open', events))
      await until(() => provider.arrivalsOf('h2 open').length === 1, 'the stream')
      writeCaddyList(caddy.listFile, ['lc_a_b_other_1'])
      await caddy.reload()
      assert.equal(await ask('h2 revoked', {}), [401, 'invalid_api_key'])
      assert.is((await stream).ended, 'whole')
      client.close()
    })
  },
)

withCaddy(
  'a provider that refuses the operator’s key does not look like a wrong key of the client',
  async () => {
    await inCaddyScene({ relays: false }, async (scene) => {
      const ask = (refuse: string) => requestByHttp1(caddyChat(scene, 'no', { metadata: { refuse } }))
      const refused = await ask('401')
      assert.equal([refused.status, refused.code, refused.isDirect], [502, 'direct_refused', true])
      const busy = await ask('429')
      assert.equal([busy.status, busy.code, busy.isDirect], [429, 'refused_by_test', true])
    })
  },
)

withCaddy('a client whose body is wrong, or whose headers are too many, sends nobody direct', async () => {
  await inCaddyScene({}, async (scene) => {
    const { port, host, ca } = scene.caddy.target
    const start = ['POST /v1/chat/completions HTTP/1.1', `host: ${host}`, 'content-type: application/json']
    const many = Array.from({ length: 700 }, (_, n) => `x-many-${n}: ${'y'.repeat(1_000)}`)
    const texts = [
      [...start, 'transfer-encoding: chunked', '', 'zz', ''],
      [...start, ...many, 'content-length: 2', '', '{}'],
      [...start, 'content-length: 100000', 'expect: more', '', '{'],
    ].map((lines) => lines.join('\r\n'))
    // More than there are relays, so that each has some.
    for (let n = 0; n < 9; n++) {
      await new Promise<void>((resolve) => {
        const socket = connect({ port, host: '127.0.0.1', servername: host, ca, ALPNProtocols: ['http/1.1'] })
        socket.on('close', () => resolve())
        socket.on('error', () => {})
        socket.on('data', () => socket.destroy())
        socket.setTimeout(1_000, () => socket.destroy())
        socket.write(texts[n % texts.length] ?? '')
      })
      const outcome = await requestByHttp1(caddyChat(scene, `after ${n}`))
      assert.equal([outcome.ended, outcome.isDirect], ['whole', false], outcome.body)
    }
  })
})

withCaddy('a provider that has another name in its certificate gets nothing', async () => {
  await inCaddyScene({ relays: false, providerHost: 'api.example.com' }, async (scene) => {
    const outcome = await requestByHttp1(caddyChat(scene, 'mistaken'))
    assert.equal([outcome.status, outcome.isDirect], [503, true])
    assert.equal(scene.provider.arrivals, [])
  })
})

test.run()
