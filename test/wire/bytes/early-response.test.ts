import { createServer, type Socket } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { auth, startRelay } from '../../support/relay.js'
import { until } from '../../support/until.js'
import { whole } from '../../support/upstream.js'

test('a response that the upstream sends before it has read a large prompt reaches the client', async () => {
  const sockets = new Set<Socket>()
  const impatient = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.once('data', () => {
      socket.pause()
      socket.write(whole('413 Too Large', '{"error":"the upstream\'s own"}', 'connection: close'))
    })
  })
  await new Promise<void>((resolve) => impatient.listen(0, '127.0.0.1', resolve))
  const address = impatient.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const relay = await startRelay(`http://127.0.0.1:${port}/v1`)
  const client = await relay.client()
  const body = Buffer.alloc(16 * 1024 * 1024, 'x')
  client.send(`POST /v1/x HTTP/1.1\r\n${auth(relay)}content-length: ${body.length}\r\n\r\n`)
  client.send(body)
  const response = await client.response()
  assert.is(response.status, 413)
  assert.is(response.body.toString(), '{"error":"the upstream\'s own"}')
  const [line] = await relay.requests(1)
  assert.is(line?.end, 'done')
  await until(() => relay.inspect().openCount === 0, 'the exchange to be settled')
  for (const socket of sockets) socket.destroy()
  await relay.close()
  await new Promise<void>((resolve) => impatient.close(() => resolve()))
})

test.run()
