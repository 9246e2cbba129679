import { request } from 'node:http'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { TestRelay } from '../../support/relay.js'
import { withProviders } from '../../support/stored-scene.js'
import { answer, codeOf, create, type SocketUpstream, USAGE, withSockets } from '../websocket/sockets.js'

for (const [name, nest] of [
  ['at the top', (id: string) => create('m', { previous_response_id: id })],
  [
    'in response',
    (id: string) => ({ type: 'response.create', response: create('m', { previous_response_id: id }) }),
  ],
  ['of a conversation', (id: string) => create('m', { conversation: { id } })],
] as const)
  test(`to another team, a response that a WebSocket goes on from is not there: its id stands ${name}`, () =>
    withSockets(async ({ relay, up, open, responses }) => {
      const key = relay.addKey('other')
      const first = open()
      await first.opened()
      first.send(create('m', { store: true }))
      const maker = (await up.connection(0)).peer
      await maker.event(0)
      // The object is known as soon as its first event has passed.
      maker.send(...answer('resp_1', 'm-1').slice(0, 1))
      await first.event(0)

      const foreign = open('/v1/responses', { key })
      await foreign.opened()
      foreign.send(nest('resp_1'))
      const refused = await foreign.event(0)
      assert.match(JSON.stringify(refused), "'resp_1' not found")
      assert.is(up.accepted.length, 1)
      // The connection goes on, and later messages are looked at too.
      foreign.send(create('m'))
      const { peer } = await up.connection(1)
      await peer.event(0)
      peer.send(...answer('resp_2', 'm-1'))
      await foreign.event(4)
      foreign.send(nest('resp_1'), nest('resp_unknown'))
      assert.match(JSON.stringify(await foreign.event(5)), "'resp_1' not found")
      await peer.event(1)
      assert.match(peer.messages[1] ?? '', 'resp_unknown')
      assert.is(peer.messages.length, 2)

      // The team itself goes on from it.
      maker.send(...answer('resp_1', 'm-1').slice(1))
      await first.event(3)
      first.send(nest('resp_1'))
      await maker.event(1)
      const records = await responses(4)
      assert.equal(
        records.filter(({ end }) => end === 'refused').map(({ team, end }) => `${team} ${end}`),
        ['other refused', 'other refused'],
      )
    }))

test('the refusal of a previous response has the words and the field of the provider', () =>
  withSockets(async ({ relay, up, open }) => {
    const first = open()
    await first.opened()
    first.send(create('m', { store: true }))
    const { peer } = await up.connection(0)
    await peer.event(0)
    peer.send(...answer('resp_1', 'm-1'))
    await first.event(3)
    const foreign = open('/v1/responses', { key: relay.addKey('other') })
    await foreign.opened()
    foreign.send(create('m', { previous_response_id: 'resp_1' }))
    const event = await foreign.event(0)
    assert.is(event.status, 400)
    assert.is(codeOf(event), 'previous_response_not_found')
    assert.is((event.error as Record<string, unknown>).param, 'previous_response_id')
  }))

/** Makes the object `resp_1`. It is compressed and long: the relay reads it after the client has it, for a while. */
async function makeLong(relay: TestRelay, up: SocketUpstream): Promise<void> {
  const output = [{ type: 'message', content: [{ type: 'output_text', text: 'x'.repeat(30_000_000) }] }]
  up.object = { id: 'resp_1', object: 'response', status: 'completed', model: 'm-1', output, usage: USAGE }
  up.isGzipped = true
  await new Promise<void>((resolve, reject) => {
    const headers = { authorization: `Bearer ${relay.key}`, 'content-type': 'application/json' }
    const options = { port: relay.port, path: '/v1/responses', method: 'POST', headers }
    const asking = request(options, (res) => res.resume().on('end', resolve))
    asking.on('error', reject).end('{"model":"m","input":"hi","store":true}')
  })
}

test('a handshake does not show an object that is still being read to another team', () =>
  withSockets(async ({ relay, up, open }) => {
    const key = relay.addKey('other')
    await makeLong(relay, up)
    assert.is((await open('/v1/responses/resp_1?model=m', { key }).refused()).status, 404)
  }))

