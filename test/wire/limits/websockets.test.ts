import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { TestRelay } from '../../support/relay.js'
import { until } from '../../support/until.js'
import { answer, codeOf, create, type Peer, USAGE, withSockets } from '../websocket/sockets.js'
import { expectBooks, limitsOf, MODEL, takenOf } from './limit-scene.js'

const LIMITED = 'rate_limit_exceeded'

const places = (relay: TestRelay): number => takenOf(relay.inspect().limits).places

const messageOf = (event: Record<string, unknown>): string =>
  (event.error as { message?: string } | undefined)?.message ?? ''

/** Waits for an event of the client's that matches, and returns it. */
async function find(peer: Peer, type: string, n = 0): Promise<Record<string, unknown>> {
  const matching = (): Record<string, unknown>[] => peer.events.filter((event) => event.type === type)
  await until(() => matching().length > n, `event ${n} of ${type}`)
  return matching()[n] ?? {}
}

test('each response on a WebSocket counts: one above the rate gets an error event, and a record with the rule', () =>
  withSockets(
    async ({ relay, up, open, responses }) => {
      const peer = open()
      await peer.opened()
      peer.send(create(MODEL))
      const { peer: upstream } = await up.connection(0)
      await upstream.event(0)
      upstream.send(...answer('r1', MODEL))
      await find(peer, 'response.completed')
      peer.send(create(MODEL))
      const error = await find(peer, 'error')
      assert.is(codeOf(error), LIMITED)
      assert.is(error.status, 429)
      assert.is(upstream.messages.length, 1)
      peer.socket.terminate()
      const records = await responses(2)
      assert.equal(
        records.map(({ status, error_code, limit_rule }) => [status, error_code, limit_rule]),
        [
          [200, null, undefined],
          [null, LIMITED, 'one'],
        ],
      )
      await expectBooks(relay, 3)
    },
    limitsOf({ one: { requestsPerMinute: 1 }, sums: { usd: { day: 5 }, tokens: { day: 100_000 } } }),
  ))

test('a response on a WebSocket has a place until it ends; the connection itself has none', () =>
  withSockets(
    async ({ relay, up, open }) => {
      const peer = open()
      await peer.opened()
      assert.is(places(relay), 0)
      peer.send(create(MODEL))
      const { peer: upstream } = await up.connection(0)
      await upstream.event(0)
      assert.is(places(relay), 1)
      const other = open()
      await other.opened()
      other.send(create(MODEL))
      assert.is(codeOf(await find(other, 'error')), LIMITED)
      upstream.send(...answer('r1', MODEL))
      await find(peer, 'response.completed')
      await until(() => places(relay) === 0, 'the place to be given back')
      peer.send(create(MODEL))
      await upstream.event(1)
      assert.is(places(relay), 1)
      // The client leaves in the middle of it.
      peer.socket.terminate()
      other.socket.terminate()
      await until(() => relay.inspect().openCount === 0, 'the connections to end')
      await expectBooks(relay, 5)
    },
    limitsOf({ one: { concurrent: 1, usd: { month: 5 } } }),
  ))

test('connections on which nothing is under way hold nothing: the first response passes with any estimate', () =>
  withSockets(
    async ({ relay, up, open }) => {
      const path = `/v1/realtime?model=${MODEL}`
      const [peer, idle] = [open(path), open(path)]
      await peer.opened()
      await idle.opened()
      const { peer: upstream } = await up.connection(0)
      peer.send({ type: 'response.create' })
      await upstream.event(0)
      assert.ok(takenOf(relay.inspect().limits).held > 1)
      idle.send({ type: 'response.create' })
      assert.is(codeOf(await find(idle, 'error')), LIMITED)
      upstream.send({ type: 'response.created', response: { id: 'r1' } })
      upstream.send({ type: 'response.done', response: { id: 'r1', status: 'completed', usage: null } })
      await find(peer, 'response.done')
      peer.socket.terminate()
      idle.socket.terminate()
      await until(() => relay.inspect().openCount === 0, 'the connections to end')
      await expectBooks(relay, 4)
    },
    // Less than one response is estimated to take.
    limitsOf({ tight: { tokens: { day: 1 }, usd: { day: 0.000_000_001 } } }),
  ))

