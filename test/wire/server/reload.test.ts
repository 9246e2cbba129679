import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite, test } from 'uvu'
import * as assert from 'uvu/assert'
import { auth, post } from '../../support/relay.js'
import { answers, cold, type Running, withReloader } from '../../support/reloader.js'
import { clear, open, type Place, Thinwire } from '../../support/thinwire.js'
import { until } from '../../support/until.js'
import { CHUNKED, head, type Script, ScriptedUpstream, SSE, whole } from '../../support/upstream.js'

test('after a reload requests follow the new config, and open streams stay on their upstream', async () => {
  const stream: Script = async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk('data: 1\n\n')
  }
  await withReloader(stream, async ({ relay, one, two, change, ask }) => {
    const client = await relay.client()
    client.send(`GET /v1/x HTTP/1.1\r\n${auth(relay)}\r\n`)
    await client.sees('data: 1\n\n')
    change({ upstreams: { two: cold(two) } })
    assert.equal(
      relay.inspect().upstreams.map(({ name }) => name),
      ['two'],
    )
    assert.is(await ask(), 'two')
    const request = await one.request(0)
    await request.chunk('data: 2\n\n')
    await client.sees('data: 2\n\n')
    assert.is(relay.inspect().retiringUpstreams.length, 1)
    await request.lastChunk()
    assert.ok((await client.response()).complete)
    client.destroy()
    await until(() => relay.inspect().retiringUpstreams.length === 0, 'the old upstream to be retired')
    await until(() => one.openSockets === 0, 'its connections to close')
  })
})

test('an upstream that a reload does not change keeps its connections', async () => {
  await withReloader(answers('one'), async ({ one, two, change, ask }) => {
    assert.is(await ask(), 'one')
    change({
      upstreams: { one: cold(one), two: cold(two) },
      models: { other: { upstream: 'two', model: 'real' } },
    })
    assert.is(await ask(), 'one')
    assert.is(one.connections, 1)
    assert.is(await ask('{"model":"other"}'), 'two')
    assert.is((await two.request(0)).body.toString(), '{"model":"real"}')
  })
})

test('modelTraits that a reload changes hold from the next request on', () =>
  withReloader(answers('{}'), async ({ relay, one, change }) => {
    const body = '{"model":"m","temperature":0,"messages":[{"role":"user","content":"hi"}]}'
    await post(relay, '/cursor/v1/chat/completions', body)
    change({ upstreams: { one: cold(one) }, modelTraits: [{ match: 'm', refuses: ['temperature'] }] })
    await post(relay, '/cursor/v1/chat/completions', body)
    const sent = (await Promise.all([one.request(0), one.request(1)])).map((each) => each.body.toString())
    assert.equal(
      sent.map((text) => text.includes('temperature')),
      [true, false],
    )
  }))

test('an open request can still fail over to the next target of the old config', async () => {
  await withReloader(
    () => {},
    async ({ relay, one, two, change }) => {
      const both = (headers: Record<string, string>): Record<string, unknown> => ({
        upstreams: { one: { ...cold(one), headers }, two: { ...cold(two), headers } },
        routes: [{ targets: [{ upstream: 'one' }, { upstream: 'two' }] }],
      })
      change(both({ 'x-config': '1' }))
      const client = await relay.client()
      const body = '{"model":"m"}'
      client.send(
        `POST /v1/completions HTTP/1.1\r\n${auth(relay)}content-length: ${body.length}\r\n\r\n${body}`,
      )
      const request = await one.request(0)
      change(both({ 'x-config': '2' }))
      change(both({ 'x-config': '3' }))
      await request.write(whole('503 Busy', '{}'))
      assert.is((await client.response()).body.toString(), 'two')
      const got = await two.request(0)
      assert.is(got.header('x-config'), '1')
      assert.is(got.body.toString(), body)
      client.destroy()
      await until(() => relay.inspect().retiringUpstreams.length === 0, 'the old upstreams to be retired')
      await until(() => two.openSockets === 0, 'its connection to close')
    },
  )
})

