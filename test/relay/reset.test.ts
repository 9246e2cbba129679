import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { resetSocket } from '../../src/relay/reset.js'
import { EndingWatch } from '../support/client.js'
import { until } from '../support/until.js'

/** Applies `act` to one side of a connection. @returns how the other side sees the end */
async function ending(act: (socket: Socket) => void): Promise<{ seen: string | null; closed: boolean }> {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1')
  client.resume()
  const watch = new EndingWatch(client)
  const [socket] = (await once(server, 'connection')) as [Socket]
  const own = new EndingWatch(socket)
  act(socket)
  await until(() => own.closed && watch.closed, 'both sides to be closed')
  server.close()
  return { seen: watch.ending, closed: own.closed }
}

test('resetSocket resets an open connection', async () => {
  assert.is((await ending((socket) => resetSocket(socket))).seen, 'reset')
})

test('resetSocket closes a connection that is already ending', async () => {
  const { closed } = await ending((socket) => {
    socket.write('x', () => {
      socket.end()
      process.nextTick(() => process.nextTick(() => resetSocket(socket)))
    })
  })
  assert.ok(closed)
})

test('resetSocket accepts a missing socket', () => {
  resetSocket(null)
})

test.run()
