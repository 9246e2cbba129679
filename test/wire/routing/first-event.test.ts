import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { runClock, stopClock } from '../../support/clock.js'
import { ANSWER, event, FRAMINGS, JSON_TYPE, refusing, streaming } from '../../support/failures.js'
import { targetsOf, withTargets } from '../../support/targets.js'
import { gate, until } from '../../support/until.js'
import { CHUNKED, chunk, head, type Script, SSE, whole } from '../../support/upstream.js'

test.after.each(runClock)

const DELTA = event({ choices: [{ index: 0, delta: { content: 'Hello' } }] })
const DONE = 'data: [DONE]\n\n'
const GOOD = [DELTA, event({ choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] }), DONE]

/** Errors in place of an answer, and whether another target may do better. */
const ERRORS: readonly (readonly [string, string, boolean])[] = [
  [
    'overloaded_error',
    event({ type: 'error', error: { type: 'overloaded_error', message: 'x' } }, 'error'),
    true,
  ],
  ['an error in a chunk', event({ error: { message: 'x', type: 'server_error', code: null } }), true],
  ['an error as a text', event({ error: 'upstream connect error' }), true],
  [
    'response.failed',
    event({ type: 'response.failed', response: { error: { code: 'server_error' } } }),
    true,
  ],
  ["Gemini's error", event({ error: { code: 503, message: 'x', status: 'UNAVAILABLE' } }), true],
  ['a rate limit', event({ error: { type: 'rate_limit_error', message: 'x' } }), true],
  ['a used-up quota', event({ error: { code: 'insufficient_quota', message: 'x' } }), true],
  ['a wrong key', event({ error: { type: 'authentication_error', message: 'x' } }), true],
  ['a bad request', event({ error: { type: 'invalid_request_error', message: 'x' } }), false],
  ['a prompt that is too long', event({ error: { code: 'context_length_exceeded', message: 'x' } }), false],
  [
    'a bad request by a number',
    event({ error: { code: 400, type: 'BadRequestError', message: 'x' } }),
    false,
  ],
]

const STARTS: readonly (readonly [string, readonly string[]])[] = [
  ['at once', []],
  ['after a ping', [event({ type: 'ping' }, 'ping')]],
  ['after a comment', [': keep-alive\n\n']],
  ['after an empty start', [event({ choices: [{ index: 0, delta: { role: 'assistant', content: '' } }] })]],
  [
    'after the start of a message',
    [event({ type: 'message_start', message: { content: [] } }), event({ type: 'ping' })],
  ],
]

for (const [name, error, next] of ERRORS) {
  test(`${name} in place of an answer ${next ? 'leads to the next target' : 'reaches the client'}, however it comes`, async () => {
    for (const [, start] of STARTS)
      for (const framing of FRAMINGS) {
        const bad = [...start, error]
        await withTargets([streaming(bad, framing), streaming(GOOD)], async ({ ask, record }) => {
          const response = await ask()
          assert.is(response.status, 200)
          assert.ok(response.complete)
          assert.is(response.body.toString(), (next ? GOOD : bad).join(''), framing)
          const { attempts, upstream } = await record()
          assert.equal(
            { attempts, upstream },
            next ? { attempts: 2, upstream: 'b' } : { attempts: 1, upstream: 'a' },
          )
        })
      }
  })
}

test('a stream passes byte for byte and event by event behind its held beginning, in any framing', async () => {
  for (const [, start] of STARTS)
    for (const framing of FRAMINGS)
      await withTargets([streaming([...start, ...GOOD], framing), ANSWER], async ({ ask, upstreams }) => {
        const response = await ask()
        assert.ok(response.complete)
        assert.is(response.body.toString(), [...start, ...GOOD].join(''))
        assert.is(upstreams[1]?.requests.length, 0)
      })
})

test('the first content reaches the client at once, before anything follows', async () => {
  const seen = gate()
  const held: Script = async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk(event({ type: 'ping' }, 'ping'))
    await request.chunk(DELTA)
    await seen.opened
    await request.chunk(DONE)
    await request.lastChunk()
  }
  await withTargets([held, ANSWER], async ({ relay }) => {
    const client = await relay.client()
    const body = '{"model":"m","stream":true}'
    client.send(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${relay.key}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    await client.until((it) => it.bytes.includes('Hello'), 'the first content')
    seen.open()
    assert.ok((await client.response()).complete)
    client.destroy()
  })
})

