import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { until } from '../../support/until.js'
import { answer, codeOf, create, SocketUpstream, USAGE, withSockets } from './sockets.js'

const ALIAS = { models: { fast: { upstream: 'up', model: 'real-one' } } }

test('each response on a WebSocket is a record of its own, and so is the connection', () =>
  withSockets(async ({ relay, up, open, responses, connections }) => {
    const client = open()
    await client.opened()
    client.send(create('gpt-a'))
    const { peer, target } = await up.connection(0)
    assert.is(target, '/v1/responses')
    await peer.event(0)
    peer.send(...answer('r1', 'gpt-a-2026'))
    await client.event(3)
    client.send(create('gpt-b', { previous_response_id: 'r1' }))
    await peer.event(1)
    peer.send(...answer('r2', 'gpt-b-2026', { ...USAGE, output_tokens: 40 }))
    await client.event(7)
    client.socket.close(1000)
    const [connection] = await connections(1)
    const records = await responses(2)
    assert.equal(
      records.map(
        ({ model, upstream_model, end, status, prompt_tokens, cached_tokens, completion_tokens }) => [
          ...[model, upstream_model, end, status, prompt_tokens, cached_tokens, completion_tokens],
        ],
      ),
      [
        ['gpt-a', 'gpt-a-2026', 'done', 200, 120, 100, 12],
        ['gpt-b', 'gpt-b-2026', 'done', 200, 120, 100, 40],
      ],
    )
    for (const record of records) {
      assert.is(record.connection_id, connection?.id)
      assert.is(record.upstream, 'up')
      assert.is(record.usage_source, 'upstream')
      assert.is(record.route, '/v1/responses')
      assert.is(record.request_class, 'chat')
      assert.is(record.team, 'team1')
      assert.is(record.finish_reason, 'completed')
      assert.is(record.events, 4)
      assert.ok(
        Number(record.ttft_ms) >= 0 && Number(record.bytes_in) > 100 && Number(record.bytes_out) > 100,
      )
    }
    assert.equal(
      [
        connection?.end,
        connection?.status,
        connection?.prompt_tokens,
        connection?.usage_source,
        connection?.model,
      ],
      ['done', 101, null, 'none', null],
    )
    assert.is(connection?.request_class, 'other')
    assert.is(connection?.attempts, 1)
    assert.is((await relay.records(3)).length, 3)
  }))

test('messages pass byte for byte, and no extension is agreed on', () =>
  withSockets(async ({ up, open }) => {
    const client = open()
    await client.opened()
    const text = '{ "type" : "response.create",\n "model":"gpt-\\u0061", "input": "\u00fc\u{1f600}" }'
    client.socket.send(text)
    const { peer, headers } = await up.connection(0)
    await peer.event(0)
    assert.is(peer.messages[0], text)
    assert.is(headers['sec-websocket-extensions'], undefined)
    assert.is(client.socket.extensions, '')
    assert.is(headers.authorization, 'Bearer sk-upstream-secret')
    const answered = '{"type" : "response.completed"  , "x":"\u00fc"}'
    peer.socket.send(answered)
    await client.event(0)
    assert.is(client.messages[0], answered)
  }))

test('the model of the first message decides the route, and an alias becomes the name of its target', () =>
  withSockets(
    async ({ upstreams, open, responses }) => {
      const first = open()
      await first.opened()
      first.send(create('fast'))
      const other = (await upstreams.two?.connection(0))?.peer
      assert.is((await other?.event(0))?.model, 'real-one')
      assert.is(upstreams.one?.accepted.length, 0)
      const second = open()
      await second.opened()
      second.send(create('plain'))
      const plain = (await upstreams.one?.connection(0))?.peer
      assert.is((await plain?.event(0))?.model, 'plain')
      other?.send(...answer('r1', 'real-one'))
      plain?.send(...answer('r2', 'plain'))
      await first.event(3)
      await second.event(3)
      const records = await responses(2)
      assert.equal(
        records
          .map(({ model, upstream_model, upstream }) => [model, upstream_model, upstream].join(' '))
          .sort(),
        ['fast real-one two', 'plain plain one'],
      )
    },
    {
      models: { fast: { upstream: 'two', model: 'real-one' } },
      routes: [{ upstream: 'one' }],
    },
    { one: {}, two: {} },
  ))