for (const isFirst of [true, false])
  test(`an event waits until a response is read that it goes on from: as the ${isFirst ? 'first' : 'second'} one`, () =>
    withSockets(async ({ relay, up, open }) => {
      const foreign = open('/v1/responses', { key: relay.addKey('other') })
      await foreign.opened()
      if (!isFirst) {
        foreign.send(create('m'))
        const { peer } = await up.connection(0)
        await peer.event(0)
        peer.send(...answer('resp_0', 'm-1'))
        await foreign.event(3)
      }
      const before = foreign.messages.length
      await makeLong(relay, up)
      foreign.send(
        create('m', { previous_response_id: 'resp_1' }),
        create('m', { previous_response_id: 'resp_2' }),
      )
      assert.match(JSON.stringify(await foreign.event(before)), "'resp_1' not found")
      // What came behind it passes then, in its order.
      const { peer } = await up.connection(0)
      await peer.event(isFirst ? 0 : 1)
      assert.match(peer.messages.at(-1) ?? '', 'resp_2')
      assert.not.match(peer.messages.join(), 'resp_1')
    }))

for (const store of [true, null, false])
  test(`the tokens of a response on a WebSocket are not recorded again when it is asked for by HTTP: store ${store}`, () =>
    withSockets(async ({ relay, up, open, responses }) => {
      const client = open()
      await client.opened()
      client.send(create('m', { store: store ?? undefined }))
      const { peer } = await up.connection(0)
      await peer.event(0)
      peer.send(...answer('resp_1', 'm-1'))
      await client.event(3)
      await responses(1)
      up.object = { id: 'resp_1', object: 'response', status: 'completed', model: 'm-1', usage: USAGE }
      const get = async (key: string): Promise<number> => {
        const headers = { authorization: `Bearer ${key}` }
        const response = await fetch(`${relay.url}/responses/resp_1`, { headers })
        await response.text()
        return response.status
      }
      assert.is(await get(relay.key), 200)
      assert.is(await get(relay.key), 200)
      // What is not stored has no owner: the provider does not have it.
      assert.is(await get(relay.addKey('other')), store === false ? 200 : 404)
      const records = await relay.records(4)
      assert.equal(
        records.map(({ prompt_tokens: prompt }) => prompt),
        [120, null, null, null],
      )
    }))

test('a connection that goes on from an object goes where that is', () =>
  withSockets(
    async ({ upstreams, open }) => {
      const first = open()
      await first.opened()
      first.send(create('second', { store: true }))
      const maker = (await upstreams.two?.connection(0))?.peer
      await maker?.event(0)
      maker?.send(...answer('resp_1', 'm-1'))
      await first.event(3)
      const next = open()
      await next.opened()
      next.send(create('m', { previous_response_id: 'resp_1' }))
      await (await upstreams.two?.connection(1))?.peer.event(0)
      assert.is(upstreams.one?.accepted.length, 0)
    },
    {
      models: { second: { upstream: 'two', model: 'm' } },
      routes: [{ targets: [{ upstream: 'one' }, { upstream: 'two' }], failover: true }],
    },
    { one: {}, two: {} },
  ))

test('a handshake does not show the object that its path names to another team, nor a list', () =>
  withProviders(
    async ({ relay, ask, otherKey, first, second }) => {
      const { id } = await ask('POST', '/responses', { model: 'm', input: 'hi' })
      const upgrade = (path: string, key: string): Promise<number> =>
        new Promise((resolve, reject) => {
          const headers = {
            authorization: `Bearer ${key}`,
            connection: 'Upgrade',
            upgrade: 'websocket',
            'sec-websocket-version': '13',
            'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
          }
          const asking = request({ port: relay.port, path: `/v1${path}`, headers }, (res) => {
            res.resume()
            res.on('end', () => resolve(res.statusCode ?? 0))
          })
          asking.on('error', reject)
          asking.end()
        })
      const asked = first.asked.length + second.asked.length
      assert.is(await upgrade(`/responses/${id}`, otherKey), 404)
      assert.is(await upgrade(`/responses/${id}?model=m`, otherKey), 404)
      assert.is(await upgrade('/files', relay.key), 403)
      assert.is(first.asked.length + second.asked.length, asked)
    },
    { stored: { lists: 'refuse' } },
  ))

test.run()
