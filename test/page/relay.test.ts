import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readNow } from '../support/page/live-reader.js'
import { post, startRelay, type TestRelay } from '../support/relay.js'
import { gate, until } from '../support/until.js'
import { CHUNKED, head, ScriptedUpstream, SSE } from '../support/upstream.js'

// The page of a real relay.

const BODY = '{"model":"m-1","stream":true,"messages":[{"role":"user","content":"Hi"}]}'
const EVENT = 'data: {"choices":[{"delta":{"content":"Hello"}}]}\n\n'

interface PagePlace {
  readonly relay: TestRelay
  readonly origin: string
  /** Lets the streams that are open end. */
  readonly finish: () => void
  readonly folder: string
}

test('operators see an open stream and then its sums, and holders their own', () =>
  withRelay({ limits: { rules: [{ name: 'day', per: 'key', requestsPerMinute: 100 }] } }, async (place) => {
    const { relay, origin, finish } = place
    const operator = await follow(
      origin,
      relay.app.printPageToken(() => {}),
    )
    const mine = await enter(origin, relay.key)
    const otherKey = relay.addKey('team2')
    const other = await enter(origin, otherKey)
    const answer = post(relay, '/v1/chat/completions', BODY)
    await until(() => relay.inspect().openCount === 1, 'the open stream')
    const [seen, own, none] = await Promise.all(
      [operator, mine, other].map((cookie) => readNow(origin, cookie)),
    )
    assert.is(seen?.openCount, 1)
    assert.is(seen?.open[0]?.model, 'm-1')
    assert.is(seen?.open[0]?.owner, 'team1/user1')
    assert.is(own?.openCount, 1)
    assert.is(none?.openCount, 0)
    assert.equal(none?.open, [])
    finish()
    assert.is((await answer).status, 200)
    const totals = async (cookie: string): Promise<number> =>
      ((await get(origin, cookie, 'totals?by=model&range=5m')) as { sum: { counts: { requests: number } } })
        .sum.counts.requests
    let requests = 0
    const asking = setInterval(async () => {
      requests = await totals(operator)
    }, 100)
    await until(() => requests === 1, 'the sum').finally(() => clearInterval(asking))
    assert.is(await totals(mine), 1)
    assert.is(await totals(other), 0)
    const list = (await get(origin, mine, 'requests')) as { requests: { id: string; model: string }[] }
    assert.is(list.requests.length, 1)
    assert.is(list.requests[0]?.model, 'm-1')
    assert.equal(((await get(origin, other, 'requests')) as typeof list).requests, [])
    const id = list.requests[0]?.id
    assert.is((await fetch(`${origin}/api/requests/${id}`, { headers: { cookie: other } })).status, 404)
    const meters = (await get(origin, mine, 'limits')) as {
      meters: { rule: string; owner: string; used: number }[]
    }
    assert.is(meters.meters.length, 1)
    assert.is(meters.meters[0]?.rule, 'day')
    const targets = (await get(origin, operator, 'upstreams?range=5m')) as { targets: { name: string }[] }
    assert.is(targets.targets[0]?.name, 'up')
  }))

test('a key that an operator issues is taken at once, and one that is revoked ends its sessions', () =>
  withRelay({}, async ({ relay, origin }) => {
    const operator = await follow(
      origin,
      relay.app.printPageToken(() => {}),
    )
    const order = { env: 'test', team: 'team3', user: 'user3' }
    const issued = (await send(origin, operator, 'keys', order)) as { id: string; key: string }
    const holder = await enter(origin, issued.key)
    const client = await relay.client()
    client.send(`GET /v1/key HTTP/1.1\r\nhost: relay\r\nauthorization: Bearer ${issued.key}\r\n\r\n`)
    assert.is((await client.response()).status, 200)
    await send(origin, operator, `keys/${issued.id}/revoke`, {})
    assert.is((await fetch(`${origin}/api/session`, { headers: { cookie: holder } })).status, 401)
  }))

