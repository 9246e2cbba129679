import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { send, withProviders } from '../../support/stored-scene.js'

const RESPONSE = { model: 'm', input: 'hi' }

/** What one team makes, how another one asks for it (`ID`: its id), and what it is told: the provider's words. */
const FOREIGN: readonly (readonly [
  make: string,
  body: unknown,
  look: string,
  lookBody: unknown,
  status: number,
  error: Record<string, unknown>,
])[] = [
  ...(['GET', 'DELETE'] as const).map(
    (method) =>
      [
        '/responses',
        RESPONSE,
        `${method} /responses/ID`,
        undefined,
        404,
        openai("Response with id 'ID' not found."),
      ] as const,
  ),
  ['/responses', RESPONSE, 'POST /responses/ID/cancel', {}, 404, openai("Response with id 'ID' not found.")],
  [
    '/responses',
    RESPONSE,
    'GET /responses/ID?stream=true&starting_after=2',
    undefined,
    404,
    openai("Response with id 'ID' not found."),
  ],
  [
    '/responses',
    RESPONSE,
    'GET /responses/ID/input_items',
    undefined,
    404,
    openai("Response with id 'ID' not found."),
  ],
  [
    '/responses',
    RESPONSE,
    'POST /responses',
    { ...RESPONSE, previous_response_id: 'ID' },
    400,
    {
      ...openai("Previous response with id 'ID' not found."),
      param: 'previous_response_id',
      code: 'previous_response_not_found',
    },
  ],
  [
    '/conversations',
    {},
    'GET /conversations/ID/items',
    undefined,
    404,
    openai("Conversation with id 'ID' not found."),
  ],
  [
    '/conversations',
    {},
    'POST /responses',
    { ...RESPONSE, conversation: 'ID' },
    404,
    openai("Conversation with id 'ID' not found."),
  ],
  [
    '/conversations',
    {},
    'POST /responses',
    { ...RESPONSE, conversation: { id: 'ID' } },
    404,
    openai("Conversation with id 'ID' not found."),
  ],
  [
    '/chat/completions',
    { model: 'm', messages: [], store: true },
    'GET /chat/completions/ID',
    undefined,
    404,
    openai("Chat completion with id 'ID' not found."),
  ],
  ['/threads', {}, 'GET /threads/ID/messages', undefined, 404, openai("No thread found with id 'ID'.")],
  ['/threads', {}, 'POST /threads/ID/runs', {}, 404, openai("No thread found with id 'ID'.")],
  [
    '/threads/thread_old/runs',
    {},
    'GET /threads/thread_old/runs/ID',
    undefined,
    404,
    openai("No run found with id 'ID'."),
  ],
  ['/batches', {}, 'GET /batches/ID', undefined, 404, openai("No batch found with id 'ID'.")],
  [
    '/files',
    {},
    'GET /files/ID/content',
    undefined,
    404,
    { ...openai('No such File object: ID'), param: 'id' },
  ],
  [
    '/files',
    {},
    'POST /batches',
    { input_file_id: 'ID' },
    404,
    { ...openai('No such File object: ID'), param: 'id' },
  ],
  [
    '/messages/batches',
    {},
    'GET /messages/batches/ID/results',
    undefined,
    404,
    { type: 'not_found_error', message: "Message Batch with id 'ID' not found." },
  ],
]

function openai(message: string): Record<string, unknown> {
  return { message, type: 'invalid_request_error', param: null, code: null }
}

function fill(template: unknown, id: string): unknown {
  return template === undefined ? undefined : JSON.parse(JSON.stringify(template).replaceAll('ID', id))
}

for (const [make, body, look, lookBody, status, error] of FOREIGN)
  test(`to another team, ${look} of what POST ${make} has made is not there: ${JSON.stringify(lookBody)}`, () =>
    withProviders(async ({ ask, otherKey, first, second, relay }) => {
      const { id } = await ask('POST', make, body)
      const asked = first.asked.length
      const [method = '', path = ''] = look.replace('ID', id).split(' ')
      const got = await ask(method, path, fill(lookBody, id), otherKey)
      assert.is(got.status, status)
      assert.equal(got.body?.error, fill(error, id))
      assert.is(first.asked.length + second.asked.length, asked, 'the provider was asked')
      const [, record] = await relay.records(2)
      assert.is(record?.end, 'refused')
      assert.is(record?.team, 'other')
      // The team itself gets it.
      assert.is((await ask(method, path, fill(lookBody, id))).status, 200)
    }))

