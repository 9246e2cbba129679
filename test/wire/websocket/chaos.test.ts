import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { randomFrom, SEED } from '../../support/random.js'
import { until, wait } from '../../support/until.js'
import { answer, create, type Peer, withSockets } from './sockets.js'

/** Connections at one time: with all their responses they are as many as a key may have. */
const AT_ONCE = 16
const ROUNDS = 5
const CONNECTIONS = ROUNDS * AT_ONCE
/** As many as a connection may have open. */
const PLACES = 64

test('whatever clients and upstreams do, each response that was sent is one record, and nothing is kept', () =>
  withSockets(
    async ({ relay, up, open, connections }) => {
      const random = randomFrom(SEED)
      const pick = <T>(...values: T[]): T => values[Math.floor(random() * values.length)] as T
      const sent = new Set<string>()

      /** Answers what comes, in some way. */
      const serve = async (peer: Peer): Promise<void> => {
        for (let n = 0; ; n++) {
          await until(() => peer.messages.length > n || peer.socket.readyState > 1, 'a message or the end')
          const { model } = peer.events[n] ?? {}
          if (typeof model !== 'string') return
          sent.add(model)
          const events = answer(`r-${model}`, model, pick(null, {}, { input_tokens: 1, output_tokens: 2 }))
          for (const event of events.slice(0, pick(0, 1, 3, 4, 4, 4))) {
            peer.send(event)
            if (random() < 0.3) await wait(1)
          }
          if (random() < 0.15) peer.send({ type: 'error', status: 400, error: { code: 'x' } })
          if (random() < 0.1) peer.socket.ping('x')
          const end = pick('terminate', 'close', 'go on', 'go on', 'go on', 'go on')
          if (end === 'terminate') peer.socket.terminate()
          if (end === 'close') peer.socket.close(1000)
          if (end !== 'go on') return
        }
      }

      const lead = async (n: number): Promise<void> => {
        const client = open()
        await client.opened()
        for (let i = 0; i < 4 && client.socket.readyState === 1; i++) {
          client.send(create(`m-${n}-${i}`, pick({}, { stream_id: 'a' }, { input: 'x'.repeat(3_000) })))
          await wait(pick(0, 0, 2, 6))
          if (random() < 0.1) client.socket.ping('y')
        }
        const end = pick('terminate', 'close', 'wait')
        if (end === 'wait') await wait(20)
        if (end === 'terminate') client.socket.terminate()
        else client.socket.close(1000)
        await client.closed()
      }

      let served = 0
      const serving: Promise<void>[] = []
      const timer = setInterval(() => {
        for (const { peer } of up.accepted.slice(served)) {
          served++
          serving.push(serve(peer))
        }
      }, 1)
      for (let round = 0; round < ROUNDS; round++) {
        await Promise.all(Array.from({ length: AT_ONCE }, (_, n) => lead(round * AT_ONCE + n)))
        await until(() => relay.inspect().openCount === 0, 'all connections to be over')
      }
      clearInterval(timer)
      await Promise.all(serving)
      const all = await connections(CONNECTIONS)
      assert.is(all.length, CONNECTIONS)
      const records = await relay.records(CONNECTIONS + sent.size)
      for (const model of sent)
        assert.is(records.filter((record) => record.model === model).length, 1, `the records of ${model}`)
      assert.ok(sent.size > CONNECTIONS, 'few responses were asked for')
      const { upstreams, bufferedBytes } = relay.inspect()
      assert.is(bufferedBytes, 0)
      const route = relay.inspect().findRoute('/responses', 'm', 'team1')
      assert.is(route?.targets[0]?.breaker.inFlight, 0)
      assert.equal(
        upstreams.map(({ inFlight }) => inFlight),
        [0],
      )
      // The places of the key were given back too: all of them can be taken.
      const last = open()
      await last.opened()
      for (let i = 0; i < PLACES; i++) last.send(create(`last-${i}`, { stream_id: `${i}` }))
      const { peer } = await up.connection(up.accepted.length)
      await peer.event(PLACES - 1)
      last.send(create('one-too-many', { stream_id: 'x' }))
      assert.is((await last.event(0)).status, 429)
    },
    { limits: { maxConcurrentRequestsPerKey: PLACES } },
  ))

test.run()
