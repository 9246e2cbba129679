import { METHODS } from 'node:http'
import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { randomBytes } from '../../support/random.js'
import { OK, type Scene, withRelay } from '../../support/scene.js'
import type { Received } from '../../support/upstream.js'

/** Sends a POST with a content-length. @returns the request as the upstream got it */
function post(scene: Scene, path: string, body: Buffer, ...headers: string[]): Promise<Received> {
  const lines = headers.map((line) => `${line}\r\n`).join('')
  const head = `POST ${path} HTTP/1.1\r\n${scene.auth}content-length: ${body.length}\r\n${lines}\r\n`
  return scene.relayed(Buffer.concat([Buffer.from(head, 'latin1'), body]))
}

/** The headers that the upstream got, without those of every upstream connection. */
function crossed(request: Received): string[] {
  return request.headers
    .filter(([name]) => name !== 'host' && name !== 'connection')
    .map(([name, value]) => `${name}: ${value}`)
}

test('path and query reach the upstream byte for byte', () =>
  withRelay(OK, async (scene) => {
    const targets = [
      '/v1/x?a=b%20c&x',
      '/v1/messages?beta=true',
      '/v1/files/a%2fb%2Fc%20%c3%A9;v=1?name=%e9&&=;',
      '/v1/x?',
      '/v1/x??a=//b/../c/%2e%2e/d',
      '/v1/x?q={"a"|^}+%',
      '/v1/deployments/gpt-4.1/chat/completions?api-version=2024-10-21',
      "/v1/nobody/knows:this@path!$&'()*+,=~",
    ]
    for (const target of targets) {
      const request = await scene.relayed(`GET ${target} HTTP/1.1\r\n${scene.auth}\r\n`)
      assert.is(request.target, target)
    }
  }))

test('a path from a misspelled base URL is corrected', () =>
  withRelay(OK, async (scene) => {
    const targets: Array<[string, string]> = [
      ['/chat/completions', '/v1/chat/completions'],
      ['/v1/v1/chat/completions', '/v1/chat/completions'],
      ['//v1//chat///completions', '/v1/chat/completions'],
      ['/v1//v1/v1/models/', '/v1/models'],
      ['/v1/models/?a=//b/', '/v1/models?a=//b/'],
      // Only a whole segment is the version.
      ['/v1beta/models', '/v1/v1beta/models'],
      ['/v10/models', '/v1/v10/models'],
    ]
    for (const [sent, got] of targets) {
      const request = await scene.relayed(`GET ${sent} HTTP/1.1\r\n${scene.auth}\r\n`)
      assert.is(request.target, got)
    }
  }))

test('every method but TRACE is relayed', () =>
  withRelay(OK, async (scene) => {
    for (const method of [
      'GET',
      'POST',
      'PUT',
      'PATCH',
      'DELETE',
      'QUERY',
      'PROPFIND',
      'PURGE',
      'M-SEARCH',
    ]) {
      // Which methods Node's parser knows depends on its release; QUERY is new.
      if (!METHODS.includes(method)) continue
      const request = await scene.relayed(`${method} /v1/x HTTP/1.1\r\n${scene.auth}\r\n`)
      assert.is(request.method, method)
    }
  }))

test('TRACE is not relayed, as an upstream would send back the credential', () =>
  withRelay(OK, async (scene) => {
    const response = await scene.ask(`TRACE /v1/x HTTP/1.1\r\n${scene.auth}\r\n`)
    assert.is(response.status, 400)
    assert.is(response.header('x-thinwire-error'), 'invalid_request')
    assert.is(scene.upstream.requests.length, 0)
  }))

