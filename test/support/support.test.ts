import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { RawClient } from './client.js'
import { deferred, gate, until, wait } from './until.js'
import {
  CHUNKED,
  chunk,
  head,
  LAST_CHUNK,
  type Script,
  ScriptedUpstream,
  SSE,
  step,
  whole,
} from './upstream.js'

const GET = 'GET /v1/x HTTP/1.1\r\nhost: upstream\r\n\r\n'

/** A client that talks to an upstream with nothing between them. */
async function withBoth(
  script: Script | readonly Script[],
  act: (client: RawClient, upstream: ScriptedUpstream) => Promise<void>,
): Promise<void> {
  const upstream = await ScriptedUpstream.start(script)
  const client = await RawClient.connect(upstream.port)
  let closing: Promise<void> | null = null
  try {
    await act(client, upstream)
  } finally {
    client.destroy()
    closing = upstream.close()
  }
  await closing
}

async function rejection(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    return String(error)
  }
  return 'no rejection'
}

test('a request is kept with its case, order, duplicates and bytes', () =>
  withBoth(
    (request) => request.write(whole('200 OK', 'ok')),
    async (client, upstream) => {
      const bytes = Buffer.from(
        'POST /v1//x?a=%20 HTTP/1.1\r\nHost: h\r\nX-Twice: 1\r\nx-twice: \t\u00e9\u00a0 \r\nX-Empty:\r\n' +
          'content-length: 3\r\n\r\nabc',
        'latin1',
      )
      client.send(bytes)
      const request = await upstream.request(0)
      assert.is(request.method, 'POST')
      assert.is(request.target, '/v1//x?a=%20')
      assert.equal(request.headers, [
        ['Host', 'h'],
        ['X-Twice', '1'],
        ['x-twice', '\u00e9\u00a0'],
        ['X-Empty', ''],
        ['content-length', '3'],
      ])
      assert.is(request.header('X-TWICE'), '1')
      assert.is(request.header('x-none'), undefined)
      assert.is(request.body.toString(), 'abc')
      assert.ok(request.raw.equals(bytes))
      assert.is(request.head, bytes.toString('latin1', 0, bytes.length - 5))
      assert.is((await client.response()).body.toString(), 'ok')
    },
  ))

test('a request that comes byte by byte is read when it is whole, with a length or in chunks', () =>
  withBoth(
    (request) => request.write(whole('200 OK', request.body)),
    async (client, upstream) => {
      const bodies = [
        'content-length: 5\r\n\r\nhello',
        'Transfer-Encoding: Chunked\r\n\r\n2;x="y"\r\nhe\r\n3\r\nllo\r\n0\r\nx-sum: 5\r\n\r\n',
      ]
      for (const [n, framed] of bodies.entries()) {
        const bytes = Buffer.from(`POST / HTTP/1.1\r\n${framed}`)
        for (let at = 0; at < bytes.length - 1; at++) {
          client.send(bytes.subarray(at, at + 1))
          if (at % 10 === 0) await wait(1)
        }
        assert.is(upstream.requests.length, n)
        client.send(bytes.subarray(-1))
        const request = await upstream.request(n)
        assert.is(request.body.toString(), 'hello')
        assert.ok(request.raw.equals(bytes))
        assert.is((await client.response(n)).body.toString(), 'hello')
      }
    },
  ))

test('a connection carries several requests, also if they come at once, and answers keep their order', () =>
  withBoth(
    async (request) => {
      if (request.target === '/slow') await wait(5)
      await request.write(whole('200 OK', request.target))
    },
    async (client, upstream) => {
      client.send('GET /slow HTTP/1.1\r\n\r\nGET /second HTTP/1.1\r\n\r\n')
      assert.is((await client.response(1)).body.toString(), '/second')
      client.send('GET /third HTTP/1.1\r\n\r\n')
      assert.is((await client.response(2)).body.toString(), '/third')
      assert.is((await client.response(0)).body.toString(), '/slow')
      assert.equal(
        upstream.requests.map((request) => request.connection),
        [1, 1, 1],
      )
      assert.is(upstream.connections, 1)
      assert.is(upstream.openSockets, 1)
      const other = await RawClient.connect(upstream.port)
      other.send(GET)
      assert.is((await upstream.request(3)).connection, 2)
      assert.is(upstream.openSockets, 2)
      other.destroy()
      await until(() => upstream.openSockets === 1, 'the other connection to close')
      assert.is(upstream.connections, 2)
    },
  ))

