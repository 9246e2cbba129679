import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Response } from '../../support/client.js'
import { runClock, stopClock } from '../../support/clock.js'
import { auth, type LogLine, post, startRelay, type TestRelay } from '../../support/relay.js'
import { until, wait } from '../../support/until.js'
import { CHUNKED, head, type Script, ScriptedUpstream, SSE, step, whole } from '../../support/upstream.js'

const BODY = '{"model":"m","messages":[],"stream":true}'

test.after.each(runClock)

const OK: Script = (request) => request.write(whole('200 OK', `from ${request.header('host')}`))

interface Pair {
  readonly relay: TestRelay
  readonly first: ScriptedUpstream
  readonly second: ScriptedUpstream
  /** Posts a body on a new connection. */
  ask(body?: string, path?: string): Promise<Response>
  /** The record of the only request. */
  record(): Promise<LogLine>
}

interface Settings {
  readonly route?: Record<string, unknown>
  readonly settings?: Record<string, unknown>
  readonly first?: Record<string, unknown>
}

/** Runs a relay with a route to the first upstream, and to the second one as its failover. */
async function withPair(
  scripts: readonly [Script | readonly Script[], Script | readonly Script[]],
  act: (pair: Pair) => Promise<void>,
  { route = {}, settings = {}, first: entry = {} }: Settings = {},
): Promise<void> {
  const first = await ScriptedUpstream.start(scripts[0])
  const second = await ScriptedUpstream.start(scripts[1])
  const relay = await startRelay(
    { a: { baseUrl: first.url, ...entry }, b: { baseUrl: second.url } },
    { routes: [{ targets: [{ upstream: 'a' }, { upstream: 'b' }], ...route }], ...settings },
  )
  const ask = (body = BODY, path = '/v1/chat/completions'): Promise<Response> => post(relay, path, body)
  try {
    await act({ relay, first, second, ask, record: async () => (await relay.records(1))[0] as LogLine })
  } finally {
    await relay.close()
    await first.close().catch(() => {})
    await second.close()
  }
}

const status =
  (line: string, ...headers: string[]): Script =>
  (request) =>
    request.write(whole(line, '{"error":{"message":"later"}}', ...headers))

for (const line of [
  '500 Oops',
  '502 Bad Gateway',
  '503 Busy',
  '529 Overloaded',
  '429 Too Many',
  '408 Late',
  '409 Conflict',
]) {
  test(`a response ${line} does not reach the client if the next target succeeds`, async () => {
    await withPair([status(line), OK], async ({ ask, first, second, record }) => {
      const response = await ask()
      assert.is(response.status, 200)
      assert.is(response.body.toString(), `from 127.0.0.1:${second.port}`)
      assert.is((await first.request(0)).body.toString(), BODY)
      assert.is((await second.request(0)).body.toString(), BODY)
      const { attempts, failed_attempts, upstream, status, end, error_code } = await record()
      assert.equal(
        { attempts, failed_attempts, upstream, status, end, error_code },
        {
          attempts: 2,
          failed_attempts: `a ${line.slice(0, 3)}`,
          upstream: 'b',
          status: 200,
          end: 'done',
          error_code: null,
        },
      )
    })
  })
}

for (const line of ['400 Bad', '404 None', '413 Large', '422 Odd', '501 Never']) {
  test(`a response ${line} reaches the client, because the next target would send the same`, async () => {
    await withPair([status(line), OK], async ({ ask, second, record }) => {
      const response = await ask()
      assert.is(response.status, Number(line.slice(0, 3)))
      assert.is(second.requests.length, 0)
      assert.is((await record()).attempts, 1)
    })
  })
}

const DEATHS: Array<[string, Script]> = [
  ['closes the connection', step.end()],
  ['resets the connection', step.reset()],
  ['sends half a head and closes', (request) => request.write('HTTP/1.1 200 O').then(() => request.end())],
  ['sends no HTTP', (request) => request.write('SSH-2.0-x\r\n\r\n')],
]

