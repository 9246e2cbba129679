import * as zlib from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Response } from '../../support/client.js'
import { auth, startRelay, type TestRelay } from '../../support/relay.js'
import { ScriptedUpstream, whole } from '../../support/upstream.js'

type Encode = (text: Buffer) => Buffer

const encodeZstd = (zlib as { readonly zstdCompressSync?: Encode }).zstdCompressSync

const CODINGS: readonly (readonly [string, Encode])[] = [
  ['gzip', (text) => zlib.gzipSync(text)],
  ['X-GZIP', (text) => zlib.gzipSync(text)],
  ['deflate', (text) => zlib.deflateSync(text)],
  ['br', (text) => zlib.brotliCompressSync(text)],
  ...(encodeZstd === undefined ? [] : [['zstd', encodeZstd] as const]),
]

const MODELS = { alias: { upstream: 'up', model: 'real' } }

async function withRelay(
  settings: Record<string, unknown>,
  act: (relay: TestRelay, upstream: ScriptedUpstream) => Promise<void>,
): Promise<void> {
  const upstream = await ScriptedUpstream.start((request) => request.write(whole('200 OK', '{}')))
  const relay = await startRelay({ up: { baseUrl: upstream.url } }, settings)
  try {
    await act(relay, upstream)
  } finally {
    await relay.close()
    await upstream.close()
  }
}

async function send(
  relay: TestRelay,
  body: Buffer,
  headers: readonly string[],
  path = '/v1/chat/completions',
): Promise<Response> {
  const client = await relay.client()
  const lines = headers.map((line) => `${line}\r\n`).join('')
  client.send(
    Buffer.concat([
      Buffer.from(`POST ${path} HTTP/1.1\r\n${auth(relay)}${lines}content-length: ${body.length}\r\n\r\n`),
      body,
    ]),
  )
  const response = await client.response()
  client.destroy()
  return response
}

const PROMPT = `"messages":[{"role":"user","content":"${'word \u00e9 '.repeat(2_000)}"}]`

test('an encoded body passes as it came, and its model is recorded', () =>
  withRelay({}, async (relay, upstream) => {
    for (const [coding, encode] of CODINGS) {
      const body = encode(Buffer.from(`{"model":"m-${coding}",${PROMPT}}`))
      assert.is((await send(relay, body, [`content-encoding: ${coding}`])).status, 200)
      const request = upstream.requests.at(-1)
      assert.ok(request?.body.equals(body), coding)
      assert.is(request?.header('content-encoding'), coding)
    }
    const records = await relay.records(CODINGS.length)
    assert.equal(
      records.map(({ model }) => model),
      CODINGS.map(([coding]) => `m-${coding}`),
    )
  }))

test('where its model has to change, its text is sent, without the coding and with its own length', () =>
  withRelay({ models: MODELS }, async (relay, upstream) => {
    for (const [coding, encode] of CODINGS) {
      const body = encode(Buffer.from(`{"model":"alias",${PROMPT}}`))
      assert.is((await send(relay, body, [`content-encoding: ${coding}`])).status, 200)
      const request = upstream.requests.at(-1)
      assert.is(request?.body.toString(), `{"model":"real",${PROMPT}}`, coding)
      assert.is(request?.header('content-encoding'), undefined)
      assert.is(request?.header('content-length'), String(request?.body.length))
    }
  }))

test('an encoded chat of Cursor is read and translated as a plain one', () =>
  withRelay({ models: MODELS }, async (relay, upstream) => {
    for (const encode of [
      CODINGS[0]?.[1] as Encode,
      (text: Buffer) => Buffer.concat([Buffer.from('\ufeff'), text]),
    ]) {
      const body = encode(Buffer.from(`{"model":"alias",${PROMPT}}`))
      const headers = body[0] === 0x1f ? ['content-encoding: gzip'] : []
      assert.is((await send(relay, body, headers, '/cursor/v1/chat/completions')).status, 200)
      const text = upstream.requests.at(-1)?.body.toString().replace('\ufeff', '') ?? ''
      assert.is(JSON.parse(text).model, 'real')
    }
  }))

