import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { withRelay } from '../../support/scene.js'
import { wait } from '../../support/until.js'
import { CHUNKED, head, type Script, SSE } from '../../support/upstream.js'

/** Values by what their bytes are. Each char is one byte. */
const VALUES: ReadonlyArray<readonly [string, string]> = [
  ['Latin-1', 'caf\xe9'],
  ['UTF-8', Buffer.from('\u65e5\u672c \u00e9.txt').toString('latin1')],
  [
    'all that are allowed above 0x7f',
    Buffer.from(Array.from({ length: 128 }, (_, i) => i + 128)).toString('latin1'),
  ],
]

/** Names that Node or the relay treats in a way of their own are among them. */
const NAMES = ['x-value', 'content-disposition', 'set-cookie', 'server', 'x-request-id']

const BODY = 'data: {"a":1}\n\n'
const latin1 = (text: string): Buffer => Buffer.from(text, 'latin1')

/** How the upstream sends a head with these lines, and a body. */
const WAYS: ReadonlyArray<readonly [string, (status: string, lines: string[]) => Script]> = [
  [
    'chunks, head ahead of the body',
    (status, lines) => async (request) => {
      await request.write(latin1(head(status, SSE, CHUNKED, ...lines)))
      await wait(30)
      await request.chunk(BODY)
      await request.lastChunk()
    },
  ],
  [
    'chunks, in one piece with the head',
    (status, lines) => async (request) => {
      const text = `${head(status, SSE, CHUNKED, ...lines)}${BODY.length.toString(16)}\r\n${BODY}\r\n0\r\n\r\n`
      await request.write(latin1(text))
    },
  ],
  [
    'a length, head ahead of the body',
    (status, lines) => async (request) => {
      await request.write(latin1(head(status, `content-length: ${BODY.length}`, ...lines)))
      await wait(30)
      await request.write(BODY)
    },
  ],
  [
    'a length, in one piece with the head',
    (status, lines) => async (request) => {
      await request.write(latin1(`${head(status, `content-length: ${BODY.length}`, ...lines)}${BODY}`))
    },
  ],
  [
    'a large body with a length',
    (status, lines) => async (request) => {
      const body = BODY.repeat(20_000)
      await request.write(latin1(`${head(status, `content-length: ${body.length}`, ...lines)}${body}`))
    },
  ],
  [
    'no body',
    (status, lines) => async (request) => {
      await request.write(latin1(head(status, 'content-length: 0', ...lines)))
    },
  ],
  [
    'a close at the end',
    (status, lines) => async (request) => {
      await request.write(latin1(head(status, 'connection: close', ...lines)))
      await wait(30)
      await request.write(BODY)
      request.end()
    },
  ],
]

for (const [what, way] of WAYS) {
  for (const status of ['200 OK', '429 Slow']) {
    test(`header values above 0x7f pass byte for byte: ${what}, status ${status}`, async () => {
      for (const [bytes, value] of VALUES) {
        const lines = NAMES.map((name) => `${name}: ${value}`)
        await withRelay(way(status, lines), async (scene) => {
          const response = await scene.ask(`GET /v1/x HTTP/1.1\r\n${scene.auth}\r\n`)
          assert.is(`${response.status} ${response.reason}`, status, response.body.toString())
          assert.equal(
            NAMES.map((name) => response.header(name)),
            NAMES.map(() => value),
            bytes,
          )
        })
      }
    })
  }

  test(`a reason above 0x7f passes byte for byte: ${what}`, async () => {
    for (const [bytes, value] of VALUES) {
      await withRelay(way(`200 ${value}`, []), async (scene) => {
        const response = await scene.ask(`GET /v1/x HTTP/1.1\r\n${scene.auth}\r\n`)
        assert.is(response.status, 200, response.body.toString())
        assert.is(response.reason, value, bytes)
      })
    }
  })
}

test('header values above 0x7f pass byte for byte from the cache, and to those who share a response', async () => {
  const [, value] = VALUES[0] as (typeof VALUES)[number]
  const body = '{"id":"1","choices":[{"text":"x","finish_reason":"stop"}]}'
  const script: Script = async (request) => {
    await wait(30)
    await request.write(
      latin1(
        `${head('200 OK', 'content-type: application/json', `content-length: ${body.length}`, `x-value: ${value}`, `content-disposition: ${value}`)}${body}`,
      ),
    )
  }
  const prompt = '{"model":"m","prompt":"once upon","max_tokens":16,"temperature":0}'
  await withRelay(
    script,
    async (scene) => {
      const ask = () =>
        scene.ask(
          `POST /v1/completions HTTP/1.1\r\n${scene.auth}content-length: ${prompt.length}\r\n\r\n${prompt}`,
        )
      const responses = [...(await Promise.all([ask(), ask()])), await ask()]
      for (const response of responses) {
        assert.is(response.status, 200, response.body.toString())
        assert.is(response.header('x-value'), value)
        assert.is(response.header('content-disposition'), value)
      }
      assert.is(scene.upstream.requests.length, 1)
      assert.equal(responses.map((response) => response.header('x-thinwire-cache')).sort(), [
        'hit',
        'joined',
        'miss',
      ])
    },
    { cache: { enabled: true } },
  )
})

test('header values above 0x7f pass byte for byte with a response that is translated', async () => {
  const [, value] = VALUES[0] as (typeof VALUES)[number]
  const done =
    'event: response.completed\ndata: {"type":"response.completed","response":{"id":"r","created_at":1,"model":"m","status":"completed","output":[]}}\n\n'
  const script: Script = async (request) => {
    await request.write(latin1(head('200 OK', SSE, CHUNKED, `x-value: ${value}`)))
    await wait(30)
    await request.chunk(done)
    await request.lastChunk()
  }
  await withRelay(script, async (scene) => {
    const body = '{"model":"m","stream":true,"user":"u","input":[{"role":"user","content":"hi"}]}'
    const response = await scene.ask(
      `POST /cursor/v1/chat/completions HTTP/1.1\r\n${scene.auth}content-length: ${body.length}\r\n\r\n${body}`,
    )
    assert.is(response.status, 200, response.body.toString())
    assert.match(response.body.toString(), /\[DONE\]/)
    assert.is(response.header('x-value'), value)
  })
})

test.run()
