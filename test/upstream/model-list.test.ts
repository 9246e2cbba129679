import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { issueKey } from '../../src/access/keyring.js'
import { Router } from '../../src/routing/router.js'
import { type ListTimes, ModelList } from '../../src/upstream/model-list.js'
import { createUpstreams } from '../../src/upstream/upstream.js'
import type { RawClient, Response } from '../support/client.js'
import { startRelay, type TestRelay } from '../support/relay.js'
import { gate, until, wait } from '../support/until.js'

/** An upstream with a list of models, which counts its requests. */
class Lister {
  readonly requests: IncomingMessage[] = []
  answer: (res: ServerResponse) => void
  private readonly server: Server

  constructor(body: unknown) {
    this.answer = (res) => res.end(typeof body === 'string' ? body : JSON.stringify(body))
    this.server = createServer((req, res) => {
      this.requests.push(req)
      this.answer(res)
    })
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.server.listen(0, '127.0.0.1', resolve))
    return this
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/v1`
  }

  close(): void {
    this.server.closeAllConnections()
    this.server.close()
  }
}

const models = (...ids: string[]): object => ({
  object: 'list',
  data: ids.map((id) => ({ id, object: 'model' })),
})

interface Stage {
  readonly relay: TestRelay
  readonly listers: Readonly<Record<string, Lister>>
  get(path: string, key?: string): Promise<Response>
  ids(key?: string): Promise<string[]>
}

async function withLists(
  lists: Readonly<Record<string, unknown>>,
  settings: Record<string, unknown>,
  act: (stage: Stage) => Promise<void>,
  entry: Record<string, Record<string, unknown>> = {},
): Promise<void> {
  const listers: Record<string, Lister> = {}
  for (const [name, body] of Object.entries(lists)) listers[name] = await new Lister(body).listen()
  const upstreams = Object.fromEntries(
    Object.entries(listers).map(([name, { url }]) => [
      name,
      { baseUrl: url, apiKey: { env: 'UPSTREAM_KEY' }, ...entry[name] },
    ]),
  )
  const relay = await startRelay(upstreams, settings)
  const clients: RawClient[] = []
  const get = async (path: string, key = relay.key): Promise<Response> => {
    const client = await relay.client()
    clients.push(client)
    client.send(`GET /v1${path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${key}\r\n\r\n`)
    return client.response()
  }
  const ids = async (key?: string): Promise<string[]> => {
    const response = await get('/models', key)
    assert.is(response.status, 200, response.body.toString())
    return JSON.parse(response.body.toString()).data.map(({ id }: { id: string }) => id)
  }
  try {
    await act({ relay, listers, get, ids })
  } finally {
    for (const client of clients) client.destroy()
    await relay.close()
    for (const lister of Object.values(listers)) lister.close()
  }
}

const ROUTES = [
  { model: 'claude-*', upstream: 'b' },
  { model: 'secret-*', team: 'other', upstream: 'a' },
  { model: ['gpt-*', 'both'], upstream: 'a' },
  { path: '/embeddings', model: 'embed-*', upstream: 'b' },
]

test('the list has the models of each upstream that a route sends there, and no others', () =>
  withLists(
    {
      a: models('gpt-1', 'claude-at-a', 'both', 'secret-1'),
      b: models('claude-2', 'gpt-at-b', 'both', 'embed-3'),
    },
    { routes: ROUTES },
    async ({ relay, get, ids, listers }) => {
      assert.equal(await ids(), ['gpt-1', 'both', 'claude-2', 'embed-3'])
      const other = issueKey(relay.keyFile, { env: 'test', team: 'other', user: 'u' }).key
      while ((await get('/models', other)).status === 401) await wait(20)
      assert.equal(await ids(other), ['gpt-1', 'both', 'secret-1', 'claude-2', 'embed-3'])
      assert.is(listers.a?.requests.length, 1)
      assert.is(listers.b?.requests.length, 1)
      assert.is(listers.a?.requests[0]?.headers.authorization, 'Bearer sk-upstream-secret')
      const list = JSON.parse((await get('/models')).body.toString())
      assert.equal(
        [list.object, list.has_more, list.first_id, list.last_id],
        ['list', false, 'gpt-1', 'embed-3'],
      )
    },
  ))

const LISTS = { a: models('gpt-1', 'fast'), b: models('claude-1') }
const ALIASES = {
  fast: { upstream: 'a', model: 'gpt-1' },
  theirs: { upstream: 'a', model: 'x', team: 'other' },
}

test('with aliases, the list has only the aliases that the team may use', () =>
  withLists(LISTS, { routes: ROUTES, models: ALIASES }, async ({ ids, listers }) => {
    assert.equal(await ids(), ['fast'])
    assert.is(listers.a?.requests.length, 0)
  }))

test('with listModels all, aliases come first and the models of upstreams follow', () =>
  withLists(LISTS, { routes: ROUTES, models: ALIASES, listModels: 'all' }, async ({ ids }) => {
    assert.equal(await ids(), ['fast', 'gpt-1', 'claude-1'])
  }))

test('the list of a single upstream passes byte for byte', () =>
  withLists({ a: '{"odd" : 1}' }, {}, async ({ get }) => {
    assert.is((await get('/models')).body.toString(), '{"odd" : 1}')
  }))

test("Anthropic's form, an array alone and names with models/ are parsed", () =>
  withLists(
    {
      a: {
        data: [
          { type: 'model', id: 'claude-1', display_name: 'Claude 1', created_at: '2026-01-01T00:00:00Z' },
        ],
        has_more: false,
      },
      b: [{ id: 'x/y', context_length: 1 }, { name: 'no id' }, null, 3],
      c: models('models/gemini-1'),
    },
    {
      routes: [
        { model: 'claude-*', upstream: 'a' },
        { model: 'x/*', upstream: 'b' },
        { model: 'gemini-*', upstream: 'c' },
      ],
    },
    async ({ get, listers }) => {
      const { data } = JSON.parse((await get('/models')).body.toString())
      assert.equal(data, [
        {
          object: 'model',
          type: 'model',
          display_name: 'Claude 1',
          owned_by: 'a',
          id: 'claude-1',
          created_at: '2026-01-01T00:00:00Z',
          created: 1767225600,
        },
        {
          object: 'model',
          type: 'model',
          display_name: 'x/y',
          owned_by: 'b',
          id: 'x/y',
          context_length: 1,
          created: 0,
          created_at: '1970-01-01T00:00:00Z',
        },
        {
          object: 'model',
          type: 'model',
          display_name: 'gemini-1',
          owned_by: 'c',
          id: 'gemini-1',
          created: 0,
          created_at: '1970-01-01T00:00:00Z',
        },
      ])
      const [request] = listers.a?.requests ?? []
      assert.is(request?.url, '/v1/models?limit=1000')
      assert.is(request?.headers['anthropic-version'], '2023-06-01')
      assert.is(request?.headers['x-api-key'], 'sk-upstream-secret')
    },
    { a: { auth: 'anthropic' } },
  ))

const BAD: Array<[string, (res: ServerResponse) => void]> = [
  ['an error', (res) => res.writeHead(500).end(JSON.stringify(models('b-1')))],
  ['no JSON', (res) => res.end('<html>')],
  ['JSON that is no list', (res) => res.end('{"data":{"id":"b-1"}}')],
  ['null', (res) => res.end('null')],
  ['a redirect', (res) => res.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()],
  ['a cut', (res) => res.write('{"data":[', () => res.destroy())],
  [
    'more than a mebibyte',
    (res) => res.end(JSON.stringify({ data: [{ id: 'b-1' }], more: 'x'.repeat(1 << 20) })),
  ],
]

for (const [what, answer] of BAD) {
  test(`an upstream that responds with ${what} is left out of the list`, () =>
    withLists(
      { a: models('a-1'), b: models('b-1') },
      { routes: [{ model: 'a-*', upstream: 'a' }, { upstream: 'b' }] },
      async (stage) => {
        if (stage.listers.b !== undefined) stage.listers.b.answer = answer
        assert.equal(await stage.ids(), ['a-1'])
        // There is a pause before the next request.
        assert.equal(await stage.ids(), ['a-1'])
        assert.is(stage.listers.b?.requests.length, 1)
      },
    ))
}

test('an upstream that does not respond is waited for once and with a timeout, and the client may leave', () =>
  withLists(
    { a: models('a-1'), b: models('b-1') },
    { routes: [{ model: 'a-*', upstream: 'a' }, { upstream: 'b' }] },
    async (stage) => {
      const requested = gate()
      if (stage.listers.b !== undefined) stage.listers.b.answer = () => requested.open()
      const leaver = await stage.relay.client()
      leaver.send(`GET /v1/models HTTP/1.1\r\nhost: x\r\nauthorization: Bearer ${stage.relay.key}\r\n\r\n`)
      await requested.opened
      leaver.destroy()
      await until(() => stage.relay.inspect().openCount === 0, 'the exchange to end')
      assert.equal(await stage.ids(), ['a-1'])
      assert.equal(await stage.ids(), ['a-1'])
      assert.is(stage.listers.b?.requests.length, 1)
      const [record] = await stage.relay.records(1)
      assert.is(record?.end, 'client_gone')
    },
  ))

/** Calls `ModelList.answer` itself, with times of its own. */
async function withModelList(
  lists: Readonly<Record<string, unknown>>,
  times: ListTimes,
  act: (stage: { listers: Readonly<Record<string, Lister>>; ids(): Promise<string[]> }) => Promise<void>,
): Promise<void> {
  await withLists(
    lists,
    { routes: [{ model: 'a-*', upstream: 'a' }, { upstream: 'b' }] },
    async ({ relay, listers }) => {
      const router = new Router(relay.config, createUpstreams(relay.config))
      const list = new ModelList(router, relay.config, times)
      const ids = async (): Promise<string[]> => {
        const { data } = (await list.answer('/models', null)) as { data: Array<{ id: string }> }
        return data.map(({ id }) => id)
      }
      try {
        await act({ listers, ids })
      } finally {
        await Promise.all(router.upstreams.map((upstream) => upstream.destroy()))
      }
    },
  )
}

test('an old list is still used, and a new one is requested for the next request', () =>
  withModelList(
    { a: models('a-1'), b: models('b-1') },
    { timeoutMs: 10_000, freshMs: -1, pauseMs: -1 },
    async ({ ids, listers }) => {
      const { a } = listers
      assert.ok(a !== undefined)
      assert.equal(await ids(), ['a-1', 'b-1'])
      const responded = gate()
      a.answer = (res) => {
        res.end(JSON.stringify(models('a-2')), () => responded.open())
      }
      assert.equal(await ids(), ['a-1', 'b-1'])
      await responded.opened
      let last = await ids()
      for (let i = 0; i < 200 && last[0] === 'a-1'; i++) {
        await wait(5)
        last = await ids()
      }
      assert.equal(last, ['a-2', 'b-1'])
      // The list stays if a newer one cannot be had.
      a.answer = (res) => res.writeHead(503).end()
      const before = a.requests.length
      for (let i = 0; i < 200 && a.requests.length < before + 3; i++) {
        assert.equal(await ids(), ['a-2', 'b-1'])
        await wait(5)
      }
      assert.equal(await ids(), ['a-2', 'b-1'])
    },
  ))

test('many requests at one time lead to one request to each upstream', () =>
  withModelList(
    { a: models('a-1'), b: models('b-1') },
    { timeoutMs: 10_000, freshMs: 60_000, pauseMs: 60_000 },
    async ({ ids, listers }) => {
      const lists = await Promise.all(Array.from({ length: 50 }, ids))
      for (const list of lists) assert.equal(list, ['a-1', 'b-1'])
      assert.is(listers.a?.requests.length, 1)
    },
  ))

test("Azure's list of deployable models is not requested, and an alias for a deployment is listed", () =>
  withLists(
    { a: models('gpt-1'), b: models('claude-1') },
    {
      routes: [{ model: 'claude-*', upstream: 'b' }, { upstream: 'a' }],
      models: { mine: { upstream: 'a', model: 'd' } },
      listModels: 'all',
    },
    async ({ ids, listers }) => {
      assert.equal(await ids(), ['mine', 'claude-1'])
      assert.is(listers.a?.requests.length, 0)
    },
    { a: { preset: 'azure' } },
  ))

test('a request for one model goes where a request with that model would go', () =>
  withLists(
    { a: '{"from":"a"}', b: '{"from":"b"}' },
    {
      routes: [{ path: '/chat/*', model: 'b-*', upstream: 'b' }, { upstream: 'a' }],
      models: { fast: { upstream: 'a', model: 'x' } },
    },
    async ({ get, listers }) => {
      assert.is((await get('/models/b-1')).body.toString(), '{"from":"b"}')
      assert.is((await get('/models/a%2F1')).body.toString(), '{"from":"a"}')
      assert.is(listers.a?.requests[0]?.url, '/v1/models/a%2F1')
      assert.is(JSON.parse((await get('/models/fast')).body.toString()).id, 'fast')
    },
  ))

test.run()