test('pieces arrive apart when a gate is between them', async () => {
  const second = gate()
  await withBoth(
    [
      step.write(head('200 OK', SSE, CHUNKED)),
      step.chunk('data: 1\n\n'),
      step.until(second.opened),
      step.wait(1),
      step.chunk('data: 2\n\n'),
      step.lastChunk(),
    ],
    async (client) => {
      client.send(GET)
      await client.until('data: 1\n\n')
      assert.not(client.bytes.includes('data: 2'))
      const before = client.pieces.length
      second.open()
      const response = await client.response()
      assert.is(response.body.toString(), 'data: 1\n\ndata: 2\n\n')
      assert.is(response.header('Content-Type'), 'text/event-stream')
      assert.ok(client.pieces.length > before)
      assert.ok(Buffer.concat(client.pieces).equals(client.bytes))
    },
  )
})

test('a list of steps runs again for each request', () =>
  withBoth([step.write(head('200 OK', CHUNKED)), step.chunk('a'), step.lastChunk()], async (client) => {
    for (const n of [0, 1, 2]) {
      client.send(GET)
      assert.is((await client.response(n)).body.toString(), 'a')
    }
  }))

const CUT = [step.write(head('200 OK', CHUNKED)), step.chunk('a'), step.wait(5)]

test('a client tells a FIN from a reset, and either from its own leaving', async () => {
  for (const [ending, cut] of [
    ['fin', step.end()],
    ['fin', step.destroy()],
    ['reset', step.reset()],
  ] as const) {
    await withBoth([...CUT, cut], async (client) => {
      client.send(GET)
      assert.is(await client.closed(), ending)
      assert.is(client.error?.code, ending === 'reset' ? 'ECONNRESET' : undefined)
      const response = await client.response()
      assert.is(response.body.toString(), 'a')
      assert.is(response.complete, false)
    })
  }
  for (const leave of ['destroy', 'reset'] as const) {
    await withBoth([...CUT, step.hang()], async (client) => {
      client.send(GET)
      await client.until('a\r\n')
      client[leave]()
      assert.is(await client.closed(), 'left')
      assert.is(client.error, null)
    })
  }
})

test('an upstream tells a FIN from a reset, and either from what its script has done', async () => {
  for (const [ending, leave] of [
    ['fin', 'end'],
    ['fin', 'destroy'],
    ['reset', 'reset'],
  ] as const) {
    await withBoth([...CUT, step.hang()], async (client, upstream) => {
      client.send(GET)
      const request = await upstream.request(0)
      await client.until('a\r\n')
      assert.is(request.closed, false)
      client[leave]()
      assert.is(await request.ended(), ending)
      assert.is(request.closed, true)
      assert.is(upstream.openSockets, 0)
    })
  }
  await withBoth([...CUT, step.reset()], async (client, upstream) => {
    client.send(GET)
    assert.is(await (await upstream.request(0)).ended(), 'left')
  })
})

test('a client that has sent its FIN still reads', () =>
  withBoth(
    async (request) => {
      await request.write(whole('200 OK', 'ok'))
    },
    async (client) => {
      client.send(GET)
      client.end()
      assert.is((await client.response()).body.toString(), 'ok')
      assert.is(await client.closed(), 'fin')
    },
  ))

test('a body without a framing is whole after a FIN, and not after a reset', async () => {
  for (const [whole, cut] of [
    [true, step.end()],
    [false, step.reset()],
  ] as const) {
    await withBoth([step.write(`${head('200 OK')}abc`), step.wait(5), cut], async (client) => {
      client.send(GET)
      await client.closed()
      const response = await client.response()
      assert.is(response.body.toString(), 'abc')
      assert.is(response.complete, whole)
    })
  }
})

test('an upstream that has stopped reading makes the sender wait', () =>
  withBoth(
    (request) => request.write(whole('200 OK', String(request.body.length))),
    async (client, upstream) => {
      upstream.pause()
      const late = await RawClient.connect(upstream.port)
      const body = Buffer.alloc(32 * 1024 * 1024, 'x')
      for (const each of [client, late]) {
        each.send(`POST / HTTP/1.1\r\ncontent-length: ${body.length}\r\n\r\n`)
        each.send(body)
      }
      // The kernel's buffers fill up, then nothing moves any more.
      for (const each of [client, late]) {
        let before = -1
        while (before !== each.socket.bytesWritten - each.socket.writableLength) {
          before = each.socket.bytesWritten - each.socket.writableLength
          await wait(20)
        }
        assert.ok(each.socket.writableLength > 0, 'all of it could be sent')
      }
      assert.is(upstream.requests.length, 0)
      upstream.resume()
      for (const each of [client, late]) {
        assert.is((await each.response()).body.toString(), String(body.length))
      }
      late.destroy()
    },
  ))

test('a client that has stopped reading makes the upstream wait', async () => {
  const body = Buffer.alloc(32 * 1024 * 1024, 'x')
  let left = false
  await withBoth(
    async (request) => {
      await request.write(whole('200 OK', body))
      left = true
    },
    async (client, upstream) => {
      client.pause()
      client.send(GET)
      await upstream.request(0)
      await wait(20)
      assert.is(left, false)
      client.resume()
      const response = await client.response()
      assert.ok(response.complete)
      assert.ok(response.body.equals(body))
    },
  )
})

