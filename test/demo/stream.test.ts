import { createServer, type Server, type ServerResponse } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import OpenAI from 'openai'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatEvent, PAUSE, Reply, type ReplyContent, type Step } from '../../src/demo/reply.js'
import { startDemo } from '../../src/demo/server.js'

const opened: Server[] = []

// Also after a test that failed, or its server would keep the process running.
test.after.each(() => {
  for (const server of opened.splice(0)) {
    server.close()
    server.closeAllConnections()
  }
})

const REQUEST = 'GET / HTTP/1.1\r\nhost: x\r\n\r\n'

/** A server that answers one request with the steps, and a socket that has asked it. */
async function serve(
  makeSteps: (res: ServerResponse) => Iterator<Step>,
  paceMs: number,
): Promise<{ socket: Socket; closed: Promise<void> }> {
  const server = createServer()
  opened.push(server)
  const closed = new Promise<void>((resolve) => {
    server.on('request', (_, res) => {
      res.on('close', resolve)
      new Reply(res, 'openai').send((): ReplyContent => ({ steps: makeSteps(res) }), paceMs)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1')
  // A socket that is closed with unread data is reset, which is what these tests do.
  socket.on('error', () => socket.destroy())
  socket.write(REQUEST)
  return { socket, closed }
}

/** Endless, and counts how often it was asked for more. */
class Endless implements Iterator<Step> {
  readonly event: string
  asked = 0

  constructor(bytes: number) {
    this.event = formatEvent('x'.repeat(bytes))
  }

  next(): IteratorResult<Step> {
    this.asked++
    return { done: false, value: this.asked % 2 === 0 ? PAUSE : this.event }
  }
}

for (const paceMs of [0, 1]) {
  test(`a client that leaves stops the generation at once (pace ${paceMs} ms)`, async () => {
    const steps = new Endless(10)
    const { socket, closed } = await serve(() => steps, paceMs)
    await new Promise((resolve) => socket.once('data', resolve))
    socket.destroy()
    await closed
    const asked = steps.asked
    // Many times the pace: a timer that was left would have run by then.
    await sleep(30)
    assert.is(steps.asked, asked)
  })
}

test('a client that stops reading pauses the generation until it reads again', async () => {
  const steps = new Endless(64 * 1024)
  const { socket } = await serve(() => steps, 0)
  socket.pause()
  // The generation runs until the buffers of both sockets are full, a few MiB; without back-pressure it never rests.
  let asked = -1
  while (asked !== steps.asked || asked === 0) {
    asked = steps.asked
    assert.ok(asked < 4000, 'far more was generated than buffers can hold')
    await sleep(50)
  }
  socket.resume()
  while (steps.asked < asked + 100) await sleep(1)
})

test('each event is written before the next one is made', async () => {
  const waiting: (number | undefined)[] = []
  function* watched(res: ServerResponse): Generator<Step, void> {
    for (let index = 0; index < 5; index++) {
      waiting.push(res.socket?.writableLength)
      yield formatEvent(index)
    }
    waiting.push(res.socket?.writableLength)
  }
  const { socket, closed } = await serve(watched, 0)
  socket.resume()
  await closed
  assert.equal(waiting, [0, 0, 0, 0, 0, 0])
})

test('each event is a chunk of its own', async () => {
  const demo = await startDemo({ paceMs: 0 })
  const { hostname, port } = new URL(demo.origin)
  const body = '{"model":"m","stream":true,"messages":[{"role":"user","content":"hi"}]}'
  const socket = connect(Number(port), hostname)
  socket.write(
    `POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  )
  const pieces: Buffer[] = []
  for await (const piece of socket) pieces.push(piece)
  await demo.close()
  let rest = Buffer.concat(pieces)
  rest = rest.subarray(rest.indexOf('\r\n\r\n') + 4)
  let events = 0
  for (;;) {
    const line = rest.indexOf('\r\n')
    const length = Number.parseInt(rest.subarray(0, line).toString(), 16)
    if (length === 0) break
    const chunk = rest.subarray(line + 2, line + 2 + length).toString()
    assert.match(chunk, /^data: [^\n]+\n\n$/)
    events++
    rest = rest.subarray(line + 2 + length + 2)
  }
  assert.ok(events > 10)
})

test('a stream that fails is cut, not ended', async () => {
  function* broken(): Generator<Step, void> {
    yield formatEvent('first')
    throw new Error('broken')
  }
  const { socket, closed } = await serve(broken, 0)
  let text = ''
  socket.on('data', (piece) => {
    text += piece.toString()
  })
  await new Promise((resolve) => socket.on('close', resolve))
  await closed
  assert.ok(text.includes('"first"'))
  assert.not.ok(text.includes('\r\n0\r\n'))
})

test('the official client can abort a stream and send another request', async () => {
  const demo = await startDemo({ paceMs: 1 })
  const client = new OpenAI({ apiKey: 'any', baseURL: `${demo.origin}/v1`, maxRetries: 0 })
  for (let round = 0; round < 3; round++) {
    const stream = await client.chat.completions.create({
      model: 'm',
      stream: true,
      messages: [{ role: 'user', content: 'hi' }],
    })
    for await (const chunk of stream) if (chunk.choices[0]?.delta.content) break
  }
  await demo.close()
})

test.run()
