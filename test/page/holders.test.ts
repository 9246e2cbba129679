import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { issueKey } from '../../src/access/key-changes.js'
import { narrowSource } from '../../src/page/narrowed-source.js'
import type { Meters, RequestList, TotalsTable } from '../../src/page/shapes.js'
import { KEY as KEY_RECORD } from '../support/key-record.js'
import { createFakeSource } from '../support/page/fake-source.js'
import { startRelay, type TestRelay } from '../support/relay.js'
import { gate, until } from '../support/until.js'
import { CHUNKED, head, ScriptedUpstream, SSE } from '../support/upstream.js'

// Two people of one team use a real relay at the same time, and each signs in to the page with a key.

const EVENT =
  'data: {"choices":[{"delta":{"content":"Hello"}}],"usage":{"prompt_tokens":7,"completion_tokens":3}}\n\n'

const RULES = [
  { name: 'each', per: 'key', requestsPerMinute: 500 },
  { name: 'team', per: 'team', tokens: { day: 1_000_000 } },
  { name: 'everyone', per: 'pool', requestsPerMinute: 900 },
]

/** All that a holder can ask for. */
const PATHS = [
  ...['session', 'limits', 'limits.csv', 'keys', 'keys.csv', 'spend', 'spend.csv'],
  ...['refusals?range=5m', 'refusals.csv?range=5m', 'refusals.csv?table=rules', 'requests', 'requests.csv'],
  ...['requests?errors=1', 'upstreams?range=5m', 'upstreams.csv?range=5m'],
  ...['team', 'user', 'key', 'model', 'upstream', 'end'].flatMap((by) => [
    ...[`totals?by=${by}&range=5m`, `totals.csv?by=${by}&range=30m`, `totals?by=${by}&range=90d`],
    ...[`series?by=${by}&range=5m`, `series.csv?by=${by}&range=2h`],
  ]),
]

/** Somebody with a key. */
interface Holder {
  readonly name: string
  readonly id: string
  readonly key: string
  readonly cookie: string
}

test('nothing that a holder can ask for has anything of another key, and what it has is all of the own', () =>
  withHolders(async ({ relay, origin, holders, finish }) => {
    // What came and went, what was refused, and what is open still.
    for (const { name, key } of holders) {
      for (let i = 0; i < 3; i++) assert.is(await call(relay, key, `m-${name}`, 'short'), 200)
      assert.is(await call(relay, key, `m-${name}`, 'refused', 'no tag'), 400)
    }
    const open = Promise.allSettled(holders.map(({ name, key }) => call(relay, key, `m-${name}`, 'long')))
    await until(() => relay.inspect().openCount === holders.length, 'the open streams')
    const totals = (cookie: string): Promise<TotalsTable> => get(origin, cookie, 'totals?by=model&range=5m')
    const counted = new Set<string>()
    const asking = setInterval(async () => {
      for (const { cookie, name } of holders)
        if ((await totals(cookie)).sum.counts.requests >= 4) counted.add(name)
    }, 100)
    await until(() => counted.size === holders.length, 'the sums').finally(() => clearInterval(asking))
    const ids = new Map<string, string[]>()
    for (const { name, cookie } of holders) {
      const { requests } = await get<RequestList>(origin, cookie, 'requests')
      ids.set(
        name,
        requests.map(({ id }) => id),
      )
      assert.is(requests.length, 4)
      const { sum } = await totals(cookie)
      assert.equal([sum.counts.requests, sum.counts.promptTokens, sum.counts.completionTokens], [4, 21, 9])
    }
    for (const me of holders) {
      const others = holders.filter(({ name }) => name !== me.name)
      const foreign = others.flatMap(({ name, id }) => [name, id, ...(ids.get(name) ?? [])])
      const texts: (readonly [string, string])[] = []
      for (const path of PATHS) texts.push([path, await read(origin, me.cookie, path)])
      for (const id of ids.get(me.name) ?? [])
        texts.push(['requests/ID', await read(origin, me.cookie, `requests/${id}`)])
      // Also where others are asked for by name.
      for (const { id, name } of others)
        for (const query of [`key=${id}`, `user=${name}`, `user=team1/${name}`, `model=m-${name}`])
          texts.push([query, await read(origin, me.cookie, `totals?by=end&range=5m&${query}`)])
      const now = await readMessages(origin, me.cookie, 2)
      assert.match(now, `m-${me.name}`)
      assert.match(now, '"openCount":1')
      texts.push(['live', now])
      for (const [path, text] of texts)
        for (const name of foreign) assert.not.match(text, name, `${path} of ${me.name} has ${name}`)
      for (const id of others.flatMap(({ name }) => ids.get(name) ?? []))
        assert.is(
          (await fetch(`${origin}/api/requests/${id}`, { headers: { cookie: me.cookie } })).status,
          404,
        )
    }
    // The id of another request does not even tell where it stands: all of the first one's are older than the second's.
    const [first, second] = holders
    const [foreign = ''] = ids.get(first?.name ?? '') ?? []
    const { requests } = await get<RequestList>(origin, second?.cookie ?? '', `requests?before=${foreign}`)
    assert.equal(
      requests.map(({ id }) => id),
      ids.get(second?.name ?? ''),
    )
    finish()
    assert.equal(
      (await open).map((one) => (one.status === 'fulfilled' ? one.value : one.reason)),
      [200, 200],
    )
  }))