test('after an upgrade the bytes are left to the script, also those that came with the head', () =>
  withBoth(
    async (request) => {
      request.socket.on('data', (piece) => request.socket.write(piece))
      await request.write(head('101 Switching Protocols', 'connection: upgrade', 'upgrade: echo'))
      await request.hang()
    },
    async (client) => {
      client.send('GET / HTTP/1.1\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\nearly ')
      await client.until(/^HTTP\/1\.1 101 /)
      client.send('late\r\n\r\nGET / HTTP/1.1\r\n\r\n')
      await client.until((it) => it.bytes.includes('HTTP/1.1\r\n\r\n', 20))
      const response = await client.response()
      assert.is(response.status, 101)
      assert.is(response.rest.toString(), 'early late\r\n\r\nGET / HTTP/1.1\r\n\r\n')
    },
  ))

test('a script that throws closes its connection and is reported at the end', async () => {
  for (const script of [
    () => {
      throw new Error('a script at fault')
    },
    async () => {
      await wait(1)
      throw new Error('a script at fault')
    },
  ]) {
    const told = withBoth(script, async (client) => {
      client.send(GET)
      assert.is(await client.closed(), 'fin')
    })
    assert.match(await rejection(told), 'a script at fault')
  }
})

test('a request that can be read in two ways is refused and told at the end', async () => {
  for (const [bytes, message] of [
    ['POST / HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 1\r\n\r\na', 'more than one content-length'],
    ['POST / HTTP/1.1\r\ncontent-length: +1\r\n\r\na', 'not a content-length'],
    ['POST / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n', 'both'],
    ['POST / HTTP/1.1\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n', 'not a coding'],
    ['POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nz\r\n', 'not the size of a chunk'],
    ['GET / HTTP/1.1\r\nx : y\r\n\r\n', 'not a header'],
    ['GET /a b HTTP/1.1\r\n\r\n', 'not a request'],
  ] as const) {
    const told = withBoth(
      (request) => request.write(whole('200 OK', 'ok')),
      async (client, upstream) => {
        client.send(bytes)
        await client.closed()
        assert.is(upstream.requests.length, 0)
      },
    )
    assert.match(await rejection(told), message)
  }
})

test('closing an upstream ends what hangs, and connecting then fails', async () => {
  const upstream = await ScriptedUpstream.start([step.hang()])
  const { port } = upstream
  const client = await RawClient.connect(port)
  client.send(GET)
  await upstream.request(0)
  await upstream.close()
  assert.is(await client.closed(), 'fin')
  assert.is(upstream.openSockets, 0)
  assert.match(await rejection(RawClient.connect(port)), 'ECONNREFUSED')
})

test('writing to a connection that has gone is no fault of a script', () =>
  withBoth(
    async (request) => {
      await request.hang()
      await request.write('nobody reads this')
      await request.lastChunk()
    },
    async (client, upstream) => {
      client.send(GET)
      const request = await upstream.request(0)
      client.reset()
      assert.is(await request.ended(), 'reset')
    },
  ))

test('what is waited for in vain is named, at once if the connection has ended', async () => {
  await withBoth([step.write(whole('200 OK', 'abc')), step.end()], async (client) => {
    client.send(GET)
    const message = await rejection(client.until('xyz'))
    assert.match(message, 'the connection ended (fin) before "xyz", after "HTTP/1.1 200 OK')
    assert.match(await rejection(client.until(/x.z/)), '(fin) before /x.z/')
    assert.match(await rejection(client.until(() => false, 'the last word')), 'before the last word')
    assert.match(await rejection(client.response(1)), 'there is no response 1')
  })
  assert.match(await rejection(until(() => false, 'nothing', 1)), 'waited in vain for nothing')
})

test('a condition that throws fails the wait with its own error', async () => {
  const broken = (): boolean => {
    throw new Error('a condition at fault')
  }
  assert.match(await rejection(until(broken, 'nothing')), 'a condition at fault')
})

test('a deferred promise is settled from outside', async () => {
  const good = deferred<number>()
  good.resolve(7)
  good.resolve(8)
  assert.is(await good.promise, 7)
  const bad = deferred()
  bad.reject(new Error('by hand'))
  assert.match(await rejection(bad.promise), 'by hand')
})

test('chunks and heads are made as they are on the wire', () => {
  assert.is(chunk('é, fifteen more.').toString(), '11\r\né, fifteen more.\r\n')
  assert.is(LAST_CHUNK, '0\r\n\r\n')
  assert.is(head('200 OK', 'a: 1', 'A: 2'), 'HTTP/1.1 200 OK\r\na: 1\r\nA: 2\r\n\r\n')
  assert.is(whole('200 OK', 'é', 'a: 1').toString(), 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\na: 1\r\n\r\né')
})

test.run()
