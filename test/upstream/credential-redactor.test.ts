import { brotliCompressSync, deflateSync, gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createUpstreamConfig, type UpstreamConfig } from '../../src/config/upstreams.js'
import { CredentialRedactor } from '../../src/upstream/credential-redactor.js'
import { auth, startRelay } from '../support/relay.js'
import { CHUNKED, head, type Script, ScriptedUpstream, SSE, whole } from '../support/upstream.js'

const SECRET = 'aab-aab-secret/1'

function redactorOf(secrets: readonly string[]): CredentialRedactor {
  const config: UpstreamConfig = { ...createUpstreamConfig('up', 'http://x', {} as never), secrets }
  const redactor = CredentialRedactor.of(config)
  if (redactor === null) throw new Error('nothing to hide')
  return redactor
}

function redact(secrets: readonly string[], pieces: readonly string[]): string {
  const body = redactorOf(secrets).body()
  const passed = pieces.map((piece) => body.push(Buffer.from(piece)).toString())
  return passed.join('') + body.end().toString()
}

const STARS = '*'.repeat(SECRET.length)
const TEXTS: Array<[string, string]> = [
  [`key: ${SECRET}.`, `key: ${STARS}.`],
  [SECRET, STARS],
  [`${SECRET}${SECRET} aab-${SECRET}`, `${STARS}${STARS} aab-${STARS}`],
  // Only its beginning, all but its last byte, all but its first byte.
  [
    `aab-**** ${SECRET.slice(0, -1)} ${SECRET.slice(1)}`,
    `aab-**** ${SECRET.slice(0, -1)} ${SECRET.slice(1)}`,
  ],
  [encodeURIComponent(SECRET), '*'.repeat(SECRET.length + 2)],
  ['aab-aab-aab-aab-', 'aab-aab-aab-aab-'],
]

for (const [text, expected] of TEXTS) {
  test(`${text} becomes ${expected}, wherever it is split into chunks`, () => {
    assert.is(redact([SECRET], [text]), expected)
    for (let i = 1; i < text.length; i++)
      assert.is(redact([SECRET], [text.slice(0, i), text.slice(i)]), expected, `cut at ${i}`)
    assert.is(redact([SECRET], [...text]), expected)
  })
}

test('two secrets with a common beginning are both hidden', () => {
  const longer = `${SECRET}-and-more`
  for (const secrets of [
    [SECRET, longer],
    [longer, SECRET],
  ])
    assert.is(redact(secrets, [`${longer} ${SECRET}`]), `${'*'.repeat(longer.length)} ${STARS}`)
})

test('only the possible beginning of a secret is held back, and a chunk is not changed in place', () => {
  const body = redactorOf([SECRET]).body()
  assert.is(body.push(Buffer.from('an error')).toString(), 'an error')
  assert.is(body.push(Buffer.from(' of aab')).toString(), ' of ')
  assert.is(body.push(Buffer.from(' things')).toString(), 'aab things')
  const piece = Buffer.from(SECRET)
  assert.is(body.push(piece).toString(), STARS)
  assert.is(piece.toString(), SECRET)
})

test('a placeholder for no credential is not searched for', () => {
  const config: UpstreamConfig = {
    ...createUpstreamConfig('up', 'http://x', {} as never),
    secrets: ['ollama', 'none'],
  }
  assert.is(CredentialRedactor.of(config), null)
})

const KEY = 'sk-key-of-the-upstream'
const HEADER = 'the-secret-of-a-header'
const STARRED = JSON.stringify({
  error: { message: `no ${'*'.repeat(KEY.length)}, ${'*'.repeat(HEADER.length)}` },
})
const REPEATED = JSON.stringify({ error: { message: `no ${KEY}, ${HEADER}` } })

/** Relays one response. @returns what the client got, and the record */
async function relayed(script: Script, auth_ = 'bearer') {
  const upstream = await ScriptedUpstream.start(script)
  const headers = { 'x-more': { env: 'HEADER', prefix: 'Secret ' }, 'x-plain': 'in-the-open' }
  const relay = await startRelay(
    { up: { baseUrl: upstream.url, apiKey: { env: 'KEY' }, auth: auth_, headers } },
    {},
    { KEY, HEADER },
  )
  const client = await relay.client()
  try {
    client.send(`POST /v1/x HTTP/1.1\r\n${auth(relay)}content-length: 2\r\n\r\n{}`)
    const response = await client.response()
    const [record] = await relay.records(1)
    return { response, record }
  } finally {
    client.destroy()
    await relay.close()
    await upstream.close()
  }
}