test('an object has its owner before its response has ended, and however its path is spelled', () =>
  withProviders(async ({ relay, ask, otherKey, first }) => {
    const { id } = await ask('POST', '/responses', { ...RESPONSE, stream: true })
    const spellings = [
      `/responses/%72${id.slice(1)}`,
      `/%72esponses/${id}`,
      `/Responses/${id}`,
      `/responses%2F${id}`,
      `/responses/%2f${id}`,
      `/responses/${id}%2Finput_items`,
    ]
    for (const path of spellings) assert.is((await ask('GET', path, undefined, otherKey)).status, 404, path)
    assert.equal(first.asked, ['POST /responses'])
    await relay.records(1 + spellings.length)
  }))

test('ids that are not known pass to the upstream, whose words come back', () =>
  withProviders(async ({ ask }) => {
    const got = await ask('GET', '/responses/resp_elsewhere')
    assert.is(got.status, 404)
    assert.equal(got.body, { error: { message: 'upstream a has no /responses/resp_elsewhere' } })
  }))

test('who asks for an object that is not known does not become its owner', () =>
  withProviders(async ({ ask, otherKey, first }) => {
    const kept = { prompt: 5, parent: '', pending: 0, isDeleted: false }
    first.kept.set('thread_old', { id: 'thread_old', kind: 'thread', ...kept })
    first.kept.set('resp_old', { id: 'resp_old', kind: 'response', ...kept })
    const looks = [
      'GET /threads/thread_old',
      'POST /threads/thread_old/runs',
      'POST /responses/resp_old/cancel',
    ]
    for (const look of looks) {
      const [method = '', path = ''] = look.split(' ')
      const body = method === 'POST' ? {} : undefined
      assert.is((await ask(method, path, body, otherKey)).status, 200, look)
      assert.is((await ask(method, path, body)).status, 200, look)
    }
  }))

test('without keys an object belongs to the bearer of the credential that made it', () =>
  withProviders(
    async ({ relay, first }) => {
      const ask = (key: string, method: string, path: string, body?: unknown) =>
        send(relay.port, key, method, path, body)
      const { id } = await ask('sk-one', 'POST', '/responses', RESPONSE)
      assert.is((await ask('sk-two', 'GET', `/responses/${id}`)).status, 404)
      assert.equal(first.asked, ['POST /responses'])
      assert.is((await ask('sk-one', 'GET', `/responses/${id}`)).status, 200)
    },
    { keys: { mode: 'passthrough' } },
  ))

test('with stored.visibleTo all, every team has every object', () =>
  withProviders(
    async ({ ask, otherKey }) => {
      const { id } = await ask('POST', '/responses', RESPONSE)
      assert.is((await ask('GET', `/responses/${id}`, undefined, otherKey)).status, 200)
    },
    { stored: { visibleTo: 'all' } },
  ))

test('a translated response is no stored object: its id is made by the relay', () =>
  withProviders(
    async ({ ask, otherKey, first, relay }) => {
      const { status, id } = await ask('POST', '/responses', RESPONSE)
      assert.is(status, 200)
      assert.equal(first.asked, ['POST /chat/completions'])
      const [inner = ''] = first.kept.keys()
      assert.is.not(id, inner)
      // Neither of the two ids is known, so both are the upstream's to judge.
      assert.is((await ask('GET', `/chat/completions/${inner}`, undefined, otherKey)).status, 200)
      await ask('GET', `/responses/${id}`, undefined, otherKey)
      await relay.records(3)
      assert.not(existsSync(join(relay.config.ledger.folder, 'stored.jsonl')))
    },
    {
      models: {
        m: { upstream: 'a', translate: true },
      },
      modelTraits: [{ match: '*', api: 'chat' }],
    },
  ))

test('lists pass as they are, or are refused if the config says so', async () => {
  await withProviders(async ({ ask, first }) => {
    await ask('GET', '/files')
    assert.equal(first.asked, ['GET /files'])
  })
  await withProviders(
    async ({ ask, first }) => {
      const spellings = ['/%66iles', '/files%2F', '/files/', '/FILES']
      const lists = ['/files', '/batches', '/chat/completions', '/messages/batches', '/vector_stores']
      for (const path of [...lists, ...spellings]) {
        const got = await ask('GET', path)
        assert.is(got.status, 403, path)
        assert.match(got.text, 'stored.lists')
      }
      const { id } = await ask('POST', '/files', {})
      assert.is((await ask('GET', `/files/${id}`)).status, 200)
      assert.equal(first.asked, ['POST /files', `GET /files/${id}`])
    },
    { stored: { lists: 'refuse' } },
  )
})

test.run()