for (const [name, script] of DEATHS) {
  test(`a request goes to the next target if one ${name} before the response`, async () => {
    await withPair([script, OK], async ({ ask, record }) => {
      const response = await ask()
      assert.is(response.status, 200, response.body.toString())
      const { attempts, upstream, failed_attempts } = await record()
      assert.equal({ attempts, upstream }, { attempts: 2, upstream: 'b' })
      assert.match(String(failed_attempts), /^a \w+$/, String(failed_attempts))
    })
  })
}

test('any request goes to the next target if one cannot be connected', async () => {
  await withPair([OK, OK], async ({ ask, first, record }) => {
    await first.close()
    const response = await ask('{}', '/v1/images/generations')
    assert.is(response.status, 200)
    assert.is((await record()).failed_attempts, 'a ECONNREFUSED')
  })
})

test('a request that may have created something upstream is not repeated', async () => {
  await withPair([step.end(), OK], async ({ ask, second, record }) => {
    const response = await ask('{}', '/v1/images/generations')
    assert.is(response.status, 502)
    assert.is(second.requests.length, 0)
    assert.is((await record()).end, 'upstream_failed')
  })
})

test('the failover setting of a route overrides the default for its requests', async () => {
  await withPair(
    [status('503 Busy'), OK],
    async ({ ask, second }) => {
      assert.is((await ask()).status, 503)
      assert.is(second.requests.length, 0)
    },
    { route: { failover: false } },
  )
  await withPair(
    [status('503 Busy'), OK],
    async ({ ask }) => assert.is((await ask('{}', '/v1/images/x')).status, 200),
    {
      route: { failover: true },
    },
  )
})

test('a request goes to the next target if one does not respond within firstByteMs', async () => {
  await withPair(
    [step.hang(), OK],
    async ({ ask, first, record }) => {
      const pass = stopClock()
      const answer = ask()
      const request = await first.request(0)
      pass(101)
      assert.is((await answer).status, 200)
      await request.ended()
      assert.is((await record()).failed_attempts, 'a firstByteMs')
    },
    { first: { timeouts: { firstByteMs: 100 } } },
  )
})

test('when all targets have failed, the client gets the last error response', async () => {
  await withPair(
    [status('429 Slow Down', 'retry-after: 7', 'x-request-id: of-a'), OK],
    async ({ ask, second, record }) => {
      await second.close()
      const response = await ask()
      assert.is(response.status, 429)
      assert.is(response.reason, 'Slow Down')
      assert.is(response.header('retry-after'), '7')
      assert.is(response.header('x-request-id'), 'of-a')
      assert.is(response.header('x-thinwire-error'), undefined)
      assert.is(response.body.toString(), '{"error":{"message":"later"}}')
      const { attempts, failed_attempts, upstream, status, end } = await record()
      assert.equal(
        { attempts, failed_attempts, upstream, status, end },
        { attempts: 2, failed_attempts: 'a 429, b ECONNREFUSED', upstream: 'a', status: 429, end: 'done' },
      )
    },
  )
  await withPair([status('500 A'), status('503 B')], async ({ ask }) => assert.is((await ask()).status, 503))
})

test('the relay waits for the rest of an error response, and sends its own error if the rest does not come', async () => {
  const slowly: Script = async (request) => {
    await request.write(head('503 Busy', 'content-length: 4'))
    await wait(50)
    await request.write('busy')
  }
  await withPair([slowly, step.end()], async ({ ask }) => {
    const response = await ask()
    assert.is(response.status, 503)
    assert.is(response.body.toString(), 'busy')
  })
  const half: Script = (request) => request.write(`${head('503 Busy', 'content-length: 4')}bu`)
  await withPair([half, step.end()], async ({ ask, first }) => {
    const response = await ask()
    assert.is(response.status, 502)
    assert.is(response.header('x-thinwire-error'), 'upstream_cut')
    await (await first.request(0)).ended()
  })
})

