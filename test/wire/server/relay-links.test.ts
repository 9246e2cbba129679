import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { headerOf, type Response } from '../../support/client.js'
import { startRelay, type TestRelay } from '../../support/relay.js'
import {
  CHUNKED,
  chunk,
  head,
  LAST_CHUNK,
  type Received,
  ScriptedUpstream,
  SSE,
  whole,
} from '../../support/upstream.js'

const JSON_TYPE = 'content-type: application/json'
/** As Anthropic spaces it, and with members that look like others. */
const BATCH = (url: string): string =>
  `{ "id":"msgbatch_1", "type": "message_batch",\n "results_url" : ${JSON.stringify(url)}, "note":"results_url: ${url}" }`

interface Stage {
  readonly relay: TestRelay
  readonly upstream: ScriptedUpstream
  /** Scheme and host of the upstream. */
  readonly origin: string
  ask(method: string, path: string, headers?: string): Promise<Response>
}

async function withLinks(
  script: (request: Received, origin: string) => void | Promise<void>,
  act: (stage: Stage) => Promise<void>,
  settings: Record<string, unknown> = {},
  basePath = '/v1',
): Promise<void> {
  let origin = ''
  const upstream = await ScriptedUpstream.start((request) => script(request, origin))
  origin = `http://127.0.0.1:${upstream.port}`
  const relay = await startRelay({ up: { baseUrl: origin + basePath } }, settings)
  try {
    await act({
      relay,
      upstream,
      origin,
      ask: async (method, path, headers = '') => {
        const client = await relay.client()
        const body = method === 'POST' ? '{"model":"m"}' : ''
        const host = headers.includes('host:') ? '' : 'host: relay.example:4000\r\n'
        const key = `${host}authorization: Bearer ${relay.key}\r\n${headers}`
        client.send(`${method} ${path} HTTP/1.1\r\n${key}content-length: ${body.length}\r\n\r\n${body}`)
        const response = await client.response()
        client.destroy()
        return response
      },
    })
  } finally {
    await relay.close()
    await upstream.close()
  }
}

const HERE = 'http://relay.example:4000'

for (const [method, path] of [
  ['GET', '/v1/messages/batches/msgbatch_1'],
  ['POST', '/v1/messages/batches'],
  ['POST', '/v1/messages/batches/msgbatch_1/cancel'],
] as const)
  test(`${method} ${path}: results_url leads to the relay, and every other byte stays`, () =>
    withLinks(
      (request, origin) =>
        request.write(
          whole('200 OK', BATCH(`${origin}/v1/messages/batches/msgbatch_1/results`), JSON_TYPE, 'etag: "1"'),
        ),
      async ({ ask, origin, upstream }) => {
        const response = await ask(method, path, 'accept-encoding: gzip\r\n')
        const theirs = BATCH(`${origin}/v1/messages/batches/msgbatch_1/results`)
        const ours = theirs.replace(
          `"${origin}/v1/messages/batches/msgbatch_1/results"`,
          `"${HERE}/v1/messages/batches/msgbatch_1/results"`,
        )
        assert.is(response.body.toString(), ours)
        assert.is(headerOf(response, 'content-length'), String(ours.length))
        // It describes other bytes.
        assert.is(headerOf(response, 'etag'), undefined)
        assert.is((await upstream.request(0)).header('accept-encoding'), 'identity')
        // The URL works.
        await ask('GET', '/v1/messages/batches/msgbatch_1/results')
        assert.is((await upstream.request(1)).target, '/v1/messages/batches/msgbatch_1/results')
      },
    ))

test('every element of a list of batches leads to the relay, however the body is cut', () =>
  withLinks(
    async (request, origin) => {
      const one = (n: number) => ({ id: `b${n}`, results_url: `${origin}/v1/messages/batches/b${n}/results` })
      const body = JSON.stringify({
        data: [one(1), { id: 'b2', results_url: null }, one(3)],
        next_page: null,
      })
      await request.write(head('200 OK', JSON_TYPE, CHUNKED))
      for (let at = 0; at < body.length; at += 7) await request.write(chunk(body.slice(at, at + 7)))
      request.write(LAST_CHUNK)
    },
    async ({ ask }) => {
      const { data } = JSON.parse((await ask('GET', '/v1/messages/batches')).body.toString())
      assert.equal(
        data.map((each: { results_url: string | null }) => each.results_url),
        [`${HERE}/v1/messages/batches/b1/results`, null, `${HERE}/v1/messages/batches/b3/results`],
      )
    },
  ))

