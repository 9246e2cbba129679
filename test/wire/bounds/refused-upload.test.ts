import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { headerOf, type RawClient, type Response } from '../../support/client.js'
import { OK, type Scene, withRelay } from '../../support/scene.js'
import { until, wait } from '../../support/until.js'

const PIECE = Buffer.alloc(64 * 1024, 'x')
const MIB = 1024 * 1024
const LIMITS = { limits: { bodyBytes: MIB } }

const chunked = (piece: Buffer): Buffer =>
  Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n')])

/** Sends a piece and waits until it has left this process. */
async function sendPiece(client: RawClient, piece: Buffer): Promise<void> {
  client.send(piece)
  await until(() => client.socket.writableLength === 0 || client.ending !== null, 'a piece to leave')
}

/** The error response is complete and is the last on its connection. */
function assertRefusal(response: Response, status: number, code: string): void {
  assert.is(response.status, status)
  assert.ok(response.complete, 'a part of the answer is missing')
  assert.is(JSON.parse(response.body.toString()).error.code, code)
  assert.is(headerOf(response, 'connection'), 'close')
}

interface Upload {
  readonly name: string
  readonly head: (scene: Scene) => string
  readonly frame: (piece: Buffer) => Buffer
  readonly last: string
  readonly status: number
  readonly code: string
}

const TOTAL = 20 * MIB
const asIs = (piece: Buffer): Buffer => piece
const UPLOADS: Upload[] = [
  {
    name: 'a body that declares too much',
    head: (scene) => `POST /v1/x HTTP/1.1\r\n${scene.auth}content-length: ${TOTAL}\r\n\r\n`,
    frame: asIs,
    last: '',
    status: 413,
    code: 'body_too_large',
  },
  {
    name: 'a chunked body that grows too large',
    head: (scene) => `POST /v1/x HTTP/1.1\r\n${scene.auth}transfer-encoding: chunked\r\n\r\n`,
    frame: chunked,
    last: '0\r\n\r\n',
    status: 413,
    code: 'body_too_large',
  },
  {
    name: 'a large body without a key',
    head: () => `POST /v1/x HTTP/1.1\r\nhost: relay\r\ncontent-length: ${TOTAL}\r\n\r\n`,
    frame: asIs,
    last: '',
    status: 401,
    code: 'missing_api_key',
  },
  {
    name: 'a chunked body without a key',
    head: () => 'POST /v1/x HTTP/1.1\r\nhost: relay\r\ntransfer-encoding: chunked\r\n\r\n',
    frame: chunked,
    last: '0\r\n\r\n',
    status: 401,
    code: 'missing_api_key',
  },
]

for (const { name, head, frame, last, status, code } of UPLOADS) {
  test(`${name} is refused while it is being sent, and the client can read why before the connection closes`, () =>
    withRelay(
      OK,
      async (scene) => {
        const client = await scene.client()
        client.send(head(scene))
        // Sends everything before it reads anything.
        client.socket.pause()
        for (let sent = 0; sent < TOTAL; sent += PIECE.length) await sendPiece(client, frame(PIECE))
        if (last !== '') client.send(last)
        client.socket.resume()
        assertRefusal(await client.response(), status, code)
        assert.is(await client.closed(), 'fin')
        assert.is(scene.upstream.requests.length, 0)
        const [line] = await scene.relay.requests(1)
        assert.is(line?.end, 'refused')
        assert.is(line?.error_code, code)
      },
      LIMITS,
    ))

  test(`${name} is refused before the end of the body has arrived`, () =>
    withRelay(
      OK,
      async (scene) => {
        const client = await scene.client()
        client.send(head(scene))
        let sent = 0
        while (!client.text.includes('\r\n\r\n') && sent < TOTAL / 2) {
          await sendPiece(client, frame(PIECE))
          sent += PIECE.length
          await wait(2)
        }
        assertRefusal(await client.response(), status, code)
        // The relay still reads what is on its way: closing with unread bytes would reset the connection.
        for (let i = 0; i < 10; i++) await sendPiece(client, frame(PIECE))
        assert.is(client.ending, null)
        client.end()
        assert.is(await client.closed(), 'fin')
        assert.is(scene.upstream.requests.length, 0)
      },
      LIMITS,
    ))
}

test('the rest of a refused request body takes no memory', () =>
  withRelay(
    OK,
    async (scene) => {
      const client = await scene.client()
      client.send(`POST /v1/x HTTP/1.1\r\n${scene.auth}transfer-encoding: chunked\r\n\r\n`)
      for (let i = 0; i < 40; i++) await sendPiece(client, chunked(PIECE))
      await client.response()
      client.send('0\r\n\r\n')
      await client.closed()
      await scene.relay.requests(1)
      assert.equal(scene.relay.inspect().boundsHit, { bodyBytes: 1 })
      const ready = await scene.ask('GET /readyz HTTP/1.1\r\nhost: relay\r\n\r\n')
      assert.is(JSON.parse(ready.body.toString()).buffered_bytes, 0)
    },
    LIMITS,
  ))

test('a small body that is refused leaves the connection to the next request', () =>
  withRelay(
    OK,
    async (scene) => {
      const client = await scene.client()
      const body = 'x'.repeat(30_000)
      const line = `content-length: ${body.length}\r\n\r\n`
      client.send(`POST /v1/x HTTP/1.1\r\nhost: relay\r\n${line}${body}`)
      const first = await client.response(0)
      assert.is(first.status, 401)
      assert.is(headerOf(first, 'connection'), 'keep-alive')
      client.send(`POST /v1/x HTTP/1.1\r\n${scene.auth}${line}`)
      // The response comes before the body; the body is dropped when it arrives.
      const second = await client.response(1)
      assert.is(second.status, 413)
      client.send(body.slice(0, 20_000))
      client.send(body.slice(20_000))
      client.send(`POST /v1/x HTTP/1.1\r\n${scene.auth}content-length: 2\r\n\r\n{}`)
      const third = await client.response(2)
      assert.is(third.status, 200)
      assert.equal(
        scene.upstream.requests.map((request) => request.body.toString()),
        ['{}'],
      )
    },
    { limits: { bodyBytes: 1024 } },
  ))

test('a body of exactly the limit is accepted, with a length or in chunks', () =>
  withRelay(
    OK,
    async (scene) => {
      const body = Buffer.alloc(1024, 'x')
      const plain = await scene.relayed(
        `POST /v1/x HTTP/1.1\r\n${scene.auth}content-length: 1024\r\n\r\n${body.toString()}`,
      )
      assert.ok(plain.body.equals(body))
      const piecewise = await scene.relayed(
        `POST /v1/x HTTP/1.1\r\n${scene.auth}transfer-encoding: chunked\r\n\r\n${chunked(body).toString()}0\r\n\r\n`,
      )
      assert.ok(piecewise.body.equals(body))
      for (const framing of ['content-length: 1025\r\n\r\n', 'transfer-encoding: chunked\r\n\r\n401\r\n']) {
        const response = await scene.ask(
          `POST /v1/x HTTP/1.1\r\n${scene.auth}${framing}${'x'.repeat(1025)}\r\n0\r\n\r\n`,
        )
        assert.is(response.status, 413)
      }
    },
    { limits: { bodyBytes: 1024 } },
  ))

test.run()
