import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { auth, startRelay } from '../../support/relay.js'
import { until, wait } from '../../support/until.js'
import { head, type Received, ScriptedUpstream, SSE } from '../../support/upstream.js'

/** How a response without a length ends while the client is not reading. */
const ENDINGS: Array<[string, (request: Received) => void, 'done' | 'upstream_cut']> = [
  ['ends', (request) => request.end(), 'done'],
  ['is reset', (request) => request.reset(), 'upstream_cut'],
]

for (const [name, finish, end] of ENDINGS) {
  test(`a close-delimited response that ${name} while the client does not read is recorded as ${end}`, async () => {
    const piece = Buffer.alloc(16 * 1024, 'x')
    let sent = 0
    const upstream = await ScriptedUpstream.start((request) =>
      request.write(head('200 OK', SSE, 'connection: close')),
    )
    const relay = await startRelay(upstream.url, { limits: { clientBufferBytes: 1024 } })
    const client = await relay.client()
    client.socket.pause()
    client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
    const request = await upstream.request(0)
    const [exchange] = relay.inspect().exchanges
    if (exchange === undefined) throw new Error('no exchange')
    await until(() => exchange.phase === 'respond', 'the head')
    // Sends until the client's buffers are full, and waits each time until the relay has read the piece. So nothing is
    // unread when the response ends, and the end is the next event that the relay gets.
    do {
      sent += piece.length
      await request.write(piece)
      await until(() => exchange.bytesOut === sent, 'the piece to be taken')
      await wait(2)
    } while (!exchange.isUpstreamBlocked)
    finish(request)
    await wait(50)
    client.socket.resume()
    if (end === 'upstream_cut') await client.closed()
    const response = await client.response()
    assert.is(response.complete, end === 'done')
    assert.is(response.body.length, sent)
    const [line] = await relay.requests(1)
    assert.is(line?.end, end)
    client.destroy()
    await relay.close()
    await upstream.close()
  })
}

test('a reset behind a close-delimited response is a cut and not its end', async () => {
  const upstream = await ScriptedUpstream.start(async (request) => {
    await request.write(head('200 OK', SSE, 'connection: close'))
    await request.write('data: 1\n\n')
    await wait(20)
    request.reset()
  })
  const relay = await startRelay(upstream.url)
  const client = await relay.client()
  client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
  await client.closed()
  const response = await client.response()
  assert.is(response.complete, false)
  assert.is(response.body.toString(), 'data: 1\n\n')
  const [line] = await relay.requests(1)
  assert.is(line?.end, 'upstream_cut')
  await relay.close()
  await upstream.close()
})

test.run()