/** URLs of the upstream, and what the client gets: null if it stays. `ORIGIN` is the upstream's. */
const URLS: readonly (readonly [url: string, rewritten: string | null])[] = [
  ['ORIGIN/v1/files?after=a%2Fb&x#f', `${HERE}/v1/files?after=a%2Fb&x#f`],
  ['ORIGIN/v1', `${HERE}/v1`],
  ['ORIGIN/v1?page=2', `${HERE}/v1?page=2`],
  ['/v1/files?page=2', '/v1/files?page=2'],
  // Not where a request to the relay would go.
  ['ORIGIN/v2/files', null],
  ['ORIGIN/', null],
  ['ORIGIN/v10/files', null],
  ['ORIGIN/v1/v1/files', null],
  ['ORIGIN/v1/../admin', null],
  ['https://other.example/v1/files', null],
  ['http://user@HOST/v1/files', null],
  ['ORIGIN.evil.example/v1/files', null],
  ['//HOST/v1/files', null],
  ['files?page=2', null],
  ['page_2', null],
  ['', null],
]

for (const [pattern, rewritten] of URLS)
  test(`the URL ${pattern || '(none)'} in a body or a header ${rewritten === null ? 'stays' : 'leads to the relay'}`, () => {
    const fill = (origin: string): string =>
      pattern.replace('ORIGIN', origin).replace('HOST', origin.replace('http://', ''))
    const HEADERS = ['location', 'operation-location', 'content-location', 'link']
    return withLinks(
      (request, origin) => {
        const url = fill(origin)
        const body = JSON.stringify({
          next: url,
          text: url,
          urls: { get: url, other: url },
          data: [{ status_url: url }],
        })
        const [, , location, link] = ['', '', url, `<${url}>; rel="next", <${url}>; rel=last`]
        request.write(
          whole(
            '202 Accepted',
            body,
            JSON_TYPE,
            ...HEADERS.map((name) => `${name}: ${name === 'link' ? link : location}`),
          ),
        )
      },
      async ({ ask, origin }) => {
        const response = await ask('GET', '/v1/files')
        const stays = fill(origin)
        const expected = rewritten ?? stays
        assert.equal(JSON.parse(response.body.toString()), {
          next: expected,
          text: stays,
          urls: { get: expected, other: stays },
          data: [{ status_url: expected }],
        })
        assert.is(headerOf(response, 'content-length'), String(response.body.length))
        for (const name of HEADERS.slice(0, 3)) assert.is(headerOf(response, name), expected, name)
        assert.is(headerOf(response, 'link'), `<${expected}>; rel="next", <${expected}>; rel=last`)
      },
    )
  })

for (const path of ['/v1/chat/completions', '/v1/messages', '/v1/files'])
  test(`a redirect of POST ${path} within the upstream leads to the relay, and another one stays`, () =>
    withLinks(
      (request, origin) => {
        const to = request.target.includes('?out') ? 'https://other.example/v1/x' : `${origin}/v1/elsewhere`
        request.write(whole('307 Temporary Redirect', '', `location: ${to}`))
      },
      async ({ ask }) => {
        assert.is(headerOf(await ask('POST', path), 'location'), `${HERE}/v1/elsewhere`)
        assert.is(headerOf(await ask('POST', `${path}?out`), 'location'), 'https://other.example/v1/x')
      },
    ))

const BASES: readonly (readonly [title: string, headers: string, settings: object, base: string])[] = [
  ['the Host of the request', 'host: a.example\r\n', {}, 'http://a.example'],
  [
    'the Host and the scheme of a proxy',
    'host: a.example\r\nx-forwarded-proto: https\r\n',
    {},
    'https://a.example',
  ],
  [
    'publicUrl',
    'host: a.example\r\n',
    { publicUrl: 'https://llm.example/relay/v1/' },
    'https://llm.example/relay',
  ],
]

for (const [title, headers, settings, base] of BASES)
  test(`the address of the relay comes from ${title}`, () =>
    withLinks(
      (request, origin) => request.write(whole('200 OK', `{"next":"${origin}/api/v9/x"}`, JSON_TYPE)),
      async ({ ask }) => {
        assert.is((await ask('GET', '/v1/x', headers)).body.toString(), `{"next":"${base}/v1/x"}`)
      },
      settings as Record<string, unknown>,
      '/api/v9',
    ))