for (const scheme of ['bearer', 'x-api-key', 'api-key', 'x-goog-api-key', 'anthropic', 'query']) {
  test(`an error response that repeats the credential keeps everything else, also its length (${scheme})`, async () => {
    const { response, record } = await relayed(
      (request) =>
        request.write(
          whole(`401 No ${KEY}`, REPEATED, 'content-type: application/json', `x-repeated: a ${HEADER} b`),
        ),
      scheme,
    )
    assert.is(response.status, 401)
    assert.is(response.reason, 'No ***')
    assert.is(response.header('content-length'), String(REPEATED.length))
    assert.is(response.header('x-repeated'), 'a *** b')
    assert.is(response.body.toString(), STARRED)
    assert.ok(response.complete)
    assert.is(record?.end, 'done')
    assert.is(record?.bytes_out, REPEATED.length)
  })
}

test('a credential is hidden in chunks of any size, and a body that is cut ends before it', async () => {
  for (const size of [1, 7, 30, REPEATED.length]) {
    const { response } = await relayed(async (request) => {
      await request.write(head('500 Oops', CHUNKED, 'content-type: application/json'))
      for (let at = 0; at < REPEATED.length; at += size) await request.chunk(REPEATED.slice(at, at + size))
      await request.lastChunk()
    })
    assert.ok(response.complete)
    assert.is(response.body.toString(), STARRED, `pieces of ${size}`)
  }
  const { response, record } = await relayed(async (request) => {
    await request.write(head('500 Oops', CHUNKED))
    await request.chunk(REPEATED.slice(0, REPEATED.indexOf(KEY) + KEY.length - 1))
    await new Promise((resolve) => setTimeout(resolve, 20))
    request.end()
  })
  assert.not(response.complete)
  assert.is(response.body.toString(), REPEATED.slice(0, REPEATED.indexOf(KEY)))
  assert.is(record?.end, 'upstream_cut')
})

test('what contains no credential, or only a part of one, passes byte for byte, compressed or not', async () => {
  const begun = JSON.stringify({ error: { message: `no ${KEY.slice(0, 8)}***, in-the-open` } })
  const ANSWERS: Array<[string, string | Buffer, string]> = [
    ['200 OK', begun, 'content-type: application/json'],
    ['200 OK', gzipSync(begun), 'content-encoding: gzip'],
    ['401 No', gzipSync(begun), 'content-encoding: gzip'],
    ['401 No', brotliCompressSync(begun), 'content-encoding: br'],
    ['401 No', '', 'content-encoding: gzip'],
    ['401 No', begun, 'content-type: application/json'],
  ]
  for (const [status, body, header] of ANSWERS) {
    const { response } = await relayed((request) => request.write(whole(status, body, header)))
    assert.ok(response.body.equals(Buffer.from(body as string)), `${status} ${header}`)
    assert.is(response.header('content-length'), String(Buffer.byteLength(body as string)))
    if (header.startsWith('content-encoding'))
      assert.is(response.header('content-encoding'), header.split(': ')[1])
  }
})

/** How an upstream may write what it tells back. */
const SPELLINGS: Readonly<Record<string, (key: string) => string>> = {
  plain: (key) => key,
  'in a URL': (key) => encodeURIComponent(key),
  'in JSON': (key) => JSON.stringify(key).slice(1, -1),
  'in JSON with escaped slashes': (key) => key.replaceAll('/', '\\/'),
  'in Base64': (key) => Buffer.from(key).toString('base64'),
  'in Base64, as a bearer': (key) => Buffer.from(`Bearer ${key}`).toString('base64'),
  'in Base64, behind a name': (key) => Buffer.from(`{"k":"${key}"}`).toString('base64'),
  'in Base64 for URLs': (key) => Buffer.from(`a${key}b`).toString('base64url'),
}

const LONG_KEY = 'sk-proj-4fQ/8a+0Zk2Lx9Vw7Rt1Yp3Ns6Bm5Hc'