test('behind the first content the chunks of the upstream pass with their framing', async () => {
  const odd = Buffer.concat([chunk(DELTA), chunk('data: 1\n'), chunk('\ndata: 2\n\n'), chunk(DONE)])
  const script: Script = async (request) => {
    await request.write(Buffer.concat([Buffer.from(head('200 OK', SSE, CHUNKED)), odd]))
    await request.lastChunk()
  }
  await withTargets([script, ANSWER], async ({ relay }) => {
    const client = await relay.client()
    const body = '{"model":"m","stream":true}'
    client.send(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${relay.key}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
    )
    await client.response()
    assert.ok(client.bytes.includes(odd), 'other chunks')
    client.destroy()
  })
})

test('an error in place of an answer passes where no other target is left, and counts against health', async () => {
  const bad = streaming([event({ type: 'error', error: { type: 'overloaded_error' } }, 'error')])
  await withTargets([bad], async ({ relay, ask }) => {
    assert.match((await ask()).body.toString(), /overloaded_error/)
    const failures = (): number => targetsOf(relay)[0]?.breaker.snapshot(0).failures ?? 0
    await until(() => failures() === 1, 'a failure')
  })
  await withTargets([bad, bad], async ({ relay, ask }) => {
    assert.match((await ask()).body.toString(), /overloaded_error/)
    for (const target of targetsOf(relay))
      await until(() => target.breaker.snapshot(0).failures === 1, 'a failure of each')
  })
})

test('a stream that ends without content leads to the next target, and passes where there is none', async () => {
  for (const events of [[], [': hi\n\n'], [DONE], [event({ type: 'ping' }), DONE]])
    for (const framing of FRAMINGS) {
      await withTargets([streaming(events, framing), streaming(GOOD)], async ({ ask, relay }) => {
        assert.is((await ask()).body.toString(), GOOD.join(''), framing)
        assert.is(targetsOf(relay)[0]?.breaker.snapshot(0).failures, 1)
      })
      await withTargets([streaming(events, framing)], async ({ ask }) => {
        const response = await ask()
        assert.ok(response.complete)
        assert.is(response.body.toString(), events.join(''))
      })
    }
})

test('an empty stream, a cut and a silence count against the health of a single target', async () => {
  const cut: Script = async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk(DELTA)
    request.end()
  }
  const silent: Script = async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk(DELTA)
    await request.hang()
  }
  for (const script of [streaming([DONE]), streaming([]), cut, silent])
    await withTargets(
      [script],
      async ({ relay, ask }) => {
        await ask()
        await until(() => targetsOf(relay)[0]?.breaker.snapshot(0).failures === 1, 'a failure')
      },
      { settings: { timeouts: { idleMs: 200 } } },
    )
})

test('a client that leaves a good stream says nothing about the target', async () => {
  const endless: Script = async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk(DELTA)
    await request.hang()
  }
  await withTargets([endless], async ({ relay, record }) => {
    const client = await relay.client()
    client.send(
      `POST /v1/chat/completions HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${relay.key}\r\ncontent-length: 2\r\n\r\n{}`,
    )
    await client.until((it) => it.bytes.includes('Hello'), 'the first content')
    client.destroy()
    assert.is((await record()).end, 'client_gone')
    assert.is(targetsOf(relay)[0]?.breaker.snapshot(0).failures, 0)
  })
})

/** Whole bodies with status 200, and whether the next target is asked. */
const BODIES: readonly (readonly [string, unknown, boolean])[] = [
  ['an error of the server', { error: { message: 'x', type: 'server_error' } }, true],
  [
    'an overload',
    { type: 'error', error: { type: 'overloaded_error', message: 'x' }, request_id: 'r' },
    true,
  ],
  ['an error with names ahead of it', { id: 'x', object: 'error', code: 502, message: 'bad' }, true],
  [
    'a failed response',
    { id: 'r', object: 'response', status: 'failed', error: { code: 'server_error' } },
    true,
  ],
  ['a bad request', { error: { message: 'x', type: 'invalid_request_error' } }, false],
  ['an answer', { id: 'c', object: 'chat.completion', choices: [{ message: { content: 'hi' } }] }, false],
  [
    'an answer that has no error',
    { id: 'r', object: 'response', error: null, output: [{ type: 'message' }] },
    false,
  ],
  ['an answer about errors', { content: [{ text: '{"error":{"type":"server_error"}}' }] }, false],
  ['a list', [1, 2], false],
  ['an object without members', {}, false],
]