for (const [way, leave] of [
  ['the upstream dies', (_: Peer, upstream: Peer): void => upstream.socket.terminate()],
  ['the upstream closes', (_: Peer, upstream: Peer): void => upstream.socket.close(1011)],
  ['the client closes', (peer: Peer): void => peer.socket.close(1000)],
  ['the client dies', (peer: Peer): void => peer.socket.terminate()],
] as const) {
  test(`nothing is held of a response that was under way when ${way}, and what it used is counted`, () =>
    withSockets(
      async ({ relay, up, open }) => {
        const peer = open()
        await peer.opened()
        peer.send(create(MODEL))
        const { peer: upstream } = await up.connection(0)
        await upstream.event(0)
        upstream.send(...answer('r1', MODEL, null))
        await find(peer, 'response.output_text.delta', 1)
        assert.ok(takenOf(relay.inspect().limits).held > 0)
        leave(peer, upstream)
        await until(() => relay.inspect().openCount === 0, 'the connection to end')
        const records = await expectBooks(relay, 2)
        assert.ok(records.some(({ usage_source }) => usage_source === 'estimated'))
      },
      limitsOf({
        all: { concurrent: 3, usd: { day: 5 }, tokens: { week: 10_000 }, tokensPerMinute: 50_000 },
      }),
    ))
}

test('a Realtime connection is checked at its handshake, and each response that is asked for again', () =>
  withSockets(
    async ({ relay, up, open }) => {
      const path = `/v1/realtime?model=${MODEL}`
      const peer = open(path)
      await peer.opened()
      const { peer: upstream } = await up.connection(0)
      peer.send({ type: 'response.create' })
      await upstream.event(0)
      const response = { id: 'r1', status: 'completed', usage: USAGE }
      upstream.send({ type: 'response.created', response: { id: 'r1' } })
      await find(peer, 'response.created')
      upstream.send({ type: 'response.done', response })
      await find(peer, 'response.done')
      peer.send({ type: 'response.create', event_id: 'e2' })
      const error = await find(peer, 'error')
      assert.is(codeOf(error), LIMITED)
      assert.is((error.error as { event_id?: string }).event_id, 'e2')
      const refused = await open(path).refused()
      assert.is(refused.status, 429)
      assert.is((JSON.parse(refused.body) as { error: { code: string } }).error.code, LIMITED)
      assert.is(upstream.messages.length, 1)
      peer.socket.terminate()
      await expectBooks(relay, 4)
    },
    limitsOf({ two: { requestsPerMinute: 1, requestBurst: 2, concurrent: 1 }, sums: { usd: { day: 5 } } }),
  ))

test('a Realtime response that is asked for and never begins holds nothing', () =>
  withSockets(
    async ({ relay, up, open }) => {
      const peer = open(`/v1/realtime?model=${MODEL}`)
      await peer.opened()
      const { peer: upstream } = await up.connection(0)
      peer.send({ type: 'response.create' })
      await upstream.event(0)
      assert.is(places(relay), 1)
      upstream.send({ type: 'error', error: { type: 'invalid_request_error', message: 'no' } })
      await until(() => places(relay) === 0, 'the place to be given back')
      peer.send({ type: 'response.create' })
      await upstream.event(1)
      peer.socket.terminate()
      await until(() => relay.inspect().openCount === 0, 'the connection to end')
      await expectBooks(relay, 1)
    },
    limitsOf({ one: { concurrent: 1, usd: { day: 5 } } }),
  ))

test('a model that a rule denies is refused on a WebSocket, by the handshake and by each event', () =>
  withSockets(
    async ({ relay, up, open, responses, connections }) => {
      const named = /The rule "models" does not allow this model.*Ask platform@/
      const refused = await open('/v1/realtime?model=secret-1').refused()
      assert.is(refused.status, 403)
      assert.match((JSON.parse(refused.body) as { error: { message: string } }).error.message, named)
      const peer = open()
      await peer.opened()
      peer.send(create('secret-1'))
      const first = await find(peer, 'error')
      assert.is(codeOf(first), 'model_not_allowed')
      assert.match(messageOf(first), named)
      const other = open()
      await other.opened()
      other.send(create(MODEL))
      const { peer: upstream } = await up.connection(0)
      await upstream.event(0)
      other.send(create('Vendor/Secret-1'))
      const later = await find(other, 'error')
      assert.is(codeOf(later), 'model_not_allowed')
      assert.match(messageOf(later), named)
      assert.is(upstream.messages.length, 1)
      other.socket.terminate()
      peer.socket.terminate()
      await until(() => relay.inspect().openCount === 0, 'the connections to end')
      const barred = [...(await responses(3)), ...(await connections(3))].filter(
        ({ limit_rule }) => limit_rule === 'models',
      )
      assert.equal(
        barred.map(({ error_code }) => error_code),
        ['model_not_allowed', 'model_not_allowed', 'model_not_allowed'],
      )
      assert.equal(relay.inspect().refusals, [{ rule: 'models', kind: 'model', observed: false, count: 3 }])
    },
    limitsOf({
      models: { match: { team: 'team1' }, models: { deny: 'secret-*' }, message: 'Ask platform@.' },
    }),
  ))