test('an answer that names no model is billed by the name that its target has for it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-prices-'))
  const file = join(folder, 'prices.json')
  const rates = { input_cost_per_token: 1e-3, output_cost_per_token: 1e-2 }
  writeFileSync(file, JSON.stringify({ 'real-one': rates }))
  return withSockets(
    async ({ up, open, responses }) => {
      const client = open()
      await client.opened()
      const completed = {
        type: 'response.completed',
        response: { id: 'r', status: 'completed', usage: USAGE },
      }
      client.send(create('fast'))
      const { peer } = await up.connection(0)
      for (const n of [0, 1]) {
        await peer.event(n)
        peer.send(completed)
        await client.event(n)
        if (n === 0) client.send(create('fast'))
      }
      for (const record of await responses(2)) assert.is(record.cost_usd, 0.24)
    },
    { ...ALIAS, ledger: { prices: file } },
  ).finally(() => rmSync(folder, { recursive: true }))
})

test('only the model changes in a message that is renamed, and in later ones too', () =>
  withSockets(async ({ up, open }) => {
    const client = open()
    await client.opened()
    const text = (model: string): string => `{"input" : "x","model":"${model}" , "type":"response.create"}`
    client.socket.send(text('fast'))
    const { peer } = await up.connection(0)
    await peer.event(0)
    client.socket.send(text('fast'))
    client.socket.send(text('other'))
    await peer.event(2)
    assert.equal(peer.messages, [text('real-one'), text('real-one'), text('other')])
  }, ALIAS))

test('a nested model is read and renamed like one at the top', () =>
  withSockets(async ({ up, open }) => {
    const client = open()
    await client.opened()
    client.socket.send('{"type":"response.create","response":{"model":"fast","input":"x"}}')
    const { peer } = await up.connection(0)
    await peer.event(0)
    assert.is(peer.messages[0], '{"type":"response.create","response":{"model":"real-one","input":"x"}}')
  }, ALIAS))

test('a later model of another upstream is refused by an event, and the connection goes on', () =>
  withSockets(
    async ({ upstreams, open, responses }) => {
      const client = open()
      await client.opened()
      client.send(create('plain'))
      const peer = (await upstreams.one?.connection(0))?.peer
      peer?.send(...answer('r1', 'plain'))
      await client.event(3)
      client.send(create('elsewhere'))
      const error = await client.event(4)
      assert.equal([error.type, error.status, codeOf(error)], ['error', 404, 'no_route'])
      client.send(create('plain'))
      await peer?.event(1)
      assert.is(peer?.messages.length, 2)
      assert.is(upstreams.two?.accepted.length, 0)
      const records = await responses(2)
      assert.equal(
        records.map(({ model, end, error_code }) => [model, end, error_code]),
        [
          ['plain', 'done', null],
          ['elsewhere', 'refused', 'no_route'],
        ],
      )
    },
    { models: { elsewhere: { upstream: 'two' } }, routes: [{ upstream: 'one' }] },
    { one: {}, two: {} },
  ))

test("an error of the relay's waits for the end of a message that comes in fragments", () =>
  withSockets(
    async ({ upstreams, open }) => {
      const client = open()
      await client.opened()
      client.send(create('plain'))
      const peer = (await upstreams.one?.connection(0))?.peer
      await peer?.event(0)
      peer?.socket.send('{"type":"a",', { fin: false })
      client.send(create('elsewhere'))
      // What the upstream gets after it shows that the refusal has been decided.
      client.socket.ping('later')
      await until(() => peer?.pings.length === 1, 'the ping')
      peer?.socket.send('"b":1}', { fin: true })
      assert.equal(await client.event(0), { type: 'a', b: 1 })
      assert.is(codeOf(await client.event(1)), 'no_route')
    },
    { models: { elsewhere: { upstream: 'two' } }, routes: [{ upstream: 'one' }] },
    { one: {}, two: {} },
  ))

test('a model without a route is refused by an event and the close of the connection', () =>
  withSockets(
    async ({ up, open, responses, connections }) => {
      const client = open()
      await client.opened()
      client.send(create('gpt-a', { stream_id: 'lane-1' }))
      const error = await client.event(0)
      assert.equal([error.type, error.status, error.stream_id], ['error', 404, 'lane-1'])
      assert.equal(await client.closed(), { code: 1008, reason: 'no_route' })
      assert.is(up.accepted.length, 0)
      assert.is((await responses(1))[0]?.end, 'refused')
      assert.equal(
        [(await connections(1))[0]?.end, (await connections(1))[0]?.error_code],
        ['refused', 'no_route'],
      )
    },
    { routes: [{ model: 'gpt-b', upstream: 'up' }] },
  ))

