import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { issueKey, revokeKey } from '../../src/access/keyring.js'
import { VERSION } from '../../src/version.js'
import { configure, status, streaming, UPSTREAM_KEY } from '../support/start.js'
import { clear, KEY, open, type Place, run, started, type Thinwire } from '../support/thinwire.js'
import { until, wait } from '../support/until.js'
import { ScriptedUpstream } from '../support/upstream.js'

// As a user starts it: most other tests leave the warm-up out.
process.env.THINWIRE_WARM_UP = 'on'

const test = suite<Place>('start')

test.before.each(open)
test.after.each(clear)

/** Tests of one relay, as its first start made it. */
const firstStart = suite<Place & { thinwire: Thinwire }>('first start')

firstStart.before(async (place) => {
  open(place)
  place.thinwire = await started(place, ['--first-key', 'show'])
})
firstStart.after(clear)

firstStart(
  'a first start shows its address, a first key and lines to paste, within 80 columns',
  ({ thinwire }) => {
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
  },
)

firstStart('the curl command of the banner streams an answer from the demo', async ({ thinwire }) => {
  // The lines as a shell reads them: up to the first one that is not continued.
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

firstStart(
  'an answer of the demo has no cost, also under the name of a model that has a price',
  async (place) => {
    const { thinwire } = place
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
    const [line = ''] = readFileSync(join(folder, file), 'utf8').trimEnd().split('\n').slice(-1)
    const record = JSON.parse(line) as Record<string, unknown>
    assert.is(record.upstream_model, 'gpt-4o')
    assert.ok(Number(record.completion_tokens) > 0)
    assert.is(record.cost_usd, null)
    assert.is(record.price_source, null)
  },
)

firstStart.run()

test('a second start shows the number of keys, and no key', async (place) => {
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

test('a start with revoked keys alone says how to issue a key', async (place) => {
  const file = join(place.folder, 'data', 'keys.jsonl')
  const { key } = issueKey(file, { env: 'dev', team: 't', user: 'u' })
  revokeKey(file, key)
  const thinwire = await started(place)
  assert.not.match(thinwire.err, KEY)
  assert.match(thinwire.err, 'none active in data/keys.jsonl')
  assert.match(thinwire.err, 'keys add --env dev --team team1 --user me')
})

test('a start with keys.mode off says so, and admits programs of this machine', async (place) => {
  configure(place, { keys: { mode: 'off' } })
  const thinwire = await started(place)
  assert.match(thinwire.err, /Keys +off/)
  assert.not.match(thinwire.err, KEY)
  assert.not.match(thinwire.err, 'Authorization')
  assert.is((await fetch(`${thinwire.url}/v1/models`)).status, 200)
})

test('a key that is added to a running relay is admitted, and refused once it is revoked', async (place) => {
  const thinwire = await started(place)
  const added = await run(place, ['keys', 'add', '--env', 'prod', '--team', 'team1', '--user', 'alice'])
  assert.is(added.code, 0)
  const key = added.out.trim()
  await eventually(thinwire, key, 200)
  assert.is((await run(place, ['keys', 'revoke', key])).code, 0)
  await eventually(thinwire, key, 401)
  const answer = await fetch(`${thinwire.url}/v1/models`, { headers: { 'x-api-key': key } })
  assert.match(await answer.text(), '"revoked_api_key"')
  // The key of the start still works.
  assert.is(await status(thinwire, thinwire.key), 200)
})

async function eventually(thinwire: Thinwire, key: string, wanted: number): Promise<void> {
  const deadline = performance.now() + 30_000
  while ((await status(thinwire, key)) !== wanted) {
    if (performance.now() > deadline) throw new Error(`waited in vain for ${wanted}`)
    await wait(20)
  }
}

test('the log has one JSON line for each request, without prompts and secrets', async (place) => {
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

test('warnings about the config are logged, and the proxy that is used, without its password', async (place) => {
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

test('a relay starts although its upstream cannot be reached', async (place) => {
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

test('a relay is ready when its code is warm, even if an upstream does not respond', async (place) => {
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
  // The warm-up has made one request to the upstream, to connect.
  assert.equal(
    upstream.requests.map(({ method }) => method),
    ['HEAD'],
  )
})

test.run()
