import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { VERSION } from '../../src/version.js'
import { parseResponses, type RawClient } from '../support/client.js'
import { clear, KEY, open, type Place, run, started, Thinwire } from '../support/thinwire.js'
import { gate, until, wait } from '../support/until.js'
import { CHUNKED, head, ScriptedUpstream, SSE } from '../support/upstream.js'

const test = suite<Place>('start')

test.before.each(open)
test.after.each(clear)

/** A config file in the folder of the test. */
function configure(place: Place, settings: unknown): void {
  const text = typeof settings === 'string' ? settings : JSON.stringify(settings)
  writeFileSync(join(place.folder, 'thinwire.json'), text)
}

const UPSTREAM_KEY = 'sk-upstream-secret-0123456789'

/** A relay before an upstream that sends one event, and the last one only when the gate is open. */
async function streaming(place: Place, settings: Record<string, unknown> = {}) {
  const last = gate()
  const upstream = await ScriptedUpstream.start(async (request) => {
    if (request.method === 'HEAD') {
      await request.write(head('200 OK', 'content-length: 0'))
      return
    }
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk('data: first\n\n')
    await last.opened
    await request.chunk('data: last\n\n')
    await request.lastChunk()
  })
  place.upstreams.push(upstream)
  configure(place, {
    upstreams: { up: { baseUrl: upstream.url, apiKey: { env: 'UPSTREAM_KEY' } } },
    ...settings,
  })
  const thinwire = await started(place, [], { UPSTREAM_KEY })
  return { thinwire, last, upstream }
}

/** A client that has got the first event of a stream. */
async function openStream(place: Place, thinwire: Thinwire): Promise<RawClient> {
  const client = await thinwire.client(place)
  client.send(`GET /v1/x HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${thinwire.key}\r\n\r\n`)
  await client.sees('data: first\n\n')
  return client
}

/** The status of a request with this key. */
async function status(thinwire: Thinwire, key: string): Promise<number> {
  const answer = await fetch(`${thinwire.url}/v1/models`, { headers: { authorization: `Bearer ${key}` } })
  await answer.text()
  return answer.status
}

test('a first start shows its address, a first key and lines to paste, within 80 columns', async (place) => {
  const thinwire = await started(place)
  const { err, url, key } = thinwire
  assert.match(err, `Thinwire ${VERSION} listens on http://127.0.0.1:`)
  assert.match(key, /^lc_dev_default_/)
  assert.match(err, 'data/keys.jsonl')
  assert.match(err, 'OPENAI_API_KEY')
  assert.match(err, /Override OpenAI Base URL {3}https:\/\//)
  assert.match(err, new RegExp(`OpenAI API Key +${key}\n`))
  for (const line of err.split('\n')) {
    assert.ok(line.length <= 80 || line.includes(key) || line.includes(url), `too wide: ${line}`)
    assert.is(line.trimEnd(), line, 'blanks at the end of a line')
  }
  assert.not.match(thinwire.out, KEY)
})

test('the curl command of the banner streams an answer of the demo', async (place) => {
  const thinwire = await started(place)
  // The lines as a shell reads them: up to the one that does not go on.
  const command = /^ +(curl -N .*?)\n\n/ms.exec(thinwire.err)?.[1] ?? ''
  const url = /^curl -N (\S+) \\$/m.exec(command)?.[1] ?? ''
  const headers = [...command.matchAll(/-H '([^:']+): ([^']+)'/g)].map(
    ([, name = '', value = '']) => [name, value] as [string, string],
  )
  const body = /-d '([^']+)'$/.exec(command)?.[1] ?? ''
  assert.is(headers.length, 2)
  assert.is(JSON.parse(body).stream, true)
  const answer = await fetch(url, { method: 'POST', headers, body })
  assert.is(answer.status, 200)
  assert.match(answer.headers.get('content-type') ?? '', 'text/event-stream')
  let pieces = 0
  let text = ''
  const decoder = new TextDecoder()
  for await (const piece of answer.body ?? []) {
    pieces++
    text += decoder.decode(piece, { stream: true })
  }
  assert.ok(pieces > 5, `only ${pieces} pieces`)
  assert.match(text, /"finish_reason":"stop".*data: \[DONE\]\n\n$/s)
})