/** Events of a session for `MODEL`, and whether a rule for `secret-*` lets them pass. */
const SESSION_EVENTS: readonly (readonly [event: object, passes: boolean])[] = [
  [{ type: 'session.update', session: { instructions: 'x' } }, true],
  [{ type: 'session.update', session: { model: MODEL } }, true],
  [{ type: 'session.update', session: { audio: { input: { transcription: { model: 'open-1' } } } } }, true],
  [{ type: 'session.update', session: { model: 'secret-1' } }, false],
  [
    { type: 'session.update', session: { audio: { input: { transcription: { model: 'secret-1' } } } } },
    false,
  ],
  [{ type: 'response.create', response: { model: 'secret-1' } }, false],
  [{ type: 'response.create' }, true],
]

test('a rule for some models sees those of a WebSocket, or refuses', () =>
  withSockets(
    async ({ relay, up, open }) => {
      // The handshake names no model.
      const refused = await open('/v1/realtime?intent=transcription').refused()
      assert.is(refused.status, 403)
      assert.match(refused.body, /The rule \\"secrets\\"/)
      const peer = open(`/v1/realtime?model=${MODEL}`)
      await peer.opened()
      const { peer: upstream } = await up.connection(0)
      let [passed, errors] = [0, 0]
      for (const [event, passes] of SESSION_EVENTS) {
        peer.send(event)
        if (passes) await upstream.event(passed++)
        else assert.match(messageOf(await find(peer, 'error', errors++)), /The rule "secrets"/)
        assert.is(upstream.messages.length, passed, JSON.stringify(event))
      }
      const other = open()
      await other.opened()
      other.send({ type: 'response.create', input: 'x' })
      assert.match(messageOf(await find(other, 'error')), /The rule "secrets"/)
      peer.socket.terminate()
      other.socket.terminate()
      await until(() => relay.inspect().openCount === 0, 'the connections to end')
      assert.is(up.accepted.length, 1)
    },
    limitsOf({ secrets: { match: { model: 'secret-*' }, tokens: { day: 100 } } }),
  ))

for (const [what, rule, code] of [
  ['a budget that is used up', { tokens: { day: 1 } }, 'insufficient_quota'],
  ['a rate that is used up', { requestsPerMinute: 1, requestBurst: 2 }, LIMITED],
] as const) {
  test(`a response that a Realtime upstream begins by itself under ${what} is the last of its connection`, () =>
    withSockets(
      async ({ relay, up, open, responses, connections }) => {
        const peer = open(`/v1/realtime?model=${MODEL}`)
        await peer.opened()
        const { peer: upstream } = await up.connection(0)
        for (const id of ['r1', 'r2']) {
          upstream.send({ type: 'response.created', response: { id } })
          upstream.send({ type: 'response.done', response: { id, status: 'completed', usage: USAGE } })
          await find(peer, 'response.done', id === 'r1' ? 0 : 1)
          if (id === 'r1') await responses(1)
        }
        const error = await find(peer, 'error')
        assert.is(codeOf(error), code)
        assert.match(messageOf(error), /The|the rule "little"/)
        assert.is((await peer.closed()).code, 1013)
        await upstream.closed()
        const [first, second] = await responses(2)
        assert.equal([first?.limit_rule, first?.status], [undefined, 200])
        assert.equal([second?.limit_rule, second?.status, second?.end], ['little', 200, 'done'])
        const [connection] = await connections(1)
        assert.is(connection?.end, 'refused')
        await expectBooks(relay, 3)
      },
      limitsOf({ little: rule }),
    ))
}

test.run()
