import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { auth } from '../../support/relay.js'
import { cold, type Running, withReloader } from '../../support/reloader.js'
import { until } from '../../support/until.js'
import { type Script, whole } from '../../support/upstream.js'

const BODY = '{"model":"m","prompt":"p","max_tokens":9}'

/** @returns the `x-thinwire-cache` of a completion, and its text */
async function complete({ relay }: Running): Promise<[string | undefined, string]> {
  const client = await relay.client()
  client.send(`POST /v1/completions HTTP/1.1\r\n${auth(relay)}content-length: ${BODY.length}\r\n\r\n${BODY}`)
  const response = await client.response()
  client.destroy()
  await until(() => relay.inspect().isIdle, 'the answer to be read')
  return [response.header('x-thinwire-cache'), JSON.parse(response.body.toString()).choices[0].text]
}

function completion(text: string): Buffer {
  return whole('200 OK', JSON.stringify({ choices: [{ text }] }), 'content-type: application/json')
}

const completes =
  (text: string): Script =>
  (request) =>
    request.write(completion(text))

function withCompletions(act: (running: Running) => Promise<void>): Promise<void> {
  return withReloader(completes('one'), act, completes('two'))
}

/** Responses are cached for longer than any test takes. */
const KEPT = { ttlMs: 600_000 }

test('cached responses survive a reload that does not change their upstreams and rules', async () => {
  await withCompletions(async (running) => {
    const { one, two, change } = running
    const upstreams = { one: cold(one) }
    change({ upstreams, cache: KEPT })
    assert.equal(await complete(running), ['miss', 'one'])
    change({ upstreams, cache: KEPT, listModels: 'all' })
    assert.equal(await complete(running), ['hit', 'one'])
    change({
      upstreams: { one: cold(one), two: cold(two) },
      models: { other: { upstream: 'two', model: 'n' } },
      routes: [{ targets: [{ upstream: 'one', weight: 2 }], strategy: 'weight' }],
      cache: KEPT,
    })
    assert.equal(await complete(running), ['hit', 'one'])
    assert.is(one.requests.length, 1)
  })
})

test('a request whose route changed gets no cached response of the old upstream', async () => {
  await withCompletions(async (running) => {
    const { one, two, change } = running
    const upstreams = { one: cold(one), two: cold(two) }
    change({ upstreams, cache: KEPT })
    assert.equal(await complete(running), ['miss', 'one'])
    change({ upstreams, cache: KEPT, routes: [{ upstream: 'two' }] })
    assert.equal(await complete(running), ['miss', 'two'])
  })
})

test('a reload that changes an upstream or the cache rules drops the cached responses', async () => {
  await withCompletions(async (running) => {
    const { one, two, change } = running
    change({ upstreams: { one: cold(one), two: cold(two) }, cache: KEPT })
    assert.equal(await complete(running), ['miss', 'one'])
    const other = { ...cold(one), headers: { x: '1' } }
    change({ upstreams: { one: other, two: cold(two) }, cache: KEPT })
    assert.equal(await complete(running), ['miss', 'one'])
    // The old responses do not come back when the upstream is removed and added again.
    change({ upstreams: { two: cold(two) }, cache: KEPT })
    const upstreams = { one: cold(two), two: cold(two) }
    change({ upstreams, cache: KEPT })
    assert.equal(await complete(running), ['miss', 'two'])
    assert.equal(await complete(running), ['hit', 'two'])
    change({ upstreams, cache: { ...KEPT, scope: 'team' } })
    assert.equal(await complete(running), ['miss', 'two'])
  })
})

test('equal requests before and after a reload still share one response', async () => {
  const script: Script = () => {}
  await withReloader(script, async (running) => {
    const { relay, one, change } = running
    change({ upstreams: { one: cold(one) }, cache: KEPT })
    const first = complete(running)
    const request = await one.request(0)
    change({ upstreams: { one: cold(one) }, cache: KEPT, listModels: 'all' })
    const second = complete(running)
    await until(() => relay.inspect().openCount === 2, 'the second to be there')
    await request.write(completion('shared'))
    assert.equal(await first, ['miss', 'shared'])
    assert.equal(await second, ['joined', 'shared'])
    assert.is(one.requests.length, 1)
  })
})

test('a reload does not fetch the model list of an unchanged upstream again', async () => {
  const lists =
    (model: string): Script =>
    (request) =>
      request.write(whole('200 OK', `{"object":"list","data":[{"id":"${model}"}]}`))
  await withReloader(lists('m1'), async ({ relay, one, two, change }) => {
    const list = async (): Promise<string[]> => {
      const response = await fetch(`${relay.url}/models`, {
        headers: { authorization: `Bearer ${relay.key}` },
      })
      const { data } = (await response.json()) as { data: { id: string }[] }
      return data.map(({ id }) => id)
    }
    const models = (name: string): Record<string, unknown> => ({ [name]: { upstream: 'one', model: 'm1' } })
    const upstreams = { one: cold(one) }
    change({ upstreams, listModels: 'all', models: models('fast') })
    assert.equal(await list(), ['fast', 'm1'])
    change({ upstreams: { ...upstreams, two: cold(two) }, listModels: 'all', models: models('faster') })
    assert.equal(await list(), ['faster', 'm1'])
    assert.is(one.requests.length, 1)
    change({
      upstreams: { one: { ...cold(one), headers: { x: '1' } } },
      listModels: 'all',
      models: models('f'),
    })
    assert.equal(await list(), ['f', 'm1'])
    assert.is(one.requests.length, 2)
  })
})

test.run()