test('what the demo answers to the name of a model that has a price costs null', async (place) => {
  const thinwire = await started(place)
  const answer = await fetch(`${thinwire.url}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: `Bearer ${thinwire.key}`, 'content-type': 'application/json' },
    body: '{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}]}',
  })
  assert.is(answer.status, 200)
  await answer.text()
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0)
  const folder = join(place.folder, 'data')
  const file = readdirSync(folder).find((name) => name.startsWith('usage-')) ?? 'none'
  const record = JSON.parse(readFileSync(join(folder, file), 'utf8')) as Record<string, unknown>
  assert.is(record.upstream_model, 'gpt-4o')
  assert.ok(Number(record.completion_tokens) > 0)
  assert.is(record.cost_usd, null)
  assert.is(record.price_source, null)
})

test('a second start shows no key but how many there are', async (place) => {
  const first = await started(place)
  const { key } = first
  assert.is(await status(first, key), 200)
  first.child.kill('SIGTERM')
  assert.is(await first.ended(), 0)
  const second = await started(place)
  assert.not.match(second.err, KEY)
  assert.match(second.err, '1 active in data/keys.jsonl')
  assert.match(second.err, 'Bearer YOUR-KEY')
  assert.is(await status(second, key), 200)
})

test('a start whose keys are all revoked says how to issue one', async (place) => {
  const added = await run(place, ['keys', 'add', '--env', 'dev', '--team', 't', '--user', 'u'])
  const key = added.out.trim()
  assert.is((await run(place, ['keys', 'revoke', key])).code, 0)
  const thinwire = await started(place)
  assert.not.match(thinwire.err, KEY)
  assert.match(thinwire.err, 'none active in data/keys.jsonl')
  assert.match(thinwire.err, 'keys add --env dev --team team1 --user me')
})

test('a start without keys says so, and lets programs of this machine in', async (place) => {
  configure(place, { keys: { mode: 'off' } })
  const thinwire = await started(place)
  assert.match(thinwire.err, /Keys +off/)
  assert.not.match(thinwire.err, KEY)
  assert.not.match(thinwire.err, 'Authorization')
  assert.is((await fetch(`${thinwire.url}/v1/models`)).status, 200)
})

const REFUSED: Array<[string, string[], unknown, RegExp]> = [
  ['a config file that is not there', ['--config', 'no.json'], null, /no\.json: cannot be read \(ENOENT\)/],
  ['a config file that is a folder', ['--config', '.'], null, /cannot be read \(EISDIR\)/],
  ['a config file that is not JSON', [], '{"listen": ', /thinwire\.json: is not JSON/],
  [
    'a setting that nobody knows',
    [],
    { limit: {} },
    /thinwire\.json: limit: unknown setting; did you mean limits\?/,
  ],
  ['a setting of the wrong kind', [], { limits: { connections: 'many' } }, /limits\.connections: must be/],
  [
    'a secret that is not set',
    [],
    { upstreams: { up: { baseUrl: 'https://up.example/v1', apiKey: { env: 'NO_SUCH_KEY' } } } },
    /upstreams\.up\.apiKey: the environment variable NO_SUCH_KEY is not set/,
  ],
  [
    'a secret in the file itself',
    [],
    { upstreams: { up: { baseUrl: 'https://up.example/v1', apiKey: 'sk-pasted-secret' } } },
    /upstreams\.up\.apiKey: a secret is given by reference/,
  ],
  ['an address that is none', ['--listen', 'nonsense'], null, /--listen: must be HOST:PORT/],
  ['a port that is none', ['--listen', '127.0.0.1:99999'], null, /--listen: must be HOST:PORT/],
  [
    'no keys on an open address',
    ['--listen', '0.0.0.0:0'],
    { keys: { mode: 'off' } },
    /keys\.mode: off would let anyone/,
  ],
]

for (const [name, args, settings, message] of REFUSED) {
  test(`${name} is told in one line, with exit code 2`, async (place) => {
    if (settings !== null) configure(place, settings)
    const { code, out, err } = await run(place, ['start', ...args])
    assert.is(code, 2)
    assert.is(out, '')
    assert.match(err, message)
    assert.is(err.trimEnd().split('\n').length, 1, err)
    assert.not.match(err, /sk-pasted|^ +at /m)
  })
}

for (const [name, args, message] of [
  ['an option that there is not', ['--port', '1'], /^thinwire start: Unknown option '--port'/],
  ['an argument that there is not', ['somewhere'], /^thinwire start: Unexpected argument 'somewhere'/],
  ['an option without its value', ['--listen'], /^thinwire start: .*--listen/],
] as const) {
  test(`${name} is told in one line, and the usage in another, with exit code 2`, async (place) => {
    const { code, out, err } = await run(place, ['start', ...args])
    assert.is(code, 2)
    assert.is(out, '')
    assert.match(err, message)
    const [, usage = '', ...rest] = err.trimEnd().split('\n')
    assert.match(usage, /^usage: thinwire start/)
    assert.equal(rest, [])
  })
}

test('every wrong setting is told, a line each', async (place) => {
  configure(place, { listen: 'x', limits: { connections: 0 }, nonsense: 1 })
  const { code, err } = await run(place, ['start'])
  assert.is(code, 2)
  assert.match(err, 'limits.connections: must be at least 1')
  assert.match(err, 'nonsense: unknown setting')
  assert.ok(err.split('\n').every((line) => line === '' || line.startsWith('thinwire.json: ')))
})

test('a price file that cannot be used is told in one line, with exit code 2', async (place) => {
  configure(place, { ledger: { prices: 'prices.json' } })
  writeFileSync(
    join(place.folder, 'prices.json'),
    '{"m":{"input_cost_per_token":"cheap","output_cost_per_token":1}}',
  )
  const { code, err } = await run(place, ['start', '--listen', '127.0.0.1:0'])
  assert.is(code, 2)
  assert.is(
    err,
    'ledger.prices: prices.json: m.input_cost_per_token must be a number of US dollars for one token\n',
  )
})

test('a price file that is not there is told with what is used without it', async (place) => {
  configure(place, { ledger: { prices: 'prices.json' } })
  const { code, err } = await run(place, ['start', '--listen', '127.0.0.1:0'])
  assert.is(code, 2)
  assert.match(
    err,
    /^ledger\.prices: \/.+\/prices\.json cannot be read \(ENOENT\); without the setting the built-in prices are used\n$/,
  )
})

test('a port that is taken is told in one line, with exit code 1', async (place) => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  try {
    const { port } = other.address() as AddressInfo
    const thinwire = new Thinwire(place, ['start', '--listen', `127.0.0.1:${port}`])
    assert.is(await thinwire.ended(), 1)
    assert.match(
      thinwire.err,
      new RegExp(`^thinwire: 127\\.0\\.0\\.1:${port} is taken by another program; .*\n$`),
    )
  } finally {
    other.close()
  }
})

test('an address that is not of this machine is told in one line, with exit code 1', async (place) => {
  const { code, err } = await run(place, ['start', '--listen', '192.0.2.1:0'])
  assert.is(code, 1)
  assert.match(err, /^thinwire: 192\.0\.2\.1 is no address of this machine; .*\n$/)
})

test('a folder in the place of the key file is told in one line, with exit code 1', async (place) => {
  mkdirSync(join(place.folder, 'data', 'keys.jsonl'), { recursive: true })
  const { code, out, err } = await run(place, ['start', '--listen', '127.0.0.1:0'])
  assert.is(code, 1)
  assert.is(out, '')
  assert.match(err, /^thinwire: .*keys\.jsonl.*\n$/)
  assert.not.match(err, 'listens')
})

test('a key file that cannot be written is told in one line, with exit code 1', async (place) => {
  // Reading says that it is not there; writing, that its folder is not.
  mkdirSync(join(place.folder, 'data'))
  symlinkSync(join(place.folder, 'gone', 'keys.jsonl'), join(place.folder, 'data', 'keys.jsonl'))
  const { code, err } = await run(place, ['start', '--listen', '127.0.0.1:0'])
  assert.is(code, 1)
  assert.match(err, /^thinwire: .*keys\.jsonl.*\n$/)
})

test('a key that is added while it runs is good, and no longer when it is revoked, without a restart', async (place) => {
  const thinwire = await started(place)
  const added = await run(place, ['keys', 'add', '--env', 'prod', '--team', 'team1', '--user', 'alice'])
  assert.is(added.code, 0)
  const key = added.out.trim()
  await eventually(thinwire, key, 200)
  assert.is((await run(place, ['keys', 'revoke', key])).code, 0)
  await eventually(thinwire, key, 401)
  const answer = await fetch(`${thinwire.url}/v1/models`, { headers: { 'x-api-key': key } })
  assert.match(await answer.text(), '"revoked_api_key"')
  // The key of the start is as good as before.
  assert.is(await status(thinwire, thinwire.key), 200)
})

async function eventually(thinwire: Thinwire, key: string, wanted: number): Promise<void> {
  const deadline = performance.now() + 10_000
  while ((await status(thinwire, key)) !== wanted) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${wanted}`)
    await wait(20)
  }
}

