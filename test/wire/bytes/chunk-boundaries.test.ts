import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { headerOf } from '../../support/client.js'
import { type Scene, withRelay } from '../../support/scene.js'
import { gate, wait } from '../../support/until.js'
import { CHUNKED, chunk, head, LAST_CHUNK, type Received, SSE } from '../../support/upstream.js'

/** Writes each piece by itself and waits, so that the relay reads it before the next one. */
async function send(request: Received, ...pieces: (string | Buffer)[]): Promise<void> {
  for (const piece of pieces) {
    await request.write(piece)
    await wait(8)
  }
}

/** Requests a stream. @returns the bytes behind the head, framing included */
async function framed(scene: Scene, path = '/v1/x', connection = 'keep-alive'): Promise<string> {
  const client = await scene.client()
  client.send(`GET ${path} HTTP/1.1\r\n${scene.auth}connection: ${connection}\r\n\r\n`)
  const { complete } = await client.response()
  assert.ok(complete)
  const text = client.text
  return text.slice(text.indexOf('\r\n\r\n') + 4)
}

test('the client gets the chunks that the upstream sent, wherever the reads were cut', async () => {
  const body = '5\r\nda\r\nt\r\n000A\r\n0123456789\r\n1a\r\nabcdefghijklmnopqrstuvwxyz\r\n'
  const script = async (request: Received): Promise<void> => {
    const pieces = [body.slice(0, 1), body.slice(1, 6), body.slice(6, 17), body.slice(17), LAST_CHUNK]
    await send(request, head('200 OK', SSE, CHUNKED), ...pieces)
  }
  await withRelay(script, async (scene) => {
    assert.is(await framed(scene), body + LAST_CHUNK)
    const [line] = await scene.relay.requests(1)
    assert.is(line?.end, 'done')
    assert.is(line?.bytes_out, 5 + 10 + 26)
  })
})