test('a handshake goes to the next target when one cannot be reached or refuses it, and the target is blamed', () =>
  withSockets(
    async ({ relay, upstreams, open, responses, connections }) => {
      upstreams.dead?.close()
      const client = open()
      await client.opened()
      client.send(create('gpt-a'))
      const { peer } = await (upstreams.ok as SocketUpstream).connection(0)
      await peer.event(0)
      peer.send(...answer('r1', 'gpt-a'))
      await client.event(3)
      client.socket.close(1000)
      const [connection] = await connections(1)
      assert.is(connection?.failed_attempts, 'dead ECONNREFUSED, busy 503, none 426')
      assert.is(connection?.attempts, 4)
      assert.is(connection?.upstream, 'ok')
      assert.is((await responses(1))[0]?.upstream, 'ok')
      const route = relay.inspect().findRoute('/responses', 'gpt-a', 'team1')
      assert.equal(
        route?.targets.map(({ breaker }) => breaker.snapshot(performance.now()).failures),
        [1, 1, 0, 0],
      )
    },
    { routes: [{ targets: ['dead', 'busy', 'none', 'ok'].map((upstream) => ({ upstream })) }] },
    { dead: {}, busy: {}, none: {}, ok: {} },
    {
      busy: new SocketUpstream({ status: 503, body: '{}' }),
      none: new SocketUpstream({ status: 426, body: '{}' }),
    },
  ))

test("a refused handshake reaches a client that the relay has accepted as an event with the upstream's words", () =>
  withSockets(
    async ({ open, responses, connections }) => {
      const client = open()
      await client.opened()
      client.send(create('gpt-a'))
      const event = await client.event(0)
      assert.equal(event, {
        type: 'error',
        status: 429,
        error: { message: 'Slow down, ***.', type: 'requests', code: 'rate_limit_exceeded', param: null },
      })
      assert.equal(await client.closed(), { code: 1011, reason: 'upstream refused: 429' })
      const [response] = await responses(1)
      assert.equal(
        [response?.end, response?.status, response?.stream_error],
        ['done', 429, 'rate_limit_exceeded'],
      )
      assert.is((await connections(1))[0]?.end, 'upstream_failed')
    },
    {},
    { up: {} },
    {
      up: new SocketUpstream({
        status: 429,
        body: '{"error":{"message":"Slow down, sk-upstream-secret.","type":"requests","code":"rate_limit_exceeded","param":null}}',
      }),
    },
  ))

test('an upstream that cannot be reached is an error event and code 1011', () =>
  withSockets(async ({ up, open, responses, connections }) => {
    up.close()
    const client = open()
    await client.opened()
    client.send(create('gpt-a'))
    const event = await client.event(0)
    assert.equal([event.type, event.status], ['error', 502])
    assert.equal(await client.closed(), { code: 1011, reason: 'upstream_unreachable' })
    const [response] = await responses(1)
    assert.equal([response?.end, response?.error_code], ['upstream_failed', 'upstream_unreachable'])
    const [connection] = await connections(1)
    assert.equal([connection?.end, connection?.failed_attempts], ['upstream_failed', 'up ECONNREFUSED'])
  }))

test('responses of several lanes at one time are told apart', () =>
  withSockets(async ({ up, open, responses }) => {
    const client = open()
    await client.opened()
    client.send(create('m-a', { stream_id: 'a' }))
    const { peer } = await up.connection(0)
    client.send(create('m-b', { stream_id: 'b' }), create('m-0'))
    await peer.event(2)
    const lanes = [
      answer('r-b', 'm-b', { ...USAGE, output_tokens: 2 }, { stream_id: 'b' }),
      answer('r-0', 'm-0', { ...USAGE, output_tokens: 3 }),
      answer('r-a', 'm-a', { ...USAGE, output_tokens: 1 }, { stream_id: 'a' }),
    ]
    for (let i = 0; i < 4; i++) for (const lane of lanes) peer.send(lane[i] as object)
    await client.event(11)
    const records = await responses(3)
    assert.equal(
      records.map(({ model, upstream_model, completion_tokens, events }) => [
        ...[model, upstream_model, completion_tokens, events],
      ]),
      [
        ['m-b', 'm-b', 2, 4],
        ['m-0', 'm-0', 3, 4],
        ['m-a', 'm-a', 1, 4],
      ],
    )
  }))