test('SIGTERM lets an open stream end, takes no new connection, and then ends well', async (place) => {
  const { thinwire, last } = await streaming(place)
  const client = await openStream(place, thinwire)
  const idle = await thinwire.client(place)
  idle.send('GET /healthz HTTP/1.1\r\nhost: relay\r\n\r\n')
  await idle.response()
  await thinwire.drains('SIGTERM', 1)
  await idle.closed()
  await refuses(place, thinwire)
  assert.is(thinwire.code, null)
  last.open()
  const response = await client.response()
  assert.ok(response.complete)
  assert.is(response.body.toString(), 'data: first\n\ndata: last\n\n')
  assert.is(await client.closed(), 'fin')
  assert.is(await thinwire.ended(), 0)
  assert.equal(
    thinwire.requests.map((line) => line.end),
    ['done'],
  )
  assert.is(thinwire.lines.at(-1)?.msg, 'ended')
})

/** Waits until connections are refused: idle ones are closed a moment before the listener is. */
async function refuses(place: Place, thinwire: Thinwire): Promise<void> {
  const deadline = performance.now() + 10_000
  for (;;) {
    try {
      await thinwire.client(place)
    } catch (error) {
      assert.is((error as NodeJS.ErrnoException).code, 'ECONNREFUSED')
      return
    }
    if (performance.now() > deadline) throw new Error('connections are still taken')
    await wait(5)
  }
}

