import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { auth, startRelay, type TestRelay } from '../../support/relay.js'
import { ScriptedUpstream, whole } from '../../support/upstream.js'

const JSON_TYPE = 'content-type: application/json'

interface Accounts {
  readonly relay: TestRelay
  /** @returns the account that has answered */
  ask(path: string, body: unknown, headers?: string): Promise<string>
  fail(account: string): void
}

async function withAccounts(
  strategy: string,
  act: (accounts: Accounts) => Promise<void>,
  weights: readonly number[] = [1, 1, 1],
): Promise<void> {
  const failing = new Set<string>()
  let made = 0
  const names = weights.map((_, i) => `account${i}`)
  const upstreams = await Promise.all(
    names.map((name) =>
      ScriptedUpstream.start((request) => {
        const id = `resp_${name}_${++made}`
        const body = JSON.stringify({ object: 'response', id, account: name })
        request.write(whole(failing.has(name) ? '503 Service Unavailable' : '200 OK', body, JSON_TYPE))
      }),
    ),
  )
  const entries = Object.fromEntries(upstreams.map(({ url }, i) => [names[i], { baseUrl: url }]))
  const targets = names.map((upstream, i) => ({ upstream, weight: weights[i] }))
  const relay = await startRelay(entries, { routes: [{ targets, strategy }], cache: { enabled: false } })
  try {
    await act({
      relay,
      ask: async (path, value, headers = '') => {
        const client = await relay.client()
        const body = JSON.stringify(value)
        const length = `content-length: ${Buffer.byteLength(body)}\r\n`
        client.send(`POST /v1${path} HTTP/1.1\r\n${auth(relay)}${headers}${length}\r\n${body}`)
        const response = await client.response()
        client.destroy()
        assert.is(response.status, 200, response.body.toString())
        return JSON.parse(response.body.toString()).account
      },
      fail: (account) => void failing.add(account),
    })
  } finally {
    await relay.close()
    for (const upstream of upstreams) await upstream.close()
  }
}

const TURNS = 6

/** The bodies of a chat that grows. */
function chat(first: string, more: object = {}): object[] {
  return Array.from({ length: TURNS }, (_, n) => ({
    model: 'm',
    messages: [
      { role: 'system', content: 'S' },
      { role: 'user', content: first },
      ...Array.from({ length: n }, (__, i) => ({ role: i % 2 ? 'user' : 'assistant', content: `turn ${i}` })),
    ],
    ...more,
  }))
}

for (const strategy of ['weight', 'latency']) {
  test(`with ${strategy}, all turns of a chat go to one account, and chats are spread over all`, () =>
    withAccounts(strategy, async ({ ask }) => {
      const used = new Set<string>()
      for (let n = 0; n < 20; n++) {
        const accounts = new Set<string>()
        for (const body of chat(`question ${n}`)) accounts.add(await ask('/chat/completions', body))
        assert.is(accounts.size, 1)
        for (const account of accounts) used.add(account)
      }
      for (let n = 0; n < 40; n++)
        used.add((await ask('/chat/completions', chat(`another question ${n}`)[0])) as string)
      assert.is(used.size, 3)
    }))

  test(`with ${strategy}, a session that the client names goes to one account, whatever is said`, () =>
    withAccounts(strategy, async ({ ask }) => {
      const named: [headers: string, more: object][] = [
        ['x-session-id: one\r\n', {}],
        ['session_id: two\r\n', {}],
        ['x-claude-code-session-id: three\r\n', {}],
        ['', { prompt_cache_key: 'four' }],
        ['', { metadata: { user_id: 'user_1_session_5' } }],
      ]
      for (const [headers, more] of named)
        for (const path of ['/chat/completions', '/messages', '/responses']) {
          const accounts = new Set<string>()
          for (let n = 0; n < 8; n++)
            accounts.add(
              await ask(
                path,
                { model: 'm', messages: [{ role: 'user', content: `${n}` }], ...more },
                headers,
              ),
            )
          assert.is(accounts.size, 1, `${headers}${JSON.stringify(more)}`)
        }
    }))
}

test('a session that the client names counts for translated chats and on /cursor, too', () =>
  withAccounts('weight', async ({ relay, ask }) => {
    const accounts = new Set<string>()
    for (let n = 0; n < 12; n++) {
      const client = await relay.client()
      const body = JSON.stringify({ model: 'm', messages: [{ role: 'user', content: `question ${n}` }] })
      const head = `POST /cursor/v1/chat/completions HTTP/1.1\r\n${auth(relay)}x-session-id: one\r\n`
      client.send(`${head}content-length: ${body.length}\r\n\r\n${body}`)
      await client.response()
      client.destroy()
    }
    for (const { upstream } of await relay.records(12)) accounts.add(String(upstream))
    assert.is(accounts.size, 1)
    assert.is(await ask('/chat/completions', chat('other')[0], 'x-session-id: one\r\n'), [...accounts][0])
  }))

test('a stored response takes the request to its account, whatever the chat says', () =>
  withAccounts('weight', async ({ relay, ask }) => {
    for (let n = 0; n < 12; n++) {
      const client = await relay.client()
      const body = JSON.stringify({ model: 'm', input: `start ${n}` })
      client.send(
        `POST /v1/responses HTTP/1.1\r\n${auth(relay)}content-length: ${body.length}\r\n\r\n${body}`,
      )
      const { id, account } = JSON.parse((await client.response()).body.toString())
      client.destroy()
      const next = { model: 'm', input: `other ${n}`, previous_response_id: id }
      assert.is(await ask('/responses', next), account)
    }
  }))

test('encrypted reasoning follows the chat to its account', () =>
  withAccounts('latency', async ({ ask }) => {
    const input: object[] = [{ role: 'user', content: 'think' }]
    const account = await ask('/responses', { model: 'm', store: false, input })
    for (let n = 0; n < 6; n++) {
      input.push({ type: 'reasoning', id: `rs_${n}`, encrypted_content: `secret ${n}` })
      input.push({ role: 'user', content: `more ${n}` })
      assert.is(await ask('/responses', { model: 'm', store: false, input }), account)
    }
  }))

test('a chat leaves an account that fails, for one other', () =>
  withAccounts('weight', async ({ ask, fail }) => {
    const [first, ...rest] = chat('hello')
    const account = await ask('/chat/completions', first)
    fail(account)
    const others = new Set<string>()
    for (const body of rest) others.add(await ask('/chat/completions', body))
    assert.is(others.size, 1)
    assert.not.ok(others.has(account))
  }))

test('an account of weight 0 gets no chats while others can', () =>
  withAccounts(
    'weight',
    async ({ ask }) => {
      for (let n = 0; n < 30; n++)
        for (const body of chat(`q${n}`).slice(0, 1))
          assert.is.not(await ask('/chat/completions', body), 'account0')
    },
    [0, 1, 1],
  ))

test.run()
