import { pbkdf2 } from 'node:crypto'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { auth, post } from '../../support/relay.js'
import { withProviders } from '../../support/stored-scene.js'
import { until } from '../../support/until.js'

const RESPONSE = { model: 'm', input: 'hi' }

/** The first upstream comes first, but for a model that only the second one has, and for what has no model. */
const TWO = {
  routes: [
    {
      path: [
        ...['/conversations', '/threads', '/files', '/batches', '/vector_stores'],
        ...['/uploads', '/containers', '/evals'],
      ],
      upstream: 'b',
    },
    { targets: [{ upstream: 'a' }, { upstream: 'b' }], failover: true },
  ],
  models: { 'at-b': { upstream: 'b' } },
}

const AT_B = { model: 'at-b', input: 'hi' }
const CHAT_AT_B = { model: 'at-b', messages: [], store: true }

/** What is made at the second upstream, and how it is asked for. */
const LOOKS: readonly (readonly [make: string, body: unknown, look: string, lookBody?: unknown])[] = [
  ['/responses', AT_B, 'GET /responses/ID'],
  ['/responses', AT_B, 'GET /responses/ID/input_items'],
  ['/responses', AT_B, 'GET /responses/ID?stream=true&starting_after=1'],
  ['/responses', AT_B, 'DELETE /responses/ID'],
  ['/responses', AT_B, 'POST /responses/ID/cancel', {}],
  ['/responses', AT_B, 'POST /responses', { ...RESPONSE, previous_response_id: 'ID' }],
  ['/responses', { ...AT_B, stream: true }, 'POST /responses', { previous_response_id: 'ID', ...RESPONSE }],
  ['/conversations', AT_B, 'POST /responses', { ...RESPONSE, conversation: { id: 'ID' } }],
  ['/chat/completions', CHAT_AT_B, 'GET /chat/completions/ID'],
  ['/threads', AT_B, 'POST /threads/ID/runs', {}],
  ['/files', AT_B, 'POST /batches', { input_file_id: 'ID' }],
  ['/messages/batches', AT_B, 'GET /messages/batches/ID'],
  ['/messages/batches', AT_B, 'GET /messages/batches/ID/results'],
  ['/messages/batches', AT_B, 'POST /messages/batches/ID/cancel', {}],
  ['/messages/batches', AT_B, 'DELETE /messages/batches/ID'],
  ['/batches', AT_B, 'POST /batches/ID/cancel', {}],
  ['/files', AT_B, 'GET /files/ID'],
  ['/files', AT_B, 'GET /files/ID/content'],
  ['/files', AT_B, 'DELETE /files/ID'],
  ['/files', AT_B, 'POST /fine_tuning/jobs', { training_file: 'ID', model: 'm' }],
  ['/fine_tuning/jobs', AT_B, 'POST /fine_tuning/jobs/ID/cancel', {}],
  ['/fine_tuning/jobs', AT_B, 'GET /fine_tuning/jobs/ID/events'],
  ['/vector_stores', AT_B, 'POST /vector_stores/ID/search', { query: 'q' }],
  ['/vector_stores', AT_B, 'GET /vector_stores/ID/files'],
  ['/videos', AT_B, 'GET /videos/ID/content'],
  ['/videos', AT_B, 'POST /videos/ID/remix', {}],
  ['/uploads', AT_B, 'POST /uploads/ID/cancel', {}],
  ['/uploads', AT_B, 'POST /uploads/ID/complete', {}],
  ['/containers', AT_B, 'GET /containers/ID/files'],
  ['/evals', AT_B, 'GET /evals/ID/runs'],
  ['/conversations', AT_B, 'GET /conversations/ID/items'],
  ['/chat/completions', CHAT_AT_B, 'DELETE /chat/completions/ID'],
]

for (const [make, body, look, lookBody] of LOOKS)
  test(`${look} goes to the upstream where POST ${make} went: ${JSON.stringify(lookBody)}`, () =>
    withProviders(async ({ ask, first, second }) => {
      const made = await ask('POST', make, body)
      const [method = '', path = ''] = look.replace('ID', made.id).split(' ')
      const asked = JSON.stringify(lookBody)?.replace('ID', made.id)
      const got = await ask(method, path, asked === undefined ? undefined : JSON.parse(asked))
      assert.is(got.status, 200)
      assert.equal(first.asked, [])
      assert.equal(second.asked, [`POST ${make}`, `${method} ${path.replace(/\?.*/, '')}`])
    }, TWO))