test('SIGTERM with nothing open ends it at once, also while it keeps idle connections', async (place) => {
  const { thinwire, last } = await streaming(place)
  last.open()
  const client = await openStream(place, thinwire)
  assert.ok((await client.response()).complete)
  await thinwire.drains('SIGTERM', 0)
  assert.is(await thinwire.ended(), 0)
  assert.is(await client.closed(), 'fin')
})

test('a signal that comes as soon as the banner is there ends it well', async (place) => {
  const relays = Array.from({ length: 6 }, () => new Thinwire(place, ['start', '--listen', '127.0.0.1:0']))
  for (const { child } of relays) child.stderr?.once('data', () => child.kill('SIGTERM'))
  const codes = await Promise.all(relays.map((thinwire) => thinwire.ended()))
  assert.equal(codes, Array(relays.length).fill(0))
})

test('a request on a connection that was kept gets 503 while the relay ends', async (place) => {
  const { thinwire, last } = await streaming(place)
  const streamed = await openStream(place, thinwire)
  const kept = await thinwire.client(place)
  // Begun before the signal, so that the connection is not idle and stays.
  kept.send(`GET /v1/x HTTP/1.1\r\nhost: relay\r\n`)
  await wait(50)
  await thinwire.drains('SIGTERM', 1)
  kept.send(`authorization: Bearer ${thinwire.key}\r\n\r\n`)
  const response = await kept.response()
  assert.is(response.status, 503)
  assert.match(response.body.toString(), '"code":"draining"')
  await kept.closed()
  last.open()
  assert.ok((await streamed.response()).complete)
  assert.is(await thinwire.ended(), 0)
})

test('two SIGINTs at once are one: the open stream still comes to its end', async (place) => {
  const { thinwire, last } = await streaming(place)
  const client = await openStream(place, thinwire)
  thinwire.child.kill('SIGINT')
  // Apart enough for the system not to make one of them, near enough for the relay to.
  await wait(100)
  thinwire.child.kill('SIGINT')
  await wait(100)
  assert.is(thinwire.code, null)
  last.open()
  const response = await client.response()
  assert.ok(response.complete)
  assert.is(response.body.toString(), 'data: first\n\ndata: last\n\n')
  assert.is(await thinwire.ended(), 0)
  assert.equal(
    thinwire.requests.map((line) => line.end),
    ['done'],
  )
})