/** No part of a key that is longer than what its first and last letters leave in Base64. */
function assertHidden(text: string, told: string, what: string): void {
  for (let at = 0; at + 16 <= told.length - 4; at++) {
    if (at >= 4) assert.not.ok(text.includes(told.slice(at, at + 16)), `${what}: ${text}`)
  }
}

async function tell(script: Script, key = LONG_KEY) {
  const upstream = await ScriptedUpstream.start(script)
  const relay = await startRelay({ up: { baseUrl: upstream.url, apiKey: { env: 'KEY' } } }, {}, { KEY: key })
  const client = await relay.client()
  try {
    client.send(`POST /v1/chat/completions HTTP/1.1\r\n${auth(relay)}content-length: 2\r\n\r\n{}`)
    return await client.response()
  } finally {
    client.destroy()
    await relay.close()
    await upstream.close()
  }
}

for (const [spelling, spell] of Object.entries(SPELLINGS)) {
  test(`a credential that is sent back ${spelling} is hidden in headers, in bodies, in errors, compressed or not`, async () => {
    const told = spell(LONG_KEY)
    const body = `{"a":"${told}","b":1}`
    const json = 'content-type: application/json'
    const ANSWERS: readonly Buffer[] = [
      whole('200 OK', body, json, `x-told: ${told}`),
      whole('200 OK', body, 'content-type: text/plain'),
      whole('401 No', body, json),
      whole('401 No', gzipSync(body), json, 'content-encoding: gzip'),
      whole('500 No', brotliCompressSync(body), json, 'content-encoding: br'),
      whole('429 No', deflateSync(body), json, 'content-encoding: deflate'),
      whole('401 No', gzipSync(body).subarray(0, -9), json, 'content-encoding: gzip'),
      whole('401 No', body, json, 'content-encoding: zstd'),
      whole('401 No', body, json, 'content-encoding: gzip, gzip'),
    ]
    for (const answer of ANSWERS) {
      const response = await tell((request) => request.write(answer))
      const what = answer.toString('latin1', 0, 200)
      const text = `${response.headers.flat().join()}\n${response.body.toString('latin1')}`
      assertHidden(text, told, what)
      if (response.header('content-encoding') === undefined) JSON.parse(response.body.toString())
    }
  })
}

test('a credential in an event stream is hidden, wherever it is divided, and each other byte stays', async () => {
  for (const told of [LONG_KEY, encodeURIComponent(LONG_KEY), LONG_KEY.replaceAll('/', '\\/')]) {
    const before = 'data: {"choices":[{"delta":{"content":"sk-proj sk-proj-4 s"}}]}\n\n'
    const event = `event: error\ndata: {"error":{"message":"bad key ${told} given"}}\n\n`
    const text = `${before}${event}data: [DONE]\n\n`
    const start = before.length + event.indexOf(told)
    const places = [1, 2, 7, 8, 9, 20, told.length - 8, told.length - 1].map((at) => start + at)
    const ways: readonly Script[] = [
      ...places.map(
        (at): Script =>
          (request) =>
            sendPieces(request, [text.slice(0, at), text.slice(at)], false),
      ),
      ...places.map(
        (at): Script =>
          (request) =>
            sendPieces(request, [text.slice(0, at), text.slice(at)], true),
      ),
      (request) => sendPieces(request, [text], false),
      (request) => sendPieces(request, [...text], true),
      (request) => sendPieces(request, text.match(/[\s\S]{1,7}/g) ?? [], false),
      (request) => request.write(whole('200 OK', text, SSE)),
    ]
    for (const [i, way] of ways.entries()) {
      const response = await tell(way)
      assert.is(response.body.toString(), text.replace(told, '*'.repeat(told.length)), `way ${i}`)
      assert.ok(response.complete)
    }
  }
})

/** @param isOneWrite all chunks are in one packet */
async function sendPieces(
  request: Parameters<Script>[0],
  pieces: readonly string[],
  isOneWrite: boolean,
): Promise<void> {
  const chunks = pieces.map((piece) => `${piece.length.toString(16)}\r\n${piece}\r\n`)
  const first = head('200 OK', CHUNKED, SSE)
  if (isOneWrite) {
    await request.write(`${first}${chunks.join('')}0\r\n\r\n`)
    return
  }
  await request.write(first)
  for (const chunk of chunks) {
    await request.write(chunk)
    await new Promise((resolve) => setImmediate(resolve))
  }
  await request.write('0\r\n\r\n')
}

test.run()