test('a holder sees of limits what GET /v1/key tells: also of those that are shared, and of no other counter', () =>
  withHolders(async ({ relay, origin, holders, finish }) => {
    for (const { name, key } of holders) assert.is(await call(relay, key, `m-${name}`, 'short'), 200)
    finish()
    // What they have used takes the place of the estimate when they are over.
    await relay.requests(holders.length)
    for (const { id, key, cookie } of holders) {
      const { meters } = await get<Meters>(origin, cookie, 'limits')
      assert.equal(
        meters.map(({ rule, owner }) => `${rule} ${owner}`).sort(),
        ['each', 'everyone', 'team'].map(
          (rule) => `${rule} ${{ each: id, everyone: 'all', team: 'team1' }[rule]}`,
        ),
      )
      const response = await fetch(`${relay.url}/key`, { headers: { authorization: `Bearer ${key}` } })
      const told = (await response.json()) as {
        limits: { rule: string; amounts: { limit: number; used: number; held: number }[] }[]
      }
      const amountOf = ({ limit, used, held }: { limit: number; used: number; held: number }) => [
        limit,
        used,
        held,
      ]
      const team = meters.find(({ rule }) => rule === 'team')
      assert.ok(team)
      assert.equal(amountOf(team), [1_000_000, 20, 0])
      assert.equal(told.limits.find(({ rule }) => rule === 'team')?.amounts.map(amountOf), [amountOf(team)])
      assert.equal(
        told.limits.map(({ rule, amounts }) => `${rule} ${amounts[0]?.limit}`).sort(),
        meters.map(({ rule, limit }) => `${rule} ${limit}`).sort(),
      )
    }
  }))

test('the record of a holder does not name the key that made a stored object', async () => {
  const source = createFakeSource(null)
  const record = { id: 'tw-1', key: KEY_RECORD.id, maker_key: 'k_of_another' }
  Object.assign(source.requests, { find: async () => record })
  const found = await narrowSource(source, KEY_RECORD).requests.find('tw-1')
  assert.equal(found, { id: 'tw-1', key: KEY_RECORD.id })
  source.close()
})

interface HolderPlace {
  readonly relay: TestRelay
  readonly origin: string
  readonly holders: readonly Holder[]
  readonly finish: () => void
}

async function withHolders(act: (place: HolderPlace) => Promise<void>): Promise<void> {
  const last = gate()
  const upstream = await ScriptedUpstream.start(async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk(EVENT)
    if (request.body.includes('long')) await last.opened
    await request.chunk('data: [DONE]\n\n')
    await request.lastChunk()
  })
  const settings = { admin: { listen: '127.0.0.1:0' }, limits: { rules: RULES } }
  const relay = await startRelay(upstream.url, settings, { UPSTREAM_KEY: 'sk-upstream-secret' })
  try {
    const origin = `http://127.0.0.1:${relay.pagePort}`
    const holders: Holder[] = []
    for (const name of ['adalovelace', 'gracehopper']) {
      const { key, record } = issueKey(relay.keyFile, { env: 'test', team: 'team1', user: name })
      relay.app.reloadKeys()
      holders.push({ name, id: record.id, key, cookie: await enter(origin, key) })
    }
    await act({ relay, origin, holders, finish: last.open })
  } finally {
    last.open()
    await relay.close()
    await upstream.close()
  }
}

/** @returns the status, when the whole response is there */
async function call(
  relay: TestRelay,
  key: string,
  model: string,
  content: string,
  tags = `project=${model}`,
): Promise<number> {
  const response = await fetch(`${relay.url}/chat/completions`, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${key}`,
      'content-type': 'application/json',
      'user-agent': model,
      'x-thinwire-tags': tags,
    },
    body: JSON.stringify({ model, stream: true, messages: [{ role: 'user', content }] }),
  })
  await response.text()
  return response.status
}

async function enter(origin: string, secret: string): Promise<string> {
  const headers = { origin, 'content-type': 'application/json' }
  const body = JSON.stringify({ secret })
  const response = await fetch(`${origin}/api/session`, { method: 'POST', headers, body })
  assert.is(response.status, 200)
  return response.headers.get('set-cookie')?.split(';', 1)[0] ?? ''
}

async function read(origin: string, cookie: string, path: string): Promise<string> {
  const response = await fetch(`${origin}/api/${path}`, { headers: { cookie } })
  assert.is(response.status, 200, path)
  return response.text()
}

async function get<T>(origin: string, cookie: string, path: string): Promise<T> {
  return JSON.parse(await read(origin, cookie, path)) as T
}

/** The first messages of the live stream. */
async function readMessages(origin: string, cookie: string, count: number): Promise<string> {
  const response = await fetch(`${origin}/api/live`, { headers: { cookie } })
  const reader = response.body?.getReader()
  let text = ''
  while (text.split('event: now').length <= count) {
    const piece = await reader?.read()
    if (piece?.value === undefined) throw new Error('the stream ended')
    text += Buffer.from(piece.value).toString()
  }
  await reader?.cancel()
  return text
}

test.run()