test('another token in the config counts after a reload', () =>
  withRelay({ admin: { token: { env: 'ADMIN_TOKEN' } } }, async ({ relay, origin, folder }) => {
    assert.is(
      relay.app.printPageToken(() => {}),
      null,
    )
    const operator = await enter(origin, 'first-token-0123456789')
    assert.is((await fetch(`${origin}/api/session`, { headers: { cookie: operator } })).status, 200)
    writeFileSync(`${folder}/token`, 'second-token-0123456789')
    const file = `${folder}/thinwire.json`
    const settings = JSON.parse(readFileSync(file, 'utf8')) as Record<string, unknown>
    writeFileSync(
      file,
      JSON.stringify({ ...settings, admin: { listen: '127.0.0.1:0', token: { file: `${folder}/token` } } }),
    )
    relay.app.reload()
    assert.is((await fetch(`${origin}/api/session`, { headers: { cookie: operator } })).status, 401)
    await enter(origin, 'second-token-0123456789')
  }))

test('the page ends with the relay, and its streams with it', () =>
  withRelay({}, async ({ relay, origin }) => {
    const operator = await follow(
      origin,
      relay.app.printPageToken(() => {}),
    )
    const response = await fetch(`${origin}/api/live`, { headers: { cookie: operator } })
    const reader = response.body?.getReader()
    await reader?.read()
    relay.app.stop()
    let isOver = false
    const drain = async (): Promise<void> => {
      for (;;) if ((await reader?.read())?.done !== false) return
    }
    void drain()
      .catch(() => {})
      .then(() => {
        isOver = true
      })
    await until(() => isOver, 'the end of the stream')
  }))

async function withRelay(
  settings: Record<string, unknown>,
  act: (place: PagePlace) => Promise<void>,
): Promise<void> {
  const last = gate()
  const upstream = await ScriptedUpstream.start(async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk(EVENT)
    await last.opened
    await request.chunk('data: [DONE]\n\n')
    await request.lastChunk()
  })
  const admin = { listen: '127.0.0.1:0', ...(settings.admin as object | undefined) }
  const env = { UPSTREAM_KEY: 'sk-upstream-secret', ADMIN_TOKEN: 'first-token-0123456789' }
  const relay = await startRelay(upstream.url, { ...settings, admin }, env, 3_600_000)
  try {
    const origin = `http://127.0.0.1:${relay.pagePort}`
    const folder = relay.config.file === null ? '' : relay.config.file.replace(/\/[^/]*$/, '')
    await act({ relay, origin, finish: last.open, folder })
  } finally {
    last.open()
    await relay.close()
    await upstream.close()
  }
}

/** Follows the printed link. @returns the cookie */
async function follow(origin: string, token: string | null): Promise<string> {
  const response = await fetch(`${origin}/?token=${token}`, { redirect: 'manual' })
  return response.headers.get('set-cookie')?.split(';', 1)[0] ?? ''
}

async function enter(origin: string, secret: string): Promise<string> {
  const response = await fetch(`${origin}/api/session`, {
    method: 'POST',
    headers: { origin, 'content-type': 'application/json' },
    body: JSON.stringify({ secret }),
  })
  if (response.status !== 200) throw new Error(await response.text())
  return response.headers.get('set-cookie')?.split(';', 1)[0] ?? ''
}

async function get(origin: string, cookie: string, path: string): Promise<unknown> {
  const response = await fetch(`${origin}/api/${path}`, { headers: { cookie } })
  assert.is(response.status, 200, path)
  return response.json()
}

async function send(origin: string, cookie: string, path: string, body: unknown): Promise<unknown> {
  const headers = { cookie, origin, 'content-type': 'application/json' }
  const response = await fetch(`${origin}/api/${path}`, {
    method: 'POST',
    headers,
    body: JSON.stringify(body),
  })
  return response.status === 204 ? null : response.json()
}

test.run()