for (const [signal, number] of [
  ['SIGINT', 2],
  ['SIGTERM', 15],
] as const) {
  test(`a second ${signal} a second later ends it now, with the open stream cut and in the log`, async (place) => {
    const { thinwire } = await streaming(place)
    const client = await openStream(place, thinwire)
    await thinwire.drains(signal, 1)
    await wait(1_100)
    assert.is(thinwire.code, null)
    thinwire.child.kill(signal)
    assert.is(await thinwire.ended(), 128 + number)
    await client.closed()
    assert.is((await client.response()).complete, false)
    assert.match(thinwire.out, `"signal":"${signal}","cut":1,`)
    assert.equal(
      thinwire.requests.map((line) => line.end),
      ['shutdown'],
    )
  })
}

test('a stream that is still open when timeouts.drainMs is over is cut, and told in the log', async (place) => {
  const { thinwire, upstream } = await streaming(place, { timeouts: { drainMs: 200 } })
  const client = await openStream(place, thinwire)
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0)
  await client.closed()
  assert.is((await client.response()).complete, false)
  assert.equal(
    thinwire.requests.map((line) => line.end),
    ['shutdown'],
  )
  assert.ok(thinwire.lines.some((line) => line.cut === 1))
  const asked = upstream.requests.filter((request) => request.method === 'GET')
  await until(() => asked.every((request) => request.closed), 'the upstream connection to close')
})

test('a reader of the log that goes away does not end the relay, nor a stream', async (place) => {
  const { thinwire, last } = await streaming(place)
  const client = await openStream(place, thinwire)
  thinwire.child.stdout?.destroy()
  for (let i = 0; i < 20; i++) assert.is(await status(thinwire, 'sk-wrong'), 401)
  assert.is(thinwire.code, null, thinwire.err)
  last.open()
  assert.ok((await client.response()).complete)
  assert.is(await status(thinwire, thinwire.key), 200)
  assert.is(thinwire.code, null, thinwire.err)
  client.destroy()
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0, thinwire.err)
})

test('a reader of the log that has gone does not keep the relay from ending', async (place) => {
  const thinwire = await started(place)
  assert.is(await status(thinwire, thinwire.key), 200)
  await until(() => thinwire.requests.length === 1, 'the line of the request')
  // Its next line is the one that says that it ends.
  thinwire.child.stdout?.destroy()
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0, thinwire.err)
})

test('a reader of the log that has stopped holds up no request, nor the end', async (place) => {
  const thinwire = await started(place)
  thinwire.child.stdout?.pause()
  // More lines than the pipe and the buffers at both of its ends hold.
  const client = await thinwire.client(place)
  for (let i = 0; i < 1_000; i++) client.send('GET /v1/x HTTP/1.1\r\nhost: relay\r\n\r\n')
  await until(() => parseResponses(client.bytes, false).length === 1_000, 'all answers')
  assert.is(await status(thinwire, thinwire.key), 200)
  thinwire.child.kill('SIGTERM')
  await until(() => thinwire.code !== null, 'thinwire to end')
  assert.is(thinwire.code, 0, thinwire.err)
})

test('the log is a JSON line for each request, without a prompt and without a secret', async (place) => {
  const { thinwire, last } = await streaming(place, { log: { level: 'debug' } })
  last.open()
  const { key } = thinwire
  const prompt = 'a prompt that nobody else may read'
  const asked = await fetch(`${thinwire.url}/v1/chat/completions?key=${key}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${key}`, 'x-api-key': key, 'x-custom': prompt },
    body: JSON.stringify({ model: 'm-1', stream: true, messages: [{ role: 'user', content: prompt }] }),
  })
  assert.is(await asked.text(), 'data: first\n\ndata: last\n\n')
  assert.is(await status(thinwire, 'sk-provider-key-by-mistake'), 401)
  assert.is(await status(thinwire, `${key.slice(0, -1)}${key.endsWith('0') ? '1' : '0'}`), 401)
  await until(() => thinwire.requests.length >= 3, 'three lines')
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0)
  // `requests` reads every line as JSON, and throws if one is not.
  const [line, provider, mistyped] = thinwire.requests
  assert.is(line?.end, 'done')
  assert.is(line?.model, 'm-1')
  assert.is(line?.path, '/v1/chat/completions')
  assert.is(line?.env, 'dev')
  assert.is(provider?.error_code, 'malformed_api_key')
  assert.is(mistyped?.error_code, 'mistyped_api_key')
  for (const { level, time, msg } of thinwire.lines) {
    assert.type(level, 'number')
    assert.match(String(time), /^\d{4}-\d\d-\d\dT/)
    assert.type(msg, 'string')
  }
  for (const secret of [KEY, /lc_dev_default/, /nobody else/, /sk-/, /data: /]) {
    assert.not.match(thinwire.out, secret)
  }
  assert.not.match(thinwire.err, UPSTREAM_KEY)
})