test('an error response that is too long to keep is dropped, and the next target is used', async () => {
  const long: Script = (request) =>
    request.write(head('500 Oops', 'content-length: 1000000') + 'x'.repeat(200_000))
  await withPair([long, OK], async ({ ask, first }) => {
    assert.is((await ask()).status, 200)
    await (await first.request(0)).ended()
  })
})

test('a request is not sent to another target after the client got a first byte', async () => {
  const cut: Script = async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk('data: 1\n\n')
    request.reset()
  }
  await withPair([cut, OK], async ({ ask, second, record }) => {
    const response = await ask()
    assert.not(response.complete)
    assert.is(response.body.toString(), 'data: 1\n\n')
    assert.is(second.requests.length, 0)
    assert.is((await record()).end, 'upstream_cut')
  })
})

test('a client that leaves during the second attempt cancels it', async () => {
  await withPair([status('503 Busy'), step.hang()], async ({ relay, second, record }) => {
    const client = await relay.client()
    client.send(
      `POST /v1/chat/completions HTTP/1.1\r\n${auth(relay)}content-length: ${BODY.length}\r\n\r\n${BODY}`,
    )
    const request = await second.request(0)
    client.destroy()
    await request.ended()
    const { end, attempts, failed_attempts } = await record()
    assert.equal(
      { end, attempts, failed_attempts },
      { end: 'client_gone', attempts: 2, failed_attempts: 'a 503' },
    )
  })
})

test('a target that sends Retry-After gets no requests for that time', async () => {
  await withPair([status('429 Later', 'retry-after: 30'), OK], async ({ ask, first, second }) => {
    await ask()
    for (let i = 0; i < 3; i++) assert.is((await ask()).status, 200)
    assert.is(first.requests.length, 1)
    assert.is(second.requests.length, 4)
  })
})

test('a target that fails again and again is used after the others, and the log names it', async () => {
  await withPair([step.end(), OK], async ({ ask, first, relay }) => {
    for (let i = 0; i < 8; i++) assert.is((await ask()).status, 200)
    assert.is(first.requests.length, 5)
    const line = relay.lines.find(({ target }) => target === 'a')
    assert.equal([line?.from, line?.to], ['closed', 'open'])
  })
})

test('a request on a stale connection is repeated on a fresh one to the same target', async () => {
  let asked = 0
  const stale: Script = async (request) => {
    asked++
    // The second request on the first connection gets a close.
    if (request.connection === 1 && asked === 2) request.end()
    else await request.write(whole('200 OK', 'ok'))
  }
  const upstream = await ScriptedUpstream.start(stale)
  const relay = await startRelay(upstream.url)
  const client = await relay.client()
  for (let i = 0; i < 2; i++) {
    client.send(`POST /v1/chat/completions HTTP/1.1\r\n${auth(relay)}content-length: 2\r\n\r\n{}`)
    assert.is((await client.response(i)).status, 200)
  }
  assert.is(upstream.requests.length, 3)
  assert.is(upstream.connections, 2)
  const [, second] = await relay.records(2)
  assert.is(second?.attempts, 2)
  assert.match(String(second?.failed_attempts), /^up /)
  await relay.close()
  await upstream.close()
})

test('a stream without an event within firstTokenMs leads to the next target', async () => {
  const silent: Script = async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk(': keep-alive\n\n')
    await request.hang()
  }
  await withPair(
    [silent, OK],
    async ({ ask, first, record }) => {
      const response = await ask()
      assert.match(response.body.toString(), /^from/)
      await (await first.request(0)).ended()
      assert.is((await record()).failed_attempts, 'a firstTokenMs')
    },
    { route: { firstTokenMs: 100 }, settings: { timeouts: { idleMs: 2_000 } } },
  )
})

