import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { RawClient } from '../../support/client.js'
import { OK, type Scene, withRelay } from '../../support/scene.js'
import { until } from '../../support/until.js'

const LIMITS = { limits: { connectionsPerAddress: 3 } }

async function openAll(scene: Scene, count: number): Promise<RawClient[]> {
  const clients: RawClient[] = []
  for (let i = 0; i < count; i++) {
    const client = await scene.client()
    client.send('GET /healthz HTTP/1.1\r\nhost: relay\r\n\r\n')
    await until(() => client.text.includes('ok') || client.ending !== null, 'an answer, or the end')
    clients.push(client)
  }
  return clients
}

const answered = (clients: readonly RawClient[]): number =>
  clients.filter(({ text }) => text.includes('"status":"ok"')).length

test('beyond limits.connectionsPerAddress a connection is closed at once, until another one has ended', () =>
  withRelay(
    OK,
    async (scene) => {
      const clients = await openAll(scene, 5)
      assert.is(answered(clients), 3)
      assert.is(scene.relay.inspect().boundsHit.connectionsPerAddress, 2)
      await until(
        () => scene.relay.lines.some(({ msg }) => String(msg).includes('limits.connectionsPerAddress')),
        'the line in the log',
      )
      for (const client of clients) client.destroy()
      let again: RawClient[] = []
      while (answered(again) === 0) again = await openAll(scene, 1)
    },
    LIMITS,
  ))

test('a trusted proxy may have any number of connections', () =>
  withRelay(
    OK,
    async (scene) => {
      assert.is(answered(await openAll(scene, 10)), 10)
      assert.equal(scene.relay.inspect().boundsHit, {})
    },
    { ...LIMITS, trustedProxies: ['127.0.0.1'] },
  ))

test.run()
