import { connect } from 'node:tls'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket, WebSocketServer } from 'ws'
import { Http2Client, requestByHttp1 } from '../support/fronts/front-client.js'
import { HAS_NGINX } from '../support/fronts/nginx.js'
import { chat, inNginxScene, type NginxScene, openNginxScene } from '../support/fronts/nginx-scene.js'
import { until } from '../support/until.js'
import { CHUNKED, head, ScriptedUpstream, SSE, whole } from '../support/upstream.js'

const test = suite<{ scene: NginxScene; close: () => Promise<void> }>('nginx')
if (!HAS_NGINX) process.stderr.write('nginx or njs is not there: its recipe is not tested\n')
const withNginx = HAS_NGINX ? test : test.skip

test.before(async (context) => {
  if (HAS_NGINX) Object.assign(context, await openNginxScene({}))
})

test.after(async ({ close }) => {
  await close?.()
})

withNginx('HTTP/1.1 and HTTP/2 reach the relays, and both relays take their part', async ({ scene }) => {
  const client = new Http2Client()
  try {
    for (let n = 0; n < 6; n++) {
      assert.is((await requestByHttp1(chat(scene, `one${n}`))).ended, 'whole')
      assert.is((await client.request(chat(scene, `two${n}`, { stream: true }))).ended, 'whole')
    }
  } finally {
    client.close()
  }
  assert.ok(scene.provider.arrivals.filter(({ id }) => id !== '').every(({ way }) => way === 'relay'))
  for (const relay of scene.set.relays)
    await until(() => relay.current.requests.some(({ end }) => end === 'done'), 'requests at both relays')
})

withNginx('the relay sees the address of the client, whatever the client says of it', async ({ scene }) => {
  const count = (): number => scene.set.relays.flatMap(({ current }) => current.requests).length
  const before = count()
  const request = chat(scene, 'address')
  const outcome = await requestByHttp1({
    ...request,
    headers: {
      ...request.headers,
      'x-forwarded-for': '8.8.8.8',
      'x-real-ip': '8.8.8.8',
      forwarded: 'for=8.8.8.8',
      'x-thinwire-direct': '1',
    },
  })
  assert.is(outcome.ended, 'whole')
  assert.not.ok(outcome.isDirect)
  await until(() => count() > before, 'a line of the request')
  assert.not.match(scene.set.relays.map(({ current }) => current.out).join(''), /8\.8\.8\.8/)
  const [arrival] = scene.provider.arrivalsOf('address')
  assert.not.match(arrival?.rawHeaders.join('\n') ?? '', /8\.8\.8\.8/)
})

withNginx('a request that a client breaks off ends at the provider, too', async ({ scene }) => {
  const { host, port, ca, body } = {
    body: '',
    ...chat(scene, 'left', { stream: true, metadata: { pieces: '500', gap_ms: '20' } }),
  }
  const socket = connect({ port, host: '127.0.0.1', servername: host, ca })
  let text = ''
  socket.on('data', (piece: Buffer) => {
    text += piece.toString()
  })
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: ${host}\r\nauthorization: Bearer ${scene.key}\r\ncontent-type: application/json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
  )
  // Piece by piece: the first ones come long before the last.
  await until(() => text.includes('piece 1 of left'), 'the second piece')
  assert.not.ok(text.includes('[DONE]'))
  socket.destroy()
  const ends = (): unknown[] =>
    scene.set.relays.flatMap(({ current }) => current.requests.map(({ end }) => end))
  await until(() => ends().some((end) => end !== 'done'), 'the relay to note that the client has left')
  assert.is(scene.provider.arrivalsOf('left')[0]?.answered, false)
})

withNginx('what the relays do not take alone is refused by them, not by the front', async ({ scene }) => {
  const wrong = await requestByHttp1({
    ...chat(scene, 'w'),
    headers: { authorization: 'Bearer lc_a_b_c_wrong' },
  })
  assert.is(wrong.status, 401)
  assert.not.ok(wrong.isDirect)
  const ready = await requestByHttp1({ ...scene.nginx.target, method: 'GET', path: '/readyz' })
  assert.is(ready.status, 200)
  assert.match(ready.body, /"status":"ready"/)
})

withNginx('a response head of 60 KB passes, a request head of 50 KB, and a WebSocket', async () => {
  const fields = Array.from({ length: 30 }, (_, i) => `x-long-${i}: ${'y'.repeat(2_000)}`)
  const upstream = await ScriptedUpstream.start(async (request) => {
    if (request.target === '/v1/whole') return request.write(whole('200 OK', '{"fine":1}', ...fields))
    await request.write(head('200 OK', SSE, CHUNKED, ...fields))
    await request.chunk('data: [DONE]\n\n')
    await request.lastChunk()
  })
  const sockets = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  sockets.on('connection', (socket) =>
    socket.on('message', (message) =>
      socket.send(JSON.stringify({ type: 'echo', of: String(message).length })),
    ),
  )
  await new Promise((resolve) => sockets.once('listening', resolve))
  const { port } = sockets.address() as { port: number }
  const settings = {
    upstreams: {
      up: { baseUrl: upstream.url },
      talk: { baseUrl: `http://127.0.0.1:${port}`, websockets: true },
    },
    routes: [{ model: 'talk', upstream: 'talk' }, { upstream: 'up' }],
  }
  try {
    await inNginxScene({ settings }, async (scene) => {
      const request = { ...chat(scene, ''), method: 'GET', path: '/v1/whole' }
      const { body: _, ...get } = request
      const long = { ...get.headers, 'x-long': 'z'.repeat(50_000) }
      const outcome = await requestByHttp1({ ...get, headers: long })
      assert.is(outcome.ended, 'whole', outcome.body)
      assert.is(outcome.headers['x-long-29'], 'y'.repeat(2_000))
      assert.is((await requestByHttp1({ ...get, path: '/v1/stream', stream: true })).ended, 'whole')
      const { port, host } = scene.nginx.target
      const socket = new WebSocket(`wss://127.0.0.1:${port}/v1/realtime?model=talk`, [], {
        rejectUnauthorized: false,
        headers: { host, authorization: `Bearer ${scene.key}` },
      })
      const answered = new Promise<string>((resolve, reject) => {
        socket.on('message', (message) => resolve(String(message)))
        socket.on('error', reject)
        socket.on('close', (code, reason) => reject(new Error(`the WebSocket closed: ${code} ${reason}`)))
      })
      socket.on('open', () => socket.send('{"type":"input_audio_buffer.clear"}'))
      assert.match(await answered, /"type":"echo"/)
      socket.terminate()
    })
  } finally {
    for (const socket of sockets.clients) socket.terminate()
    sockets.close()
    await upstream.close()
  }
})

test.run()