test('an object that a failover has made is asked for where it was made', () =>
  withProviders(async ({ ask, first, second }) => {
    first.isDown = true
    const { id } = await ask('POST', '/responses', RESPONSE)
    first.isDown = false
    assert.is((await ask('GET', `/responses/${id}`)).status, 200)
    assert.equal(first.asked, ['POST /responses'])
    assert.equal(second.asked, ['POST /responses', `GET /responses/${id}`])
  }))

test('an object that was made by an alias is asked for at the upstream of the alias', () =>
  withProviders(
    async ({ ask, first, second }) => {
      const { id } = await ask('POST', '/responses', { ...RESPONSE, model: 'team-model' })
      assert.equal((await second.upstream.request(0)).body.toString(), '{"model":"real","input":"hi"}')
      assert.is((await ask('GET', `/responses/${id}`)).status, 200)
      const next = { model: 'team-model', input: 'more', previous_response_id: id }
      assert.is((await ask('POST', '/responses', next)).status, 200)
      assert.equal(first.asked, [])
      assert.is(second.asked.length, 3)
    },
    {
      routes: [{ targets: [{ upstream: 'a' }] }],
      models: { 'team-model': { upstream: 'b', model: 'real' } },
    },
  ))

test('a follow-up never goes to another upstream, even when its own is down', () =>
  withProviders(async ({ ask, first, second }) => {
    const { id } = await ask('POST', '/responses', RESPONSE)
    first.isDown = true
    assert.is((await ask('POST', '/responses', { ...RESPONSE, previous_response_id: id })).status, 503)
    assert.equal(second.asked, [])
  }))

test('a reference behind a prompt that is on its way already takes the request to where the object is', () =>
  withProviders(async ({ ask, relay, first, second }) => {
    const { id } = await ask('POST', '/responses', AT_B)
    const head = `{"model":"m","input":"${'x'.repeat(100_000)}",`
    const tail = `"previous_response_id":"${id}"}`
    const client = await relay.client()
    const length = head.length + tail.length
    client.send(`POST /v1/responses HTTP/1.1\r\n${auth(relay)}content-length: ${length}\r\n\r\n${head}`)
    await until(() => first.upstream.arriving.length > 50_000, 'the prompt to be on its way')
    client.send(tail)
    assert.is((await client.response()).status, 200)
    client.destroy()
    assert.equal(first.asked, [])
    assert.is(second.asked.length, 2)
    assert.is((await second.upstream.request(1)).body.toString(), head + tail)
  }, TWO))

test('an object whose compressed response is still being read is waited for', () =>
  withProviders(async ({ ask, relay, otherKey, first, second }) => {
    second.isCompressed = true
    // Decoding has to wait until these are done.
    const busy = Array.from(
      { length: 8 },
      () => new Promise((resolve) => pbkdf2('a', 'b', 200_000, 64, 'sha512', resolve)),
    )
    const made = await post(relay, '/v1/responses', JSON.stringify(AT_B))
    assert.is(made.status, 200)
    second.isCompressed = false
    const [id = ''] = second.kept.keys()
    const looks = [
      ask('GET', `/responses/${id}`),
      ask('POST', '/responses', { ...RESPONSE, previous_response_id: id }),
      ask('GET', `/responses/${id}`, undefined, otherKey),
    ]
    await Promise.all(busy)
    assert.equal(
      (await Promise.all(looks)).map(({ status }) => status),
      [200, 200, 404],
    )
    assert.equal(first.asked, [])
  }, TWO))

test('an unknown reference behind a prompt leaves the upload as it is', () =>
  withProviders(async ({ relay, first, second }) => {
    const head = `{"model":"m","input":"${'x'.repeat(100_000)}",`
    const tail = '"previous_response_id":"resp_elsewhere"}'
    const client = await relay.client()
    const length = head.length + tail.length
    client.send(`POST /v1/responses HTTP/1.1\r\n${auth(relay)}content-length: ${length}\r\n\r\n${head}`)
    await until(() => first.upstream.arriving.length > 50_000, 'the prompt to be on its way')
    client.send(tail)
    assert.is((await client.response()).status, 200)
    client.destroy()
    assert.is(first.upstream.connections, 1)
    assert.equal([first.asked.length, second.asked.length], [1, 0])
  }))

test.run()