test('an error event ends a response that has not begun, and not one that is followed by its end', () =>
  withSockets(async ({ up, open, responses }) => {
    const client = open()
    await client.opened()
    client.send(create('m'))
    const { peer } = await up.connection(0)
    await peer.event(0)
    const refusal = {
      code: 'previous_response_not_found',
      message: 'no',
      type: 'invalid_request_error',
      param: null,
    }
    peer.send({ type: 'error', status: 400, error: refusal })
    await client.event(0)
    assert.equal(
      (await responses(1)).map(({ end, status, stream_error }) => [end, status, stream_error]),
      [['done', 400, 'previous_response_not_found']],
    )
    client.send(create('m'))
    await peer.event(1)
    const [created = {}] = answer('r1', 'm')
    const failed = { id: 'r1', status: 'failed', model: 'm', usage: USAGE, error: { code: 'server_error' } }
    peer.send(created, { type: 'error', error: { code: 'server_error', message: 'x' } })
    peer.send({ type: 'response.failed', response: failed })
    await client.event(3)
    const [, second] = await responses(2)
    assert.equal([second?.stream_error, second?.prompt_tokens, second?.events], ['server_error', 120, 3])
  }))

for (const side of ['client', 'upstream'] as const)
  for (const way of ['terminate', 'close'] as const)
    test(`a connection that the ${side} leaves (${way}) within a response is no success, and its usage is estimated`, () =>
      withSockets(async ({ relay, up, open, responses, connections }) => {
        const client = open()
        await client.opened()
        client.send(create('gpt-a'))
        const { peer } = await up.connection(0)
        await peer.event(0)
        peer.send(...answer('r1', 'gpt-a', null))
        await client.event(2)
        const leaver = side === 'client' ? client : peer
        if (way === 'close') leaver.socket.close(1000)
        else leaver.socket.terminate()
        const end = side === 'client' ? 'client_gone' : 'upstream_cut'
        const [response] = await responses(1)
        const [connection] = await connections(1)
        assert.equal([response?.end, connection?.end], [end, end])
        assert.is(response?.usage_source, 'estimated')
        assert.ok(Number(response?.prompt_tokens) > 5 && Number(response?.completion_tokens) > 0)
        assert.is(connection?.usage_source, 'none')
        await until(() => relay.inspect().openCount === 0, 'the connection to be over')
        await (side === 'client' ? peer : client).closed()
      }))

test('close codes of both sides pass unchanged after a response', () =>
  withSockets(async ({ up, open, connections }) => {
    for (const [n, side] of (['client', 'upstream'] as const).entries()) {
      const client = open()
      await client.opened()
      client.send(create('gpt-a'))
      const { peer } = await up.connection(n)
      await peer.event(0)
      peer.send(...answer('r1', 'gpt-a'))
      await client.event(3)
      const [from, to] = side === 'client' ? [client, peer] : [peer, client]
      from.socket.close(4001, 'own words')
      assert.equal(await to.closed(), { code: 4001, reason: 'own words' })
      assert.is((await from.closed()).code, 4001)
    }
    assert.equal(
      (await connections(2)).map(({ end }) => end),
      ['done', 'done'],
    )
  }))

test('pings are answered before there is an upstream, and pass once there is one', () =>
  withSockets(async ({ up, open }) => {
    const client = open()
    await client.opened()
    client.socket.ping('early')
    await until(() => client.pongs.length === 1, 'the pong of the relay')
    assert.is(up.accepted.length, 0)
    client.send(create('gpt-a'))
    const { peer } = await up.connection(0)
    await peer.event(0)
    client.socket.ping('late')
    peer.socket.ping('from the upstream')
    await until(() => client.pongs.length === 2 && peer.pongs.length === 1, 'the pongs')
    assert.equal(
      [client.pongs, peer.pings, client.pings],
      [['early', 'late'], ['late'], ['from the upstream']],
    )
  }))

test('a connection that is opened ahead and not used is one record', () =>
  withSockets(async ({ relay, up, open, connections }) => {
    const client = open()
    await client.opened()
    client.socket.close(1000)
    assert.is((await client.closed()).code, 1000)
    const [connection] = await connections(1)
    assert.equal([connection?.end, connection?.status, connection?.upstream], ['done', 101, null])
    assert.is(up.accepted.length, 0)
    assert.is((await relay.records(1)).length, 1)
  }))

test('a subprotocol is agreed on, and a key in it stays at the relay', () =>
  withSockets(async ({ relay, up, open }) => {
    const client = open('/v1/responses', {
      protocols: [`openai-insecure-api-key.${relay.key}`, 'realtime'],
      key: 'none',
    })
    await client.opened()
    assert.is(client.socket.protocol, 'realtime')
    client.send(create('gpt-a'))
    const { headers } = await up.connection(0)
    assert.is(headers['sec-websocket-protocol'], 'realtime')
  }))

test.run()
