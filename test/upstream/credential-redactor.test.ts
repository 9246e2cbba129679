import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createUpstreamConfig, type UpstreamConfig } from '../../src/config/upstreams.js'
import { CredentialRedactor } from '../../src/upstream/credential-redactor.js'
import { auth, startRelay } from '../support/relay.js'
import { CHUNKED, head, type Script, ScriptedUpstream, whole } from '../support/upstream.js'

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

test('successful and compressed responses, and those with only part of the credential, pass byte for byte', async () => {
  const packed = gzipSync(REPEATED)
  const begun = JSON.stringify({ error: { message: `no ${KEY.slice(0, 8)}***, in-the-open` } })
  const ANSWERS: Array<[string, string | Buffer, string]> = [
    ['200 OK', REPEATED, 'content-type: application/json'],
    ['401 No', packed, 'content-encoding: gzip'],
    ['401 No', begun, 'content-type: application/json'],
  ]
  for (const [status, body, header] of ANSWERS) {
    const { response } = await relayed((request) => request.write(whole(status, body, header)))
    assert.ok(response.body.equals(Buffer.from(body as string)), status)
  }
})

test.run()