test('what of the config is likely to surprise is told in the log, and which proxy is taken, without its password', async (place) => {
  configure(place, {
    upstreams: { up: { baseUrl: 'https://api.upstream.example/v1', warm: false } },
    models: { 'gpt-team': { upstream: 'up', model: 'm' } },
  })
  const thinwire = await started(place, [], { HTTPS_PROXY: 'http://me:proxy-secret@127.0.0.1:9' })
  await thinwire.logs('is reached through')
  const [warning, proxy] = thinwire.lines
  assert.is(warning?.level, 40)
  assert.match(String(warning?.msg), /^models\.gpt-team: Cursor treats /)
  assert.equal([proxy?.level, proxy?.upstream, proxy?.proxy], [30, 'up', 'http://127.0.0.1:9'])
  assert.not.match(thinwire.out + thinwire.err, /proxy-secret|Basic/)
})

test('an upstream that cannot be reached does not keep it from starting', async (place) => {
  const upstream = await ScriptedUpstream.start(() => {})
  const baseUrl = upstream.url
  await upstream.close()
  configure(place, { upstreams: { up: { baseUrl } } })
  const thinwire = await started(place)
  await thinwire.logs('cannot reach upstream up yet')
  assert.is(await status(thinwire, thinwire.key), 502)
  thinwire.child.kill('SIGTERM')
  assert.is(await thinwire.ended(), 0)
})

test('it is ready when its code is warm, even if an upstream keeps silent', async (place) => {
  const upstream = await ScriptedUpstream.start((request) => request.hang())
  place.upstreams.push(upstream)
  configure(place, { upstreams: { up: { baseUrl: upstream.url } } })
  const thinwire = await started(place)
  const ready = async (): Promise<string> => {
    const response = await fetch(`${thinwire.url}/readyz`)
    const { status } = (await response.json()) as { status: string }
    assert.is(response.ok, status === 'ready')
    return status
  }
  assert.is(await ready(), 'starting')
  assert.is((await fetch(`${thinwire.url}/v1/models`)).status, 401)
  while ((await ready()) !== 'ready') await wait(20)
  // Of its warming up, the upstream has seen the one connection.
  assert.equal(
    upstream.requests.map(({ method }) => method),
    ['HEAD'],
  )
})

test('--version prints the version and nothing else', async (place) => {
  const told = await Promise.all(['--version', '-v'].map((option) => run(place, [option])))
  for (const each of told) assert.equal(each, { code: 0, out: `${VERSION}\n`, err: '' })
})

test('--help tells the commands within 80 columns', async (place) => {
  const told = await Promise.all(['--help', '-h', 'help'].map((option) => run(place, [option])))
  for (const { code, out, err } of told) {
    assert.is(code, 0)
    assert.is(err, '')
    assert.match(out, 'thinwire start')
    assert.match(out, 'thinwire keys')
    for (const line of out.split('\n')) assert.ok(line.length <= 80, `too wide: ${line}`)
  }
})

test('start --help tells its options within 80 columns', async (place) => {
  const ways = [
    ['start', '--help'],
    ['start', '-h'],
    ['help', 'start'],
  ]
  for (const { code, out, err } of await Promise.all(ways.map((args) => run(place, args)))) {
    assert.is(code, 0)
    assert.is(err, '')
    assert.match(out, '--listen HOST:PORT')
    assert.match(out, 'Exit codes')
    for (const line of out.split('\n')) assert.ok(line.length <= 80, `too wide: ${line}`)
  }
})

test('no command is answered with the help, and exit code 2', async (place) => {
  const { code, out, err } = await run(place, [])
  assert.is(code, 2)
  assert.is(out, '')
  assert.match(err, 'thinwire start')
})

test('a command that there is not is told in one line, with exit code 2', async (place) => {
  const { code, out, err } = await run(place, ['strat', '--listen', 'x'])
  assert.is(code, 2)
  assert.is(out, '')
  assert.match(err, /^thinwire: there is no command "strat"; try thinwire --help\n$/)
})

test.run()