test('a response without such a URL passes as it came, head and all', () =>
  withLinks(
    (request) =>
      request.write(
        whole('200 OK', ' {"data" : [1], "etc":"é"}\n', JSON_TYPE, 'etag: "1"', 'content-md5: x'),
      ),
    async ({ ask }) => {
      const response = await ask('GET', '/v1/files')
      assert.is(response.body.toString(), ' {"data" : [1], "etc":"é"}\n')
      assert.is(headerOf(response, 'content-length'), String(response.body.length))
      assert.is(headerOf(response, 'etag'), '"1"')
      assert.is(headerOf(response, 'content-md5'), 'x')
    },
  ))

const UNTOUCHED: readonly (readonly [
  title: string,
  method: string,
  path: string,
  write: (url: string) => string | Buffer,
])[] = [
  [
    'a generation',
    'POST',
    '/v1/chat/completions',
    (url) => whole('200 OK', `{"next":"${url}"}`, JSON_TYPE, `location: ${url}`),
  ],
  [
    'a stream',
    'POST',
    '/v1/messages',
    (url) => `${head('200 OK', SSE, CHUNKED)}${chunk(`data: {"results_url":"${url}"}\n\n`)}${LAST_CHUNK}`,
  ],
  [
    'the content of a file',
    'GET',
    '/v1/files/f/content',
    (url) => whole('200 OK', `{"next":"${url}"}`, JSON_TYPE),
  ],
  [
    'results',
    'GET',
    '/v1/messages/batches/b/results',
    (url) => whole('200 OK', `{"next":"${url}"}`, JSON_TYPE),
  ],
  ['a text', 'GET', '/v1/files', (url) => whole('200 OK', `{"next":"${url}"}`, 'content-type: text/plain')],
  ['an error', 'GET', '/v1/files', (url) => whole('404 Not Found', `{"next":"${url}"}`, JSON_TYPE)],
  [
    'a long body',
    'GET',
    '/v1/files',
    (url) => whole('200 OK', `{"next":"${url}","x":"${'x'.repeat(1_100_000)}"}`, JSON_TYPE),
  ],
  [
    'a long body of unknown length',
    'GET',
    '/v1/files',
    (url) =>
      `${head('200 OK', JSON_TYPE, CHUNKED)}${chunk(`{"next":"${url}"`)}${chunk(`,"x":"${'x'.repeat(1_100_000)}"}`)}${LAST_CHUNK}`,
  ],
  [
    'a compressed body',
    'GET',
    '/v1/files',
    (url) => whole('200 OK', gzipSync(`{"next":"${url}"}`), JSON_TYPE, 'content-encoding: gzip'),
  ],
  ['broken JSON', 'GET', '/v1/files', (url) => whole('200 OK', `{"next":"${url}"`, JSON_TYPE)],
]

for (const [title, method, path, write] of UNTOUCHED)
  test(`${title} passes byte for byte, whatever URL is in it`, () => {
    let sent: Buffer = Buffer.alloc(0)
    return withLinks(
      (request, origin) => {
        sent = Buffer.from(write(`${origin}/v1/x`))
        request.write(sent)
      },
      async ({ ask }) => {
        const response = await ask(method, path)
        const isChunked = sent.includes('transfer-encoding')
        if (isChunked) assert.ok(sent.includes(response.body.subarray(0, 30)))
        else assert.ok(sent.subarray(sent.indexOf('\r\n\r\n') + 4).equals(response.body))
        assert.not.ok(response.body.includes('relay.example'))
      },
    )
  })

test('a response that is cut while it is held is cut for the client too, behind what came', () =>
  withLinks(
    async (request, origin) => {
      await request.write(`${head('200 OK', JSON_TYPE, 'content-length: 500')}{"next":"${origin}/v1/x"`)
      request.destroy()
    },
    async ({ relay }) => {
      const client = await relay.client()
      client.send(`GET /v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${relay.key}\r\n\r\n`)
      await client.closed()
      const [record] = await relay.records(1)
      assert.is(record?.end, 'upstream_cut')
    },
  ))

test('a response to HEAD has its length', () =>
  withLinks(
    (request) => request.write(head('200 OK', JSON_TYPE, 'content-length: 123')),
    async ({ relay }) => {
      const client = await relay.client()
      client.send(`HEAD /v1/files HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${relay.key}\r\n\r\n`)
      const response = await client.response(0, 'HEAD')
      assert.is(headerOf(response, 'content-length'), '123')
      client.destroy()
    },
  ))

test.run()