test('the held-back beginning of a stream reaches the client byte for byte', async () => {
  const slow: Script = async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk(': keep-alive\n\n')
    await request.chunk('da')
    await wait(20)
    await request.chunk('ta: 1\n\n')
    await request.chunk('data: [DONE]\n\n')
    await request.lastChunk()
  }
  await withPair(
    [slow, OK],
    async ({ ask, second }) => {
      const response = await ask()
      assert.ok(response.complete)
      assert.is(response.body.toString(), ': keep-alive\n\ndata: 1\n\ndata: [DONE]\n\n')
      assert.is(second.requests.length, 0)
    },
    { route: { firstTokenMs: 5_000 } },
  )
})

test('a held-back empty response reaches the client, and a held-back cut leads to the next target', async () => {
  const empty: Script = (request) => request.write(whole('200 OK', ''))
  await withPair([empty, OK], async ({ ask }) => assert.is((await ask()).body.length, 0), {
    route: { firstTokenMs: 5_000 },
  })
  const dead: Script = async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    request.reset()
  }
  await withPair([dead, OK], async ({ ask }) => assert.match((await ask()).body.toString(), /^from/), {
    route: { firstTokenMs: 5_000 },
  })
})

test('the second target gets the whole body if the first one fails within the upload', async () => {
  await withPair([step.end(), OK], async ({ relay, second, record }) => {
    const client = await relay.client()
    const body = `{"model":"m","tools":[],"messages":"${'x'.repeat(100_000)}"}`
    client.send(`POST /v1/chat/completions HTTP/1.1\r\n${auth(relay)}content-length: ${body.length}\r\n\r\n`)
    client.send(body.slice(0, 70_000))
    await wait(50)
    client.send(body.slice(70_000))
    assert.is((await client.response()).status, 200)
    assert.is((await second.request(0)).body.toString(), body)
    assert.is((await record()).upstream, 'b')
  })
})

test('each target gets its own name of the model', async () => {
  await withPair(
    [status('503 Busy'), OK],
    async ({ ask, first, second }) => {
      await ask('{"model":"fast","x":1}')
      assert.is((await first.request(0)).body.toString(), '{"model":"one","x":1}')
      assert.is((await second.request(0)).body.toString(), '{"model":"two-long","x":1}')
    },
    {
      settings: {
        models: {
          fast: {
            targets: [
              { upstream: 'a', model: 'one' },
              { upstream: 'b', model: 'two-long' },
            ],
          },
        },
      },
    },
  )
})

test('all clients that share a response get that of the second target', async () => {
  await withPair([step.hang(), OK], async ({ relay, first, second }) => {
    const body = '{"model":"m","prompt":"x"}'
    const bytes = `POST /v1/completions HTTP/1.1\r\n${auth(relay)}content-length: ${body.length}\r\n\r\n${body}`
    const clients = await Promise.all([relay.client(), relay.client(), relay.client()])
    for (const client of clients) {
      client.send(bytes)
      await until(() => relay.inspect().openCount === clients.indexOf(client) + 1, 'it to be read')
    }
    const request = await first.request(0)
    // The client that is billed leaves.
    clients[0]?.destroy()
    await until(() => relay.inspect().openCount === 2, 'it to be gone')
    request.end()
    for (const client of clients.slice(1)) assert.match((await client.response()).body.toString(), /^from/)
    assert.is(second.requests.length, 1)
    const records = await relay.records(3)
    const told = records.map(({ cache, attempts, failed_attempts, upstream }) => [
      cache,
      attempts,
      failed_attempts,
      upstream,
    ])
    // The attempts are in one record only, and not in that of the client that left.
    assert.equal(told[0], ['joined', 0, null, 'a'])
    assert.equal(told.slice(1).sort(), [
      ['joined', 0, null, 'b'],
      ['miss', 2, 'a UND_ERR_SOCKET', 'b'],
    ])
    for (const client of clients) client.destroy()
  })
})

test.run()