test('the client gets the same bytes if the upstream sends one byte at a time', async () => {
  const body = `${chunk('data: 1\n\n')}${chunk('data: [DONE]\n\n')}${LAST_CHUNK}`
  const script = async (request: Received): Promise<void> => {
    await request.write(head('200 OK', SSE, CHUNKED))
    for (const byte of body) {
      await request.write(byte)
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  await withRelay(script, async (scene) => assert.is(await framed(scene), body))
})

test('a chunk with an extension and the chunks behind it keep their data', async () => {
  const script = (request: Received): Promise<void> =>
    send(
      request,
      head('200 OK', SSE, CHUNKED),
      chunk('data: 1\n\n'),
      '9;name="value"\r\ndata: 2\n\n\r\n',
      Buffer.concat([chunk('data: 3\n\n'), Buffer.from(LAST_CHUNK)]),
    )
  await withRelay(script, async (scene) => {
    const response = await scene.ask(`GET /v1/x HTTP/1.1\r\n${scene.auth}\r\n`)
    assert.ok(response.complete)
    assert.is(response.body.toString(), 'data: 1\n\ndata: 2\n\ndata: 3\n\n')
    const [line] = await scene.relay.requests(1)
    assert.is(line?.end, 'done')
    assert.is(line?.bytes_out, 27)
  })
})

test('a first chunk with an extension keeps its data if it arrives together with the head', async () => {
  const script = (request: Received): Promise<void> =>
    send(request, `${head('200 OK', SSE, CHUNKED)}9;x\r\ndata: 1\n\n\r\n${LAST_CHUNK}`)
  await withRelay(script, async (scene) => {
    const response = await scene.ask(`GET /v1/x HTTP/1.1\r\n${scene.auth}\r\n`)
    assert.is(response.body.toString(), 'data: 1\n\n')
  })
})

test('a chunk with an odd size line is read to its end, also if it is larger than one read', async () => {
  const body = Buffer.alloc(1024 * 1024, 'x')
  for (const size of ['00100000', '100000;x=y']) {
    const script = (request: Received): Promise<void> =>
      send(
        request,
        head('200 OK', SSE, CHUNKED),
        Buffer.concat([Buffer.from(`${size}\r\n`), body, Buffer.from(`\r\n${LAST_CHUNK}`)]),
      )
    const act = async (scene: Scene): Promise<void> => {
      const response = await scene.ask(`GET /v1/x HTTP/1.1\r\n${scene.auth}\r\n`)
      assert.ok(response.complete)
      assert.ok(response.body.equals(body))
    }
    await withRelay(script, act, { timeouts: { idleMs: 5_000 } })
  }
})

test('trailers do not reach the client, and the connection to the upstream stays in use', async () => {
  const script = (request: Received): Promise<void> =>
    send(
      request,
      `${head('200 OK', SSE, CHUNKED)}${chunk('data: 1\n\n')}0\r\n`,
      'x-checksum: abc\r\n',
      '\r\n',
    )
  await withRelay(script, async (scene) => {
    for (let i = 0; i < 3; i++) {
      assert.is(await framed(scene), `${chunk('data: 1\n\n')}${LAST_CHUNK}`)
      await wait(5)
    }
    assert.is(scene.upstream.connections, 1)
  })
})

test('a head is sent although the size line behind it is not complete', async () => {
  const goOn = gate()
  const script = async (request: Received): Promise<void> => {
    await request.write(`${head('200 OK', SSE, CHUNKED)}9`)
    await goOn.opened
    await request.write(`\r\ndata: 1\n\n\r\n${LAST_CHUNK}`)
  }
  await withRelay(script, async (scene) => {
    const client = await scene.client()
    client.send(`GET /v1/x HTTP/1.1\r\n${scene.auth}\r\n`)
    await client.sees('\r\n\r\n')
    goOn.open()
    assert.is((await client.response()).body.toString(), 'data: 1\n\n')
  })
})

test('an empty chunked body stays an empty chunked body', async () => {
  const script = (request: Received): Promise<void> =>
    send(request, `${head('200 OK', SSE, CHUNKED)}${LAST_CHUNK}`)
  await withRelay(script, async (scene) => assert.is(await framed(scene), LAST_CHUNK))
})

test('a chunk without its line end counts as a cut of the response', async () => {
  const script = async (request: Received): Promise<void> => {
    await request.write(`${head('200 OK', SSE, CHUNKED)}9\r\ndata: 1\n\nxx`)
    await request.hang()
  }
  await withRelay(script, async (scene) => {
    const client = await scene.client()
    client.send(`GET /v1/x HTTP/1.1\r\n${scene.auth}\r\n`)
    await client.closed()
    const response = await client.response()
    assert.is(response.complete, false)
    assert.is(response.body.toString(), 'data: 1\n\n')
    const [line] = await scene.relay.requests(1)
    assert.is(line?.end, 'upstream_cut')
    assert.is(line?.cause, 'HPE_STRICT')
    const request = await scene.upstream.request(0)
    assert.ok((await request.ended()) !== 'left')
  })
})

test('a body whose transfer coding is not chunked passes unchanged until the upstream connection ends', async () => {
  const body = `${chunk('data: 1\n\n')}${LAST_CHUNK}`
  const script = async (request: Received): Promise<void> => {
    await send(request, head('200 OK', SSE, CHUNKED, 'transfer-encoding: gzip'), body)
    request.end()
  }
  await withRelay(script, async (scene) => {
    const response = await scene.ask(`GET /v1/x HTTP/1.1\r\n${scene.auth}\r\n`)
    assert.ok(response.complete)
    assert.is(response.body.toString(), body)
  })
})

test('bytes behind the last chunk end the upstream connection and leave the response complete', async () => {
  const script = (request: Received): Promise<void> =>
    send(request, `${head('200 OK', SSE, CHUNKED)}${chunk('data: 1\n\n')}${LAST_CHUNK}${head('200 OK')}`)
  await withRelay(script, async (scene) => {
    for (let i = 0; i < 2; i++) assert.is(await framed(scene), `${chunk('data: 1\n\n')}${LAST_CHUNK}`)
    assert.is(scene.upstream.connections, 2)
  })
})

test('the responses to pipelined requests come in the order of the requests', async () => {
  const script = async (request: Received): Promise<void> => {
    if (request.target === '/v1/first') await wait(30)
    await send(request, `${head('200 OK', SSE, CHUNKED)}${chunk(request.target)}`, LAST_CHUNK)
  }
  await withRelay(script, async (scene) => {
    const client = await scene.client()
    const paths = ['/v1/first', '/v1/second', '/v1/third']
    client.send(paths.map((path) => `GET ${path} HTTP/1.1\r\n${scene.auth}\r\n`).join(''))
    for (const [i, path] of paths.entries()) {
      const response = await client.response(i)
      assert.is(response.body.toString(), path)
      assert.is(headerOf(response, 'transfer-encoding'), 'chunked')
    }
  })
})

test('a response to HEAD or to an HTTP/1.0 client has no chunks', async () => {
  const script = async (request: Received): Promise<void> => {
    const start = head('200 OK', SSE, CHUNKED)
    await request.write(request.method === 'HEAD' ? start : `${start}${chunk('data: 1\n\n')}${LAST_CHUNK}`)
  }
  await withRelay(script, async (scene) => {
    const asked = await scene.client()
    asked.send(`HEAD /v1/x HTTP/1.1\r\n${scene.auth}connection: close\r\n\r\n`)
    assert.is(await asked.closed(), 'fin')
    assert.match(asked.text, /\r\n\r\n$/)
    const old = await scene.client()
    old.send(`GET /v1/x HTTP/1.0\r\n${scene.auth}\r\n`)
    assert.is(await old.closed(), 'fin')
    assert.match(old.text, /\r\n\r\ndata: 1\n\n$/)
  })
})

test('a client that pauses within a chunk gets the whole body, from one large chunk or from many', async () => {
  const body = Buffer.alloc(8 * 1024 * 1024, 'x')
  for (const pieces of [
    [body],
    Array.from({ length: 512 }, (_, i) => body.subarray(i * 16_384, (i + 1) * 16_384)),
  ]) {
    const script = async (request: Received): Promise<void> => {
      await request.write(head('200 OK', SSE, CHUNKED))
      for (const piece of pieces) await request.chunk(piece)
      await request.lastChunk()
    }
    await withRelay(script, async (scene) => {
      const client = await scene.client()
      client.send(`GET /v1/x HTTP/1.1\r\n${scene.auth}\r\n`)
      for (let i = 0; i < 4; i++) {
        await client.until((one) => one.bytes.length > (i * body.length) / 8)
        client.pause()
        await wait(30)
        client.resume()
      }
      const response = await client.response()
      assert.ok(response.complete)
      assert.is(response.body.length, body.length)
      // The connection can still be used.
      client.send(`GET /readyz HTTP/1.1\r\nhost: relay\r\n\r\n`)
      assert.is((await client.response(1)).status, 200)
    })
  }
})

test('a client that leaves within a chunk cancels the request', async () => {
  const script = async (request: Received): Promise<void> => {
    await request.write(`${head('200 OK', SSE, CHUNKED)}1000\r\ndata: 1\n\n`)
    await request.hang()
  }
  await withRelay(script, async (scene) => {
    const client = await scene.client()
    client.send(`GET /v1/x HTTP/1.1\r\n${scene.auth}\r\n`)
    await client.sees('data: 1\n\n')
    client.destroy()
    const request = await scene.upstream.request(0)
    assert.ok((await request.ended()) !== 'left')
    const [line] = await scene.relay.requests(1)
    assert.is(line?.end, 'client_gone')
  })
})

test.run()