const BROKEN: Array<[string, Record<string, unknown> | string, RegExp]> = [
  ['is not JSON', '{"upstreams": {', /keeps its config: .*is not JSON/],
  ['has an unknown setting', { upstreems: {} }, /keeps its config: .*upstreems: unknown setting/],
  [
    'names an unknown upstream',
    { upstreams: { a: { baseUrl: 'http://127.0.0.1:1' } }, routes: [{ upstream: 'b' }] },
    /keeps its config: .*no such upstream/,
  ],
  [
    'names a missing secret',
    { upstreams: { a: { preset: 'openai' } } },
    /keeps its config: .*OPENAI_API_KEY/,
  ],
  ['has no upstream', {}, /keeps its config: it has no upstreams/],
]

for (const [name, settings, message] of BROKEN) {
  test(`a config file that ${name} changes nothing, and the log names the problem`, async () => {
    await withReloader(answers('one'), async ({ relay, change, ask }) => {
      change(settings)
      assert.is(await ask(), 'one')
      assert.ok(
        relay.lines.some(({ msg }) => message.test(String(msg))),
        JSON.stringify(relay.lines),
      )
    })
  })
}

test('a reload applies what it can, and logs each time which settings need a restart', async () => {
  await withReloader(answers('one'), async ({ relay, one, two, change, ask }) => {
    const later = { keys: { file: 'other.jsonl' }, limits: { bodyBytes: 2048 }, log: { level: 'warn' } }
    const told = (): unknown => relay.lines.findLast(({ settings }) => settings !== undefined)
    change({ upstreams: { one: cold(one) }, ...later })
    assert.match(
      JSON.stringify(told()),
      /keys\.file, limits\.bodyBytes, log\.level take effect after a restart/,
    )
    assert.ok(relay.lines.some(({ msg }) => /nothing else has changed/.test(String(msg))))
    change({ upstreams: { two: cold(two) }, listen: '127.0.0.1:1', timeouts: { drainMs: 7 } })
    assert.match(JSON.stringify(told()), /"listen, timeouts\.drainMs take effect after a restart/)
    assert.is(await ask(), 'two')
    change({ upstreams: { two: cold(two) }, ledger: { flushMs: 1 } })
    assert.match(JSON.stringify(told()), /"ledger\.flushMs takes effect after a restart/)
  })
})

test('a reload applies timeouts of upstreams, and a change of client timeouts replaces no upstream', async () => {
  await withReloader(answers('one'), async ({ relay, one, change, ask, reloads }) => {
    const upstreams = { one: cold(one) }
    assert.is(await ask(), 'one')
    change({ upstreams, timeouts: { drainMs: 7, clientStallMs: 8 } })
    assert.is(await ask(), 'one')
    assert.is(one.connections, 1)
    assert.is(reloads(), 0)
    const before = relay.lines.length
    change({ upstreams, timeouts: { firstByteMs: 50_000 } })
    assert.is(reloads(), 1)
    assert.is(relay.inspect().upstreams[0]?.timeouts.firstByteMs, 50_000)
    assert.not.ok(relay.lines.slice(before).some(({ msg }) => /restart/.test(String(msg))))
  })
})

for (const mode of ['passthrough', 'off']) {
  test(`a config file that changes keys.mode to ${mode} is not applied at all`, async () => {
    await withReloader(answers('one'), async ({ relay, two, change, ask, reloads }) => {
      // An upstream of this config may be meant for clients of the other mode only.
      change({ keys: { mode }, upstreams: { two: cold(two) } })
      assert.is(await ask(), 'one')
      assert.is(reloads(), 0)
      const line = relay.lines.find(({ msg }) => /keeps its config: keys\.mode: /.test(String(msg)))
      assert.match(String(line?.msg), new RegExp(`from keys to ${mode} needs a restart`))
      change({ upstreams: { two: cold(two) } })
      assert.is(await ask(), 'two')
    })
  })
}

test('the config file is read again after it was written or replaced', async () => {
  const act = async ({ relay, two, ask, reloads }: Running): Promise<void> => {
    const file = relay.config.file as string
    const text = JSON.stringify({ listen: '127.0.0.1:0', upstreams: { two: cold(two) } })
    // Only a change after the first look is noticed, and the test cannot know when that was.
    const replace = (): void => {
      writeFileSync(`${file}.new`, text)
      renameSync(`${file}.new`, file)
    }
    const replacing = setInterval(replace, 100)
    await until(() => reloads() >= 1, 'the file to be read').finally(() => clearInterval(replacing))
    assert.is(await ask(), 'two')
  }
  await withReloader(answers('one'), act, answers('two'), 10)
})

const Started = suite<Place>('thinwire start', {
  folder: '',
  running: [],
  upstreams: [],
  clients: [],
})
Started.before.each(open)
Started.after.each(clear)

Started('SIGHUP reloads the config and does not end the process', async (place) => {
  const one = await ScriptedUpstream.start(answers('one'))
  const two = await ScriptedUpstream.start(answers('two'))
  place.upstreams.push(one, two)
  const file = join(place.folder, 'thinwire.json')
  const write = (upstream: ScriptedUpstream): void =>
    writeFileSync(file, JSON.stringify({ listen: '127.0.0.1:0', upstreams: { up: cold(upstream) } }))
  write(one)
  const relay = new Thinwire(place, ['start'])
  await until(() => /http:\/\/127\.0\.0\.1:\d+/.test(relay.err) && relay.key !== '', 'the banner')
  const port = /http:\/\/127\.0\.0\.1:(\d+)/.exec(relay.err)?.[1]
  const key = relay.key
  const ask = async (): Promise<string> => {
    const response = await fetch(`http://127.0.0.1:${port}/v1/x`, {
      headers: { authorization: `Bearer ${key}` },
    })
    return response.text()
  }
  assert.is(await ask(), 'one')
  write(two)
  relay.child.kill('SIGHUP')
  await until(() => /is in use now/.test(relay.out), 'the config to be in use')
  assert.is(await ask(), 'two')
  assert.is(relay.code, null)
  assert.match(readFileSync(file, 'utf8'), /127/)
})

Started(
  'a relay with the built-in demo follows its config, too, and keeps it at a wrong one',
  async (place) => {
    const file = join(place.folder, 'thinwire.json')
    const write = (settings: object): void =>
      writeFileSync(file, JSON.stringify({ listen: '127.0.0.1:0', ...settings }))
    write({})
    const relay = new Thinwire(place, ['start'])
    await until(() => /http:\/\/127\.0\.0\.1:\d+/.test(relay.err) && relay.key !== '', 'the banner')
    const port = /http:\/\/127\.0\.0\.1:(\d+)/.exec(relay.err)?.[1]
    const key = relay.key
    const ask = async (): Promise<number> => {
      const response = await fetch(`http://127.0.0.1:${port}/v1/chat/completions`, {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
        body: '{"model":"thinwire-demo","messages":[{"role":"user","content":"hi"}]}',
      })
      await response.text()
      return response.status
    }
    const reload = async (settings: object, said: RegExp): Promise<void> => {
      const before = relay.out.length
      write(settings)
      relay.child.kill('SIGHUP')
      await until(() => said.test(relay.out.slice(before)), String(said))
    }
    assert.is(await ask(), 200)
    const deny = { name: 'none', models: { deny: '*' } }
    await reload({ limits: { rules: [deny] } }, /is in use now/)
    assert.is(await ask(), 403)
    await reload({ limits: { rules: [{ ...deny, timezone: 'Berlin' }] } }, /keeps its config: .*did you mean/)
    await reload(
      { upstreams: { up: { baseUrl: 'http://127.0.0.1:9', apiKey: { env: 'PATH' } } } },
      /keeps its config: upstreams in place of the built-in demo need a restart/,
    )
    assert.is(await ask(), 403)
    await reload(
      { limits: { rules: [{ name: 'odd', usd: { day: 5, month: 1 } }] } },
      /odd|usd\.day: is never/,
    )
    assert.is(await ask(), 200)
    assert.is(relay.code, null)
  },
)

test.run()
Started.run()
