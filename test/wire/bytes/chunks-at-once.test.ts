import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { headerOf } from '../../support/client.js'
import { fc } from '../../support/property.js'
import { auth, startRelay } from '../../support/relay.js'
import { gate, until, wait } from '../../support/until.js'
import { CHUNKED, chunk, head, ScriptedUpstream, SSE } from '../../support/upstream.js'

test('each chunk of a stream reaches the client before the upstream sends the next one', async () => {
  const second = gate()
  const upstream = await ScriptedUpstream.start(async (request) => {
    await request.write(head('200 Fine', SSE, CHUNKED))
    await request.chunk('data: 1\n\n')
    await second.opened
    await request.chunk('data: 2\n\n')
    await request.lastChunk()
  })
  const relay = await startRelay(upstream.url)
  const client = await relay.client()
  client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
  await client.sees('data: 1\n\n')
  second.open()
  const response = await client.response()
  assert.is(response.status, 200)
  assert.is(response.reason, 'Fine')
  assert.is(headerOf(response, 'content-type'), 'text/event-stream')
  assert.is(response.body.toString(), 'data: 1\n\ndata: 2\n\n')
  const [line] = await relay.requests(1)
  assert.is(line?.end, 'done')
  await relay.close()
  await upstream.close()
})

test('the client gets the head before the upstream has sent any of the body', async () => {
  const body = gate()
  const upstream = await ScriptedUpstream.start(async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    await body.opened
    await request.chunk('data: late\n\n')
    await request.lastChunk()
  })
  const relay = await startRelay(upstream.url)
  const client = await relay.client()
  client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
  await client.sees('\r\n\r\n')
  body.open()
  assert.is((await client.response()).body.toString(), 'data: late\n\n')
  await relay.close()
  await upstream.close()
})

test('a head and a body that arrive together are sent in one write', async () => {
  const upstream = await ScriptedUpstream.start((request) =>
    request.write(
      Buffer.concat([
        Buffer.from(head('200 OK', SSE, CHUNKED)),
        chunk('data: 1\n\n'),
        Buffer.from('0\r\n\r\n'),
      ]),
    ),
  )
  const relay = await startRelay(upstream.url)
  const client = await relay.client()
  client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
  await client.response()
  assert.is(client.pieces.length, 1)
  await relay.close()
  await upstream.close()
})

/** A body, its framing, the places where it is cut into writes, and the pauses between these. */
const answers = fc.record({
  body: fc.uint8Array({ minLength: 0, maxLength: 3000 }),
  eventStream: fc.boolean(),
  framing: fc.constantFrom('chunked', 'length', 'close'),
  chunks: fc.array(fc.integer({ min: 1, max: 900 }), { maxLength: 8 }),
  cuts: fc.array(fc.integer({ min: 0, max: 3500 }), { maxLength: 6 }),
  pauses: fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 7, maxLength: 7 }),
})

/** A response as it is on the wire. */
interface FramedResponse {
  readonly bytes: Buffer
  /** Number of body bytes within the first `length` bytes: the client must have them before more is sent. */
  bodyIn(length: number): number
}

function frame(answer: {
  body: Uint8Array
  eventStream: boolean
  framing: string
  chunks: number[]
}): FramedResponse {
  const body = Buffer.from(answer.body)
  const type = answer.eventStream ? SSE : 'content-type: application/octet-stream'
  if (answer.framing !== 'chunked') {
    const framing = answer.framing === 'length' ? `content-length: ${body.length}` : 'connection: close'
    const start = Buffer.from(head('200 OK', type, framing))
    return {
      bytes: Buffer.concat([start, body]),
      bodyIn: (length) => Math.min(Math.max(length - start.length, 0), body.length),
    }
  }
  const parts: Buffer[] = [Buffer.from(head('200 OK', type, CHUNKED))]
  const ends: Array<{ at: number; size: number }> = []
  let at = parts[0]?.length ?? 0
  let from = 0
  for (const size of [...answer.chunks, body.length]) {
    const piece = body.subarray(from, from + size)
    if (piece.length === 0) break
    from += piece.length
    const framed = chunk(piece)
    ends.push({ at: at + framed.indexOf('\r\n') + 2, size: piece.length })
    at += framed.length
    parts.push(framed)
  }
  parts.push(Buffer.from('0\r\n\r\n'))
  return {
    bytes: Buffer.concat(parts),
    bodyIn: (length) => ends.reduce((sum, end) => sum + Math.min(Math.max(length - end.at, 0), end.size), 0),
  }
}

test('the client gets every byte at once and unchanged, whatever the body, the framing and the cuts are', async () => {
  type Turn = {
    wire: FramedResponse
    cuts: number[]
    pauses: number[]
    close: boolean
    seen: (bytes: number) => Promise<void>
  }
  let turn: Turn | null = null
  const upstream = await ScriptedUpstream.start(async (request) => {
    if (turn === null) throw new Error('an unexpected request')
    const { wire, cuts, pauses, close, seen } = turn
    const ends = [...cuts.filter((cut) => cut < wire.bytes.length).sort((a, b) => a - b), wire.bytes.length]
    let from = 0
    for (const [i, end] of ends.entries()) {
      await request.write(wire.bytes.subarray(from, end))
      from = end
      // Nothing more is sent until the client has every body byte sent so far.
      await seen(wire.bodyIn(end))
      await wait(pauses[i] ?? 0)
    }
    if (close) request.end()
  })
  const relay = await startRelay(upstream.url)
  await fc.assert(
    fc.asyncProperty(answers, async (answer) => {
      const client = await relay.client()
      const bodySoFar = (): Buffer => {
        const end = client.bytes.indexOf('\r\n\r\n')
        return end === -1 ? Buffer.alloc(0) : dechunk(client.bytes, end)
      }
      turn = {
        wire: frame(answer),
        cuts: answer.cuts,
        pauses: answer.pauses,
        close: answer.framing === 'close',
        seen: (bytes) => until(() => bodySoFar().length >= bytes, `${bytes} body bytes`, 5_000),
      }
      client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
      const response = await client.response()
      assert.is(response.status, 200)
      assert.ok(response.complete)
      assert.ok(response.body.equals(Buffer.from(answer.body)), 'other bytes')
      client.destroy()
    }),
    { numRuns: 150 },
  )
  await relay.close()
  await upstream.close()
})

/** The body bytes of a response that may not be whole yet. */
function dechunk(bytes: Buffer, headEnd: number): Buffer {
  const start = headEnd + 4
  if (!/transfer-encoding: chunked/i.test(bytes.toString('latin1', 0, headEnd))) return bytes.subarray(start)
  const parts: Buffer[] = []
  let at = start
  for (;;) {
    const line = bytes.indexOf('\r\n', at)
    const size = line === -1 ? 0 : Number.parseInt(bytes.toString('latin1', at, line), 16)
    if (size === 0) return Buffer.concat(parts)
    parts.push(bytes.subarray(line + 2, line + 2 + size))
    at = line + 4 + size
  }
}

test.run()
