import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { until } from '../../support/until.js'
import { answer, create, withSockets } from './sockets.js'

test('ten thousand pings right behind the first message all reach the upstream, and their pongs the client', () =>
  withSockets(async ({ open, up }) => {
    const client = open()
    await client.opened()
    client.send(create('m'))
    for (let i = 0; i < 10_000; i++) client.socket.ping(String(i))
    const { peer } = await up.connection(0)
    await peer.event(0)
    await until(() => peer.pings.length === 10_000, 'the pings')
    await until(() => client.pongs.length === 10_000, 'the pongs')
    peer.send(...answer('r1', 'm'))
    await client.event(3)
    assert.is(client.pongs.at(-1), '9999')
  }))

test.run()
