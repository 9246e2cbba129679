import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliCompressSync, brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Assets } from '../../src/page/assets.js'
import { ResponseWriter } from '../../src/page/page-response.js'
import { TOKEN, withPage } from '../support/page/scene.js'
import { gate, until } from '../support/until.js'

test('a HEAD is answered as a GET, without the body', () =>
  withPage({}, async (scene) => {
    const cookie = await scene.signIn()
    for (const path of ['/sign-in', '/sign-in.css', '/api/spend', '/api/keys.csv', '/nothing']) {
      const get = await scene.ask('GET', path, [cookie])
      const head = await scene.ask('HEAD', path, [cookie])
      assert.is(head.status, get.status, path)
      assert.is(head.body.length, 0)
      assert.is(head.header('content-length'), String(get.body.length), path)
      assert.is(head.header('content-type'), get.header('content-type'))
    }
    assert.is((await scene.ask('HEAD', '/api/live', [cookie])).status, 200)
    assert.is(scene.source.asked.filter(({ what }) => what === 'look').length, 0)
  }))

test('methods that a path does not take are refused, and none is allowed to others', () =>
  withPage({}, async (scene) => {
    const cookie = await scene.signIn()
    const own = [cookie, `origin: http://127.0.0.1:${scene.port}`]
    for (const method of ['OPTIONS', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND', 'POST']) {
      for (const path of ['/', '/sign-in.css', '/api/spend', '/api/live']) {
        const response = await scene.ask(method, path, own)
        assert.is(response.status, 405, `${method} ${path}`)
        assert.is(response.header('allow'), 'GET, HEAD')
        assert.is(response.header('access-control-allow-origin'), undefined)
      }
    }
    assert.is((await scene.ask('GET', '/sign-out', own)).status, 405)
    assert.is((await scene.ask('PUT', '/api/session', own)).header('allow'), 'GET, HEAD, POST, DELETE')
    assert.is((await scene.ask('GET', '/api/keys/k_0123456789/revoke', own)).header('allow'), 'POST')
    const ask = ['origin: http://evil.example', 'access-control-request-method: POST']
    assert.is((await scene.ask('OPTIONS', '/api/keys', ask)).status, 401)
  }))

test('a WebSocket and a tunnel are no business of the page', () =>
  withPage({}, async (scene) => {
    for (const head of [
      'GET /api/live HTTP/1.1\r\nhost: localhost\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n',
      'CONNECT example.com:443 HTTP/1.1\r\nhost: example.com:443\r\n\r\n',
    ]) {
      const client = await scene.connect()
      client.send(head)
      await client.closed()
      assert.not.match(client.text, /^HTTP\/1\.1 [12]/)
    }
  }))

test('a huge body is refused, and not read', () =>
  withPage({}, async (scene) => {
    const cookie = await scene.signIn()
    const own = `${cookie}\r\nsec-fetch-site: same-origin\r\nhost: localhost\r\n`
    const heads = [
      `POST /api/keys HTTP/1.1\r\n${own}content-type: application/json\r\ncontent-length: 1000000000\r\n\r\n`,
      `POST /sign-in HTTP/1.1\r\n${own}content-type: application/x-www-form-urlencoded\r\ntransfer-encoding: chunked\r\n\r\n`,
      `POST /api/session HTTP/1.1\r\n${own}content-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n`,
    ]
    for (const head of heads) {
      const client = await scene.connect()
      client.send(head)
      const piece = 'x'.repeat(8_192)
      for (let i = 0; i < 4; i++) client.send(head.includes('chunked') ? `2000\r\n${piece}\r\n` : piece)
      await client.until(/^HTTP\/1\.1 413 /)
      assert.match(client.text, /connection: close/i)
      await client.closed()
    }
  }))

test('a body that nobody wants is not read either', () =>
  withPage({}, async (scene) => {
    const client = await scene.connect()
    client.send('POST /api/keys HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1000000\r\n\r\n')
    await client.until(/^HTTP\/1\.1 401 /)
    await client.closed()
    const expecting = await scene.connect()
    expecting.send(
      'POST /nothing HTTP/1.1\r\nhost: localhost\r\nexpect: 100-continue\r\ncontent-length: 9\r\n\r\n',
    )
    await expecting.until(/^HTTP\/1\.1 404 /)
  }))

test('who pipelines gets one response, and its connection is closed', () =>
  withPage({}, async (scene) => {
    const client = await scene.connect()
    client.send('GET /sign-in HTTP/1.1\r\nhost: localhost\r\n\r\n'.repeat(100))
    await client.closed()
    assert.ok((client.text.match(/HTTP\/1\.1 /g) ?? []).length <= 1)
  }))

test('a connection may be used again', () =>
  withPage({}, async (scene) => {
    const client = await scene.connect()
    for (let n = 0; n < 3; n++) {
      client.send('GET /sign-in HTTP/1.1\r\nhost: localhost\r\n\r\n')
      assert.is((await client.response(n)).status, 200)
    }
  }))

/** Targets that are no path of the page. */
const TARGETS = [
  'http://evil.example/',
  '//evil.example/',
  '*',
  '/\\evil',
  `/${'a'.repeat(9_000)}`,
  'nothing',
]
for (const target of TARGETS)
  test(`a request for ${target.slice(0, 30)} is refused`, () =>
    withPage({}, async (scene) => {
      assert.is((await scene.ask('GET', target)).status, 400)
    }))

test('a request needs one host', () =>
  withPage({}, async (scene) => {
    for (const head of [
      'GET /sign-in HTTP/1.0\r\n\r\n',
      'GET /sign-in HTTP/1.1\r\nhost: localhost\r\nhost: evil.example\r\n\r\n',
      'GET /sign-in HTTP/1.1\r\nhost: localhost, evil.example\r\n\r\n',
      `GET /sign-in HTTP/1.1\r\nhost: localhost\r\n${'a:\r\n'.repeat(2_100)}host: evil.example\r\n\r\n`,
      'GET /sign-in HTTP/1.1\r\nhost: user@localhost\r\n\r\n',
    ]) {
      const client = await scene.connect()
      client.send(head)
      await client.until(/^HTTP\/1\.1 4\d\d /)
      assert.not.match(client.text, '<form')
    }
  }))

test('a request without a host that is HTTP/1.1 is refused', () =>
  withPage({}, async (scene) => {
    const client = await scene.connect()
    client.send('GET /sign-in HTTP/1.1\r\n\r\n')
    await client.until(/^HTTP\/1\.1 4\d\d /)
  }))

test('odd sign-ins are refused in words', () =>
  withPage({}, async (scene) => {
    const origin = `origin: http://127.0.0.1:${scene.port}`
    const form = [origin, 'content-type: application/x-www-form-urlencoded']
    const status = async (headers: string[], body: string, path = '/sign-in'): Promise<number> =>
      (await scene.ask('POST', path, headers, body)).status
    assert.is(await status(form, ''), 400)
    assert.is(await status(form, `token=${TOKEN}&token=${TOKEN}`), 400)
    assert.is(await status([origin, 'content-type: text/plain'], `token=${TOKEN}`), 400)
    assert.is(await status(form.slice(1), `token=${TOKEN}`), 403)
    assert.is(await status([...form.slice(1), 'origin: null'], `token=${TOKEN}`), 403)
    assert.is(await status([...form, 'sec-fetch-site: cross-site'], `token=${TOKEN}`), 403)
    assert.is(await status([...form, origin], `token=${TOKEN}`), 403)
    assert.is(await status(form, `token=${'x'.repeat(2_000)}`), 401)
    const json = [origin, 'content-type: application/json']
    assert.is(await status(json, '{"secret":5}', '/api/session'), 400)
    assert.is(await status(json, '{"secret":""}', '/api/session'), 401)
    assert.is(await status(json, 'null', '/api/session'), 400)
  }))

test('the files of the page are sent as the browser takes them, and for ever', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-assets-'))
  const script = 'const a = 1\n'.repeat(50)
  writeFileSync(join(folder, 'index.html'), '<!doctype html><title>page</title>')
  writeFileSync(join(folder, 'app-1.js'), script)
  writeFileSync(join(folder, 'app-1.js.br'), brotliCompressSync(script))
  writeFileSync(join(folder, 'app-1.js.gz'), gzipSync(script))
  writeFileSync(join(folder, 'plain-1.css'), 'a{}')
  const files = {
    '/assets/app-1.js': { file: 'app-1.js', type: 'text/javascript', br: true, gz: true },
    '/assets/plain-1.css': { file: 'plain-1.css', type: 'text/css', br: false, gz: false },
  }
  writeFileSync(join(folder, 'manifest.json'), JSON.stringify({ index: 'index.html', files }))
  try {
    await withPage({ assets: Assets.load(folder) }, async (scene) => {
      const get = (path: string, ...headers: string[]) => scene.ask('GET', path, headers)
      const br = await get('/assets/app-1.js', 'accept-encoding: gzip, deflate, br')
      assert.is(br.header('content-encoding'), 'br')
      assert.is(br.header('cache-control'), 'public, max-age=31536000, immutable')
      assert.is(br.header('vary'), 'accept-encoding')
      assert.is(br.header('content-type'), 'text/javascript; charset=utf-8')
      assert.is(brotliDecompressSync(br.body).toString(), script)
      const gz = await get('/assets/app-1.js', 'accept-encoding: br;q=0, gzip;q=0.5')
      assert.is(gz.header('content-encoding'), 'gzip')
      assert.is(gunzipSync(gz.body).toString(), script)
      const plain = await get('/assets/app-1.js')
      assert.is(plain.header('content-encoding'), undefined)
      assert.is(plain.body.toString(), script)
      assert.is(
        (await get('/assets/plain-1.css', 'accept-encoding: br')).header('content-encoding'),
        undefined,
      )
      const index = await get('/?view=spend')
      assert.is(index.status, 200)
      assert.is(index.header('cache-control'), 'no-cache')
      const etag = index.header('etag') ?? ''
      const same = await get('/', `if-none-match: "other", W/${etag}`)
      assert.is(same.status, 304)
      assert.is(same.body.length, 0)
      for (const path of [
        '/assets/',
        '/assets/../index.html',
        '/assets/app-1.js.br',
        '/index.html',
        '/manifest.json',
      ])
        assert.is((await get(path)).status, 404, path)
    })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test('without its files the page says so, and the API is there', () =>
  withPage({}, async (scene) => {
    const index = await scene.ask('GET', '/')
    assert.is(index.status, 503)
    assert.match(index.body.toString(), 'build the relay again')
    assert.is((await scene.ask('GET', '/api/session', [await scene.signIn()])).status, 200)
  }))

test('a fault in a view is logged, and tells the caller nothing', () =>
  withPage({}, async (scene) => {
    Object.assign(scene.source.sums, {
      spend() {
        throw new Error('a secret of the machine')
      },
    })
    const response = await scene.ask('GET', '/api/spend', [await scene.signIn()])
    assert.is(response.status, 500)
    assert.not.match(response.body.toString(), 'secret')
    assert.match(scene.logged.join('\n'), 'page: a request has failed')
  }))

test('clients that do not read hold a bounded amount of memory, and are cut in the end', () =>
  withPage({}, async (scene) => {
    const writer = new ResponseWriter(10_000_000, 200)
    Object.assign(scene.page, { writer })
    const big = 'x'.repeat(9_000_000)
    Object.assign(scene.source.sums, { spend: async () => big })
    const cookie = await scene.signIn()
    const slow = await scene.connect()
    slow.pause()
    slow.send(`GET /api/spend HTTP/1.1\r\nhost: localhost\r\n${cookie}\r\n\r\n`)
    await until(() => (writer as unknown as { waitingBytes: number }).waitingBytes > 0, 'the slow response')
    const other = await scene.ask('GET', '/api/spend', [cookie])
    assert.is(other.status, 503)
    assert.is(other.header('retry-after'), '5')
    assert.is((await scene.ask('GET', '/sign-in')).status, 200)
    await until(
      () => (writer as unknown as { waitingBytes: number }).waitingBytes === 0,
      'the slow client to be cut',
    )
    slow.resume()
    await slow.closed()
  }))

test('connections that send nothing are bounded, and one too many is logged once', () =>
  withPage({}, async (scene) => {
    const silent = await Promise.all(Array.from({ length: 256 }, () => scene.connect()))
    const more = await Promise.all([scene.connect(), scene.connect()])
    for (const client of more) await client.closed()
    const lines = scene.logged.filter((line) => line.includes('all 256 connections are taken'))
    assert.is(lines.length, 1)
    const [first] = silent
    first?.send('GET /sign-in HTTP/1.1\r\nhost: localhost\r\n\r\n')
    assert.is((await first?.response())?.status, 200)
    for (const client of silent.slice(1, 9)) client.destroy()
    let isIn = false
    const tryIn = async (): Promise<void> => {
      const client = await scene.connect()
      client.send('GET /sign-in HTTP/1.1\r\nhost: localhost\r\n\r\n')
      await until(() => client.ending !== null || client.text.includes('<form'), 'an answer, or the end')
      isIn = client.text.includes('<form')
    }
    while (!isIn) await tryIn()
  }))

test('questions are answered a few at a time, and one who asks too much gets no more', () =>
  withPage({}, async (scene) => {
    const answered = gate()
    let [running, most] = [0, 0]
    Object.assign(scene.source.sums, {
      async spend() {
        most = Math.max(most, ++running)
        await answered.opened
        running--
        return {}
      },
    })
    const [one, other] = [await scene.signIn(), await scene.signIn()]
    const all = Array.from({ length: 20 }, () => scene.ask('GET', '/api/spend', [one]))
    let busy = 0
    for (const asked of all)
      void asked.then(({ status }) => {
        if (status === 503) busy++
      })
    await until(() => busy === 4, 'those that are too many')
    const theirs = scene.ask('GET', '/api/spend', [other])
    answered.open()
    assert.is((await theirs).status, 200)
    const statuses = (await Promise.all(all)).map(({ status }) => status)
    assert.is(statuses.filter((status) => status === 200).length, 16)
    assert.is(most, 4)
    assert.is((await scene.ask('GET', '/api/spend', [one])).status, 200)
  }))

test.run()
