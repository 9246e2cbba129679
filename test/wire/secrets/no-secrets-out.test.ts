import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { selfSigned } from '../../../scripts/certificate.js'
import { parseResponses } from '../../support/client.js'
import { clear, open, type Place, run, started, type Thinwire } from '../../support/thinwire.js'
import { until } from '../../support/until.js'
import { CHUNKED, chunk, head, type Received, ScriptedUpstream, SSE, whole } from '../../support/upstream.js'

const test = suite<Place>('secrets')

test.before.each(open)
test.after.each(clear)

/** Credentials without a pattern by which the relay could recognize them. */
const API_KEY = 'credential/of-the.upstream+0123456789='
const QUERY_KEY = 'credential/of-the.query+0123456789='
const HEADER = 'credential/of-a.header+0123456789='
const FROM_FILE = 'credential/of-a.file+0123456789='
const PASSWORD = 'password/of-the.proxy+0123456789='

/** Every form in which a credential could appear. */
const FORMS = [API_KEY, QUERY_KEY, HEADER, FROM_FILE, PASSWORD].flatMap((secret) => [
  secret,
  encodeURIComponent(secret),
  Buffer.from(secret).toString('base64').replace(/=+$/, ''),
  Buffer.from(`me:${secret}`).toString('base64').replace(/=+$/, ''),
  // Long parts of it, too.
  secret.slice(0, -4),
  secret.slice(4),
])

function assertHidden(what: string, text: string): void {
  for (const form of FORMS) assert.not.ok(text.includes(form), `${what} has ${form}`)
}

/** What the upstream does with a request, by the first segment of its path. */
const SCRIPTS: Readonly<Record<string, (request: Received) => unknown>> = {
  reset: (request) => request.reset(),
  closed: (request) => request.end(),
  'no-http': (request) => request.write('SSH-2.0-x\r\n\r\n'),
  'half-a-head': async (request) => {
    await request.write('HTTP/1.1 200 O')
    request.end()
  },
  'no-chunk': (request) => request.write(`${head('200 OK', SSE, CHUNKED)}zz\r\n`),
  'broken-off': async (request) => {
    await request.write(`${head('200 OK', SSE, CHUNKED)}${chunk('data: 1\n\n')}`)
    request.reset()
  },
  'no-header': (request) => request.write('HTTP/1.1 200 OK\r\nx-odd: a\u0000b\r\ncontent-length: 0\r\n\r\n'),
  late: (request) => request.hang(),
  silent: async (request) => {
    await request.write(`${head('200 OK', SSE, CHUNKED)}${chunk('data: 1\n\n')}`)
    await request.hang()
  },
  // OpenAI's error contains the first and last characters of the key.
  unknown: (request) => {
    const told = `${API_KEY.slice(0, 4)}********${API_KEY.slice(-4)}`
    const error = { message: `Incorrect API key provided: ${told}.`, code: 'invalid_api_key' }
    return request.write(
      whole('401 Unauthorized', JSON.stringify({ error }), 'content-type: application/json'),
    )
  },
  echo: (request) => request.write(whole('401 Unauthorized', request.raw.toString('latin1'), 'x-a: b')),
  'echo-in-chunks': async (request) => {
    await request.write(head('500 Oops', CHUNKED))
    for (const byte of request.raw) await request.chunk(String.fromCharCode(byte))
    await request.lastChunk()
  },
  redirect: (request) =>
    request.write(
      whole(
        '308 Permanent Redirect',
        `<a href="${request.target}">here</a>`,
        `location: http://elsewhere${request.target}`,
        `x-seen: ${request.header('authorization') ?? ''}; ${request.header('x-more') ?? ''}`,
      ),
    ),
}

/** A proxy whose way to fail depends on the name of the upstream. */
class FailingProxy {
  private readonly sockets = new Set<Socket>()
  private readonly server: Server

  constructor() {
    this.server = createServer((socket) => {
      this.sockets.add(socket)
      socket.on('error', () => {})
      socket.on('data', (asked) => {
        if (asked.includes('CONNECT refuses')) {
          const length = `content-length: ${asked.length}`
          socket.write(`${head('407 Proxy Authentication Required', length, 'x-seen: it')}${asked}`)
        } else if (asked.includes('CONNECT closes')) socket.end()
        else if (asked.includes('CONNECT talks')) socket.write(asked)
      })
    })
  }

  async listen(): Promise<number> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    return (this.server.address() as AddressInfo).port
  }

  close(): void {
    for (const socket of this.sockets) socket.destroy()
    this.server.close()
  }
}

const TIMEOUTS = { connectMs: 300, firstByteMs: 300, idleMs: 300 }

/** Upstreams by name: one for each failure and each place of the credential. */
function upstreamsOf(ports: Readonly<Record<'scripted' | 'closed' | 'tls', number>>) {
  const bases: Record<string, Record<string, unknown>> = {
    unreached: { baseUrl: `http://127.0.0.1:${ports.closed}/v1` },
    'no-tls': { baseUrl: `https://127.0.0.1:${ports.scripted}/late/v1` },
    'not-trusted': { baseUrl: `https://127.0.0.1:${ports.tls}/v1` },
  }
  for (const name of Object.keys(SCRIPTS))
    bases[name] = { baseUrl: `http://127.0.0.1:${ports.scripted}/${name}/v1` }
  for (const name of ['refuses', 'closes', 'talks', 'hangs'])
    bases[`proxy-${name}`] = { baseUrl: `http://${name}.example/v1`, proxy: { env: 'PROXY' } }
  const common = { timeouts: TIMEOUTS, headers: { 'x-more': { env: 'HEADER', prefix: 'Secret ' } } }
  return Object.fromEntries(
    Object.entries(bases).flatMap(([name, base]) => [
      [name, { ...base, ...common, apiKey: { env: 'API_KEY' } }],
      [`${name}-query`, { ...base, ...common, apiKey: { env: 'QUERY_KEY' }, auth: 'query' }],
      [`${name}-file`, { ...base, ...common, apiKey: { file: 'key.txt' }, auth: 'api-key' }],
    ]),
  )
}

