import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket } from 'ws'
import { limitKeys } from '../../support/limit-keys.js'
import { startRelay } from '../../support/relay.js'
import { socketOrigin } from '../../support/tls-mode.js'
import { until } from '../../support/until.js'
import { type Accepted, Peer, SocketUpstream } from '../websocket/sockets.js'
import { OPEN, SECRET } from './rules.js'

/** Queries of a handshake that name a forbidden model, or hide one. */
const QUERIES = [
  `model=${SECRET}`,
  `model=${OPEN}&model=${SECRET}`,
  `model=${SECRET}&model=${OPEN}`,
  `m%6fdel=${SECRET}`,
  `m%256fdel=${SECRET}&model=${OPEN}`,
  `model[]=${SECRET}`,
  `model[0]=${OPEN}&model[1]=${SECRET}`,
  `MODEL=${SECRET}&model=${OPEN}`,
  `x=1;model=${SECRET}&model=${OPEN}`,
  `model=${OPEN}&deployment=${SECRET}`,
  `model=${OPEN}%00&model=${SECRET}`,
  `model`,
  `model=&Model=${SECRET}`,
]

const create = (fields: string): string => `{"type":"response.create",${fields}}`

/** Messages that ask for a forbidden model, or hide one. */
const MESSAGES = [
  create(`"model":"${SECRET}","input":"x"`),
  create(`"model":"${OPEN}","input":"x","model":"${SECRET}"`),
  create(`"model":"${SECRET}","input":"x","model":"${OPEN}"`),
  create(`"Model":"${SECRET}","input":"x","model":"${OPEN}"`),
  create(`"model":"${OPEN}","mod\\u0065l":"${SECRET}","input":"x"`),
  create(`"model":["${SECRET}"],"input":"x"`),
  create(`"model":"${OPEN}","response":{"model":"${SECRET}","input":"x"}`),
  create(`"response":{"model":"${OPEN}","Model":"${SECRET}"}`),
  `${create(`"model":"${OPEN}","input":"x"`)}${create(`"model":"${SECRET}","input":"x"`)}`,
]

/** No model is asked for in these, but by servers that read them in another way. */
const UNCLEAR = [
  `{"Type":"response.create","model":"${SECRET}","input":"x"}`,
  `{"type":"response.cancel","TYPE":"response.create","model":"${SECRET}","input":"x"}`,
  `{"type":"response.cancel","type":"response.create","model":"${SECRET}","input":"x"}`,
  `[{"type":"response.create","model":"${SECRET}","input":"x"}]`,
]

const SESSIONS = [
  ...UNCLEAR.slice(0, 2),
  `{"type":"session.update","session":{"model":"${SECRET}"}}`,
  `{"type":"session.update","session":{"model":"${OPEN}","model":"${SECRET}"}}`,
  `{"type":"session.update","session":{"audio":{"input":{"transcription":{"model":"${SECRET}"}}}}}`,
  create(`"response":{"Model":"${SECRET}"}`),
]

const RULES = [
  { name: 'a route for a model', settings: { routes: [{ model: 'open-*', upstream: 'up' }] }, models: null },
  { name: 'the models of the key', settings: { routes: [{ upstream: 'up' }] }, models: ['open-*'] },
  {
    name: 'an alias of another team',
    settings: {
      routes: [{ path: '/never', upstream: 'up' }],
      models: { [OPEN]: { upstream: 'up' }, [SECRET]: { upstream: 'up', team: 'other' } },
    },
    models: null,
  },
] as const

const SESSION_RULES = RULES.filter(({ models }) => models !== null)

interface Scene {
  readonly upstream: SocketUpstream
  dial(path: string): Peer
}

async function withSockets(
  { settings, models }: (typeof RULES)[number],
  act: (scene: Scene) => Promise<void>,
): Promise<void> {
  const upstream = new SocketUpstream()
  const relay = await startRelay({ up: { baseUrl: await upstream.start() } }, settings)
  limitKeys(relay, models)
  const peers: Peer[] = []
  try {
    await act({
      upstream,
      dial(path) {
        const socket = new WebSocket(`${socketOrigin(relay.port)}/v1${path}`, {
          headers: { authorization: `Bearer ${relay.key}` },
        })
        const peer = new Peer(socket)
        peers.push(peer)
        return peer
      },
    })
  } finally {
    for (const { socket } of peers) socket.terminate()
    await relay.close()
    upstream.close()
  }
}

/** What an upstream was asked for that it must not be. */
function findSecrets(accepted: readonly Accepted[]): string[] {
  return accepted.flatMap(({ target, peer }) =>
    [decodeURIComponent(target), ...peer.messages].filter((text) => text.includes(SECRET)),
  )
}

for (const rule of RULES) {
  test(`${rule.name}: no handshake reaches a forbidden model`, () =>
    withSockets(rule, async ({ upstream, dial }) => {
      for (const path of ['/realtime', '/responses', '/files']) {
        for (const query of QUERIES) {
          const peer = dial(`${path}?${query}`)
          await until(() => peer.refusal !== null || peer.socket.readyState === WebSocket.OPEN, query)
          if (query.includes(SECRET)) assert.ok(peer.refusal !== null, `${path}?${query}`)
          peer.socket.terminate()
        }
      }
      assert.equal(findSecrets(upstream.accepted), [])
      const allowed = dial(`/realtime?model=${OPEN}`)
      await allowed.opened()
      assert.is(upstream.accepted.at(-1)?.target, `/v1/realtime?model=${OPEN}`)
    }))

  test(`${rule.name}: no message reaches a forbidden model, as the first one or later`, () =>
    withSockets(rule, async ({ upstream, dial }) => {
      for (const message of [...MESSAGES, ...UNCLEAR]) {
        const first = dial('/responses')
        await first.opened()
        first.socket.send(message)
        await until(() => first.messages.length > 0 || first.socket.readyState === WebSocket.CLOSED, message)

        const later = dial('/responses')
        await later.opened()
        later.socket.send(create(`"model":"${OPEN}","input":"x"`))
        const count = upstream.accepted.length
        await until(() => upstream.accepted.at(-1)?.peer.messages.length === 1, `message at ${count}`)
        later.socket.send(message)
        await until(() => later.messages.length > 0 || later.socket.readyState === WebSocket.CLOSED, message)
        later.socket.terminate()
      }
      assert.equal(findSecrets(upstream.accepted), [])
      assert.ok(upstream.accepted.length >= MESSAGES.length)
    }))
}

for (const rule of RULES)
  test(`${rule.name}: no message names one model at its top, and another one for its session`, () =>
    withSockets(rule, async ({ upstream, dial }) => {
      const peer = dial(`/realtime?model=${OPEN}`)
      await peer.opened()
      for (const [i, type] of ['session.update', 'response.create'].entries()) {
        peer.socket.send(`{"type":"${type}","model":"${OPEN}","session":{"model":"${SECRET}"}}`)
        await peer.event(i)
      }
      assert.equal(findSecrets(upstream.accepted), [])
    }))

for (const rule of SESSION_RULES)
  test(`${rule.name}: no message of a Realtime session names another model`, () =>
    withSockets(rule, async ({ upstream, dial }) => {
      const peer = dial(`/realtime?model=${OPEN}`)
      await peer.opened()
      for (const [i, message] of SESSIONS.entries()) {
        peer.socket.send(message)
        await peer.event(i)
      }
      peer.socket.send('{"type":"session.update","session":{"voice":"x"}}')
      await until(() => upstream.accepted[0]?.peer.messages.length === 1, 'the message that is allowed')
      assert.equal(findSecrets(upstream.accepted), [])
    }))

test.run()