test('a JSON body reaches the upstream unchanged, however odd it is', () =>
  withRelay(OK, async (scene) => {
    const bodies = [
      ' {\t"model" :\r\n"m" , "stream":true ,"x":[1.0,1e+02,-0,1E400]\n}\n\n',
      '{"model":"a","model":"b","unknown":{"metadata":{"cursorConversationId":"x"}},"reasoning":null}',
      '{"model":"\\u006d\\ud83d\\ude00","text":"caf\u00e9 \u{1f600}"}',
      '{"model": "m", broken',
      '\ufeff{"model":"m"}',
      '[]',
      'not json at all',
      '\u0000',
    ].map((text) => Buffer.from(text))
    bodies.push(Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x80, 0x22, 0x7d]))
    bodies.push(gzipSync('{"model":"m"}'))
    for (const body of bodies) {
      const request = await post(scene, '/v1/chat/completions', body, 'Content-Type: application/json')
      assert.ok(request.body.equals(body), `other bytes for ${body.toString()}`)
      assert.is(request.header('content-length'), String(body.length))
      assert.is(request.header('content-type'), 'application/json')
    }
  }))

test('a multipart body with all 256 byte values reaches the upstream unchanged', () =>
  withRelay(OK, async (scene) => {
    const all = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
    const body = Buffer.concat([
      Buffer.from('--b\r\ncontent-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'),
      all,
      Buffer.from('\r\n--b--\r\n'),
    ])
    const type = 'multipart/form-data; boundary=b'
    const request = await post(scene, '/v1/audio/transcriptions', body, `content-type: ${type}`)
    assert.ok(request.body.equals(body))
    assert.is(request.header('content-type'), type)
  }))

test('a chunked body reaches the upstream whole and with a length', () =>
  withRelay(OK, async (scene) => {
    const request = await scene.relayed(
      `POST /v1/x HTTP/1.1\r\n${scene.auth}Transfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n` +
        '5;ext="a;b"\r\n{"a":\r\n1\r\n1\r\n001\r\n}\r\n0\r\nx-sum: 7\r\n\r\n',
    )
    assert.is(request.body.toString(), '{"a":1}')
    assert.equal(crossed(request), ['authorization: Bearer sk-upstream-secret', 'content-length: 7'])
  }))

test('an empty body stays an empty body', () =>
  withRelay(OK, async (scene) => {
    for (const framing of [
      'content-length: 0\r\n\r\n',
      '\r\n',
      'transfer-encoding: chunked\r\n\r\n0\r\n\r\n',
    ]) {
      const request = await scene.relayed(`POST /v1/x HTTP/1.1\r\n${scene.auth}${framing}`)
      assert.is(request.body.length, 0)
      assert.is(request.header('content-length'), '0')
    }
  }))

test('a GET and a DELETE may have a body', () =>
  withRelay(OK, async (scene) => {
    for (const method of ['GET', 'DELETE']) {
      const request = await scene.relayed(
        `${method} /v1/x HTTP/1.1\r\n${scene.auth}content-length: 7\r\n\r\n{"a":1}`,
      )
      assert.is(request.method, method)
      assert.is(request.body.toString(), '{"a":1}')
    }
  }))

test('a body of 20 MB reaches the upstream unchanged, from a client that sends a length or chunks', () =>
  withRelay(OK, async (scene) => {
    const body = randomBytes(20_000_000)
    const request = await post(scene, '/v1/files', body)
    assert.ok(request.body.equals(body))
    const chunks: Buffer[] = [
      Buffer.from(`POST /v1/files HTTP/1.1\r\n${scene.auth}transfer-encoding: chunked\r\n\r\n`),
    ]
    for (let at = 0; at < body.length; at += 1_000_003) {
      const piece = body.subarray(at, at + 1_000_003)
      chunks.push(Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from('\r\n'))
    }
    chunks.push(Buffer.from('0\r\n\r\n'))
    const chunked = await scene.relayed(Buffer.concat(chunks))
    assert.ok(chunked.body.equals(body))
  }))

test('request headers keep their case, order, duplicates and bytes', () =>
  withRelay(OK, async (scene) => {
    const lines = [
      'X-Zeta: 1',
      'ACCEPT: application/json',
      'x-alpha: a, b',
      'X-Zeta: 2',
      'Anthropic-Beta: one',
      'anthropic-beta: two',
      'Content-Encoding: zstd',
      'OpenAI-Organization: org',
      'User-Agent: Mozilla/5.0 (Cursor)',
      'Accept-Encoding: gzip, br',
      'x-empty:',
      'x-latin: caf\u00e9',
      'x-request-id: mine',
    ]
    const bytes = `POST /v1/x HTTP/1.1\r\n${scene.auth}${lines.join('\r\n')}\r\ncontent-length: 0\r\n\r\n`
    const request = await scene.relayed(Buffer.from(bytes, 'latin1'))
    const expected = lines.map((line) => line.replace(/:$/, ': '))
    assert.equal(crossed(request), [
      ...expected,
      'authorization: Bearer sk-upstream-secret',
      'content-length: 0',
    ])
    assert.is(request.header('host'), `127.0.0.1:${scene.upstream.port}`)
  }))