/** Bodies that cannot be read: what they get where a rule depends on the model. */
const UNREADABLE: readonly (readonly [string, Buffer, string, number])[] = [
  ['an unknown coding', Buffer.from('x'), 'content-encoding: compress', 415],
  ['several codings', zlib.gzipSync(zlib.gzipSync('{}')), 'content-encoding: gzip, gzip', 415],
  ['a cut body', zlib.gzipSync('{"model":"m"}').subarray(0, -9), 'content-encoding: gzip', 400],
  ['a body that is not encoded', Buffer.from('{"model":"m"}'), 'content-encoding: br', 400],
  ['a bomb', zlib.gzipSync(Buffer.alloc(8 * 1024 * 1024)), 'content-encoding: gzip', 413],
  ['too long a text', zlib.gzipSync(Buffer.alloc(1024 * 1024 + 1)), 'content-encoding: gzip', 413],
  ['UTF-16', Buffer.from('{"model":"m"}', 'utf16le'), 'x: y', 400],
  ['a list', Buffer.from('[{"model":"m"}]'), 'x: y', 400],
  ['another charset', Buffer.from('{"model":"m"}'), 'content-type: application/json; charset=shift_jis', 415],
  ['a form without an end', Buffer.from('--b\r\n'), 'content-type: multipart/form-data; boundary=b', 400],
]

for (const [what, body, header, status] of UNREADABLE) {
  const limits = what === 'too long a text' ? { bodyBytes: 1024 * 1024 } : {}
  test(`${what} passes as it came where no rule depends on the model, and is refused with ${status} where one does`, async () => {
    await withRelay({ limits }, async (relay, upstream) => {
      assert.is((await send(relay, body, [header])).status, 200)
      assert.ok(upstream.requests[0]?.body.equals(body))
    })
    await withRelay({ limits, models: MODELS }, async (relay, upstream) => {
      const response = await send(relay, body, [header])
      assert.is(response.status, status)
      assert.match(JSON.parse(response.body.toString()).error.message, /^.{30,}\. [A-Z].+\.$/)
      assert.is(upstream.requests.length, 0)
      if (what === 'a bomb') assert.is(relay.inspect().boundsHit.bodyRatio, 1)
    })
  })
}

const FILE = Buffer.from([...Array(3_000).keys()].map((i) => i % 256))
const PART = '--x-b\r\nContent-Disposition: form-data; name="model"\r\n\r\n'

function formOf(model: string): Buffer {
  return Buffer.concat([
    Buffer.from('--x-b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'),
    FILE,
    Buffer.from(`\r\n${PART}${model}\r\n--x-b--\r\n`),
  ])
}

test('the model of a form is read and replaced, and each other byte stays', () =>
  withRelay({ models: MODELS }, async (relay, upstream) => {
    for (const path of ['/v1/audio/transcriptions', '/v1/images/edits']) {
      for (const type of ['boundary=x-b', 'boundary="x-b"']) {
        const header = `content-type: multipart/form-data; ${type}`
        assert.is((await send(relay, formOf('alias'), [header], path)).status, 200)
        const request = upstream.requests.at(-1)
        assert.ok(request?.body.equals(formOf('real')))
        assert.is(request?.header('content-length'), String(formOf('real').length))
      }
    }
  }))

test('a form at a deployment of Azure gets the model of the path', () =>
  withRelay({}, async (relay, upstream) => {
    const header = 'content-type: multipart/form-data; boundary=x-b'
    const path = '/openai/deployments/whisper/audio/transcriptions'
    const end = '--x-b--\r\n'
    const field = '--x-b\r\nContent-Disposition: form-data; name="x"\r\n\r\n1\r\n'
    assert.is((await send(relay, Buffer.from(field + end), [header], path)).status, 200)
    assert.is(upstream.requests[0]?.body.toString(), `${PART}whisper\r\n${field}${end}`)
    assert.is((await send(relay, formOf('other'), [header], path)).status, 200)
    assert.ok(upstream.requests[1]?.body.equals(formOf('whisper')))
  }))

test.run()