/** @returns everything that a client gets for these bytes until the relay closes the connection */
async function ask(place: Place, thinwire: Thinwire, bytes: string): Promise<string> {
  const client = await thinwire.client(place)
  client.send(bytes)
  await client.closed()
  const [response] = parseResponses(client.bytes, true)
  // The body without its chunk framing is appended.
  return `${client.text}\n${response?.body.toString('latin1')}`
}

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
}

test('no credential is in a response, the log, the ledger or the process list, whatever fails', async (place) => {
  const scripted = await ScriptedUpstream.start(async (request) => {
    await SCRIPTS[request.target.split('/')[1] ?? '']?.(request)
  })
  const gone = await ScriptedUpstream.start(() => {})
  const closedPort = gone.port
  await gone.close()
  const tls = createHttpsServer(selfSigned('other.example'), (_req, res) => res.end())
  await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve))
  const proxy = new FailingProxy()
  const proxyPort = await proxy.listen()
  try {
    const upstreams = upstreamsOf({
      scripted: scripted.port,
      closed: closedPort,
      tls: (tls.address() as AddressInfo).port,
    })
    const names = Object.keys(upstreams)
    const settings = {
      upstreams,
      routes: names.map((name) => ({ model: name, upstream: name })),
      log: { level: 'debug' },
    }
    const file = join(place.folder, 'thinwire.json')
    writeFileSync(file, JSON.stringify(settings))
    writeFileSync(join(place.folder, 'key.txt'), `${FROM_FILE}\n`)
    const PROXY = `http://me:${encodeURIComponent(PASSWORD)}@127.0.0.1:${proxyPort}`
    const thinwire = await started(place, [], { API_KEY, QUERY_KEY, HEADER, PROXY })
    const auth = `host: relay\r\nauthorization: Bearer ${thinwire.key}\r\n`

    const answers = new Map<string, string>()
    const requests = names.flatMap((name) => {
      const body = JSON.stringify({ model: name, stream: true })
      const post = (path: string, method = 'POST'): string =>
        `${method} ${path} HTTP/1.1\r\n${auth}connection: close\r\ncontent-length: ${body.length}\r\n\r\n${body}`
      const socket = 'connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n'
      const key = 'sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n'
      return [
        post('/v1/chat/completions'),
        post('/v1/messages'),
        post('/v1/x', 'TRACE'),
        `GET /v1/models/${name} HTTP/1.1\r\n${auth}connection: close\r\n\r\n`,
        `GET /v1/realtime?model=${name} HTTP/1.1\r\n${auth}${socket}${key}\r\n`,
      ]
    })
    requests.push(`GET /v1/models HTTP/1.1\r\n${auth}connection: close\r\n\r\n`)
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        for (let next = requests.pop(); next !== undefined; next = requests.pop())
          answers.set(next, await ask(place, thinwire, next))
      }),
    )
    assert.is(answers.size, 5 * names.length + 1)
    for (const [request, answer] of answers) {
      const [line = ''] = request.split('\r\n')
      const model = /"model":"([^"]+)"/.exec(request)?.[1] ?? ''
      assertHidden(`the response to ${line} ${model}`, answer)
    }

    // Invalid configs with a credential in a wrong place.
    const [first = ''] = names
    const entry = upstreams[first] as object
    const broken: unknown[] = [
      { ...settings, upstreams: { ...upstreams, [first]: { ...entry, apiKey: API_KEY } } },
      { ...settings, upstreams: { ...upstreams, [first]: { ...entry, baseUrl: `http://me:${PASSWORD}@x` } } },
      { ...settings, upstreams: { ...upstreams, [first]: { ...entry, proxy: PROXY } } },
      { ...settings, upstreams: { ...upstreams, [first]: { ...entry, auth: HEADER } } },
      { ...settings, listen: API_KEY, routes: [{ upstream: QUERY_KEY }] },
    ]
    const texts = broken.map((one) => JSON.stringify(one))
    texts.push(`{"apiKey": ${API_KEY}}`, `{"apiKey": "${API_KEY}"`, `"${API_KEY}" {}`)
    for (const [i, text] of texts.entries()) {
      writeFileSync(file, text)
      thinwire.child.kill('SIGHUP')
      await until(() => thinwire.out.split('keeps its config').length > i + 1, `problem ${i} in the log`)
    }

    const ready = await ask(place, thinwire, 'GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n')
    assert.match(ready, '200 OK')
    assertHidden('/readyz', ready)
    const { pid } = thinwire.child
    for (const name of ['cmdline', 'comm', 'status'])
      assertHidden(name, readFileSync(`/proc/${pid}/${name}`, 'utf8'))
    thinwire.child.kill('SIGTERM')
    await thinwire.ended()
    assertHidden('the log', thinwire.out)
    assertHidden('the banner', thinwire.err)
    assert.ok(thinwire.requests.length >= names.length * 5)
    const files = filesBelow(join(place.folder, 'data'))
    assert.ok(files.some((one) => one.includes('usage-')))
    for (const one of files) assertHidden(one, readFileSync(one, 'utf8'))

    for (const text of texts) {
      writeFileSync(file, text)
      const { code, out, err } = await run(place, ['start'])
      assert.is(code, 2)
      assertHidden('the error', `${out}${err}`)
    }
  } finally {
    proxy.close()
    tls.closeAllConnections()
    tls.close()
    await scripted.close()
  }
})

test.run()