test('headers about the connection, the proxies on the way or the client itself do not reach the upstream', () =>
  withRelay(OK, async (scene) => {
    const dropped = [
      'Connection: keep-alive, X-Named , authorization',
      'X-Named: 1',
      'Keep-Alive: timeout=5',
      'Proxy-Connection: keep-alive',
      'Proxy-Authorization: Basic eDp5',
      'TE: trailers',
      'Upgrade: something/2',
      'Expect: 100-continue',
      'Cookie: session=1',
      'Origin: vscode-file://vscode-app',
      'Sec-Fetch-Mode: cors',
      'X-Forwarded-For: 10.0.0.1',
      'x-forwarded-proto: https',
      'X-Real-IP: 10.0.0.1',
      'Forwarded: for=10.0.0.1',
      'Via: 1.1 front',
      'CF-Connecting-IP: 10.0.0.1',
      'cf-ray: 1',
      'CDN-Loop: cloudflare',
      `X-Api-Key: ${scene.relay.key}`,
      `Api-Key: ${scene.relay.key}`,
      `X-Goog-Api-Key: ${scene.relay.key}`,
    ]
    const request = await scene.relayed(
      `POST /v1/x HTTP/1.1\r\n${scene.auth}${dropped.join('\r\n')}\r\nX-Kept: 1\r\ncontent-length: 1\r\n\r\n1`,
    )
    assert.equal(crossed(request), [
      'X-Kept: 1',
      'authorization: Bearer sk-upstream-secret',
      'content-length: 1',
    ])
    assert.not.match(request.head, /lc_/)
  }))

test("the credential goes into the header that the upstream reads, and the config's headers replace the client's", async () => {
  const schemes: Array<[Record<string, unknown>, string, string[]]> = [
    [{ auth: 'api-key' }, '/v1/x', ['api-key: sk-upstream-secret']],
    [{ auth: 'x-api-key' }, '/v1/x', ['x-api-key: sk-upstream-secret']],
    [{ auth: 'x-goog-api-key' }, '/v1/x', ['x-goog-api-key: sk-upstream-secret']],
    [
      { auth: 'anthropic' },
      '/v1/messages?beta=true',
      ['x-api-key: sk-upstream-secret', 'anthropic-version: 2023-06-01'],
    ],
    [{ auth: 'anthropic' }, '/v1/chat/completions', ['authorization: Bearer sk-upstream-secret']],
    [
      { headers: { 'OpenAI-Organization': 'ours', 'x-team': { env: 'UPSTREAM_KEY' } } },
      '/v1/x',
      ['openai-organization: ours', 'x-team: sk-upstream-secret', 'authorization: Bearer sk-upstream-secret'],
    ],
  ]
  for (const [entry, path, expected] of schemes) {
    await withRelay(
      OK,
      async (scene) => {
        const theirs = entry.headers === undefined ? '' : 'openAI-organization: theirs\r\nX-Team: theirs\r\n'
        const request = await scene.relayed(`GET ${path} HTTP/1.1\r\n${scene.auth}${theirs}\r\n`)
        assert.equal(crossed(request), expected)
      },
      {},
      entry,
    )
  }
})

test('the anthropic-version that a client sends is not replaced', () =>
  withRelay(
    OK,
    async (scene) => {
      const request = await scene.relayed(
        `GET /v1/messages HTTP/1.1\r\n${scene.auth}Anthropic-Version: 2099-01-01\r\n\r\n`,
      )
      assert.equal(crossed(request), ['Anthropic-Version: 2099-01-01', 'x-api-key: sk-upstream-secret'])
    },
    {},
    { auth: 'anthropic' },
  ))

test.run()