for (const [name, body, next] of BODIES) {
  test(`${name} in a whole body of status 200 ${next ? 'leads to the next target' : 'passes'}`, async () => {
    const text = JSON.stringify(body)
    const inChunks: Script = async (request) => {
      await request.write(head('200 OK', JSON_TYPE, CHUNKED))
      for (let at = 0; at < text.length; at += 5) await request.chunk(text.slice(at, at + 5))
      await request.lastChunk()
    }
    for (const script of [refusing('200 OK', body), inChunks])
      await withTargets([script, refusing('200 OK', { choices: ['b'] })], async ({ ask, relay }) => {
        const response = await ask(undefined, '{"model":"m"}')
        assert.ok(response.complete)
        assert.is(response.body.toString(), next ? '{"choices":["b"]}' : text)
        assert.is(targetsOf(relay)[0]?.breaker.snapshot(0).failures, next ? 1 : 0)
      })
  })
}

test('a stream without content is held back for no longer than heldMs, and then goes to the client', async () => {
  const seen = gate()
  const slow: Script = async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk(': wait\n\n')
    await seen.opened
    await request.chunk(GOOD.join(''))
    await request.lastChunk()
  }
  await withTargets(
    [slow, ANSWER],
    async ({ relay, upstreams }) => {
      const pass = stopClock()
      const client = await relay.client()
      client.send(
        `POST /v1/chat/completions HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${relay.key}\r\ncontent-length: 2\r\n\r\n{}`,
      )
      await until(() => (upstreams[0]?.requests.length ?? 0) === 1, 'the request')
      await until(() => {
        pass(1_001)
        return client.bytes.includes(': wait')
      }, 'the held bytes')
      seen.open()
      const response = await client.response()
      assert.is(response.body.toString(), `: wait\n\n${GOOD.join('')}`)
      client.destroy()
      assert.is(upstreams[1]?.requests.length, 0)
      assert.is(relay.inspect().boundsHit.heldMs, 1)
    },
    { settings: { timeouts: { heldMs: 1_000 } } },
  )
})

test('a stream that is translated is held and translated alike, in any framing', async () => {
  const start = event({ id: 'c', choices: [{ index: 0, delta: { role: 'assistant', content: '' } }] })
  const body = '{"model":"m","max_tokens":9,"stream":true,"messages":[{"role":"user","content":"hi"}]}'
  const route = { translate: true }
  for (const framing of FRAMINGS) {
    const good = streaming([start, ...GOOD], framing)
    for (const scripts of [[good], [good, ANSWER], [streaming([start, ERRORS[1]?.[1] ?? ''], framing), good]])
      await withTargets(
        scripts,
        async ({ ask, record }) => {
          const response = await ask('/v1/messages', body)
          assert.ok(response.complete)
          const text = response.body.toString()
          assert.match(
            text,
            /event: message_start\n[\s\S]*"text":"Hello"[\s\S]*event: message_stop\n/,
            framing,
          )
          assert.is((await record()).end, 'done')
        },
        { route, entry: { apis: ['chat'] } },
      )
  }
})

test('what is made in the background is not made a second time', async () => {
  const made = streaming([event({ type: 'response.created', response: { id: 'resp_1' } })])
  await withTargets(
    [made, ANSWER],
    async ({ ask, upstreams }) => {
      const body = '{"model":"m","background":true,"stream":true,"input":"x"}'
      assert.match((await ask('/v1/responses', body)).body.toString(), /resp_1/)
      assert.is(upstreams[1]?.requests.length, 0)
    },
    { route: { firstTokenMs: 5_000 } },
  )
})

test('a beginning that cannot be read passes as it comes', async () => {
  const odd = [
    whole('200 OK', 'x', 'content-type: audio/mpeg'),
    whole('200 OK', '{"error":{}}', JSON_TYPE, 'content-encoding: zstd'),
    whole('204 None', ''),
  ]
  for (const bytes of odd)
    await withTargets([(request) => request.write(bytes), ANSWER], async ({ ask, upstreams }) => {
      await ask()
      assert.is(upstreams[1]?.requests.length, 0)
    })
})

test.run()
