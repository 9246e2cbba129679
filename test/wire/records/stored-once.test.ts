import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { withProviders } from '../../support/stored-scene.js'

const RESPONSE = { model: 'm', input: 'hi' }
const CHAT = { model: 'm', messages: [], store: true }

/** What is made, and what is done with it then: `ID` stands for its id. All of it is one object's tokens. */
const ONCE: readonly (readonly [title: string, make: string, body: unknown, looks: readonly string[]])[] = [
  ['a response', '/responses', RESPONSE, ['GET /responses/ID', 'GET /responses/ID', 'GET /responses/ID']],
  ['a streamed response', '/responses', { ...RESPONSE, stream: true }, ['GET /responses/ID']],
  [
    'a response that is streamed again from its middle',
    '/responses',
    RESPONSE,
    ['GET /responses/ID?stream=true&starting_after=3', 'GET /responses/ID'],
  ],
  [
    'a response that is cancelled, listed and deleted',
    '/responses',
    RESPONSE,
    ['POST /responses/ID/cancel', 'GET /responses/ID/input_items', 'DELETE /responses/ID'],
  ],
  [
    'a stored chat completion',
    '/chat/completions',
    CHAT,
    ['GET /chat/completions/ID', 'POST /chat/completions/ID', 'GET /chat/completions/ID/messages'],
  ],
  [
    'a response that nobody says is to be stored',
    '/responses',
    { ...RESPONSE, store: false },
    ['GET /responses/ID'],
  ],
]

for (const [title, make, body, looks] of ONCE)
  test(`${title} has its tokens in the record of the request that made it`, () =>
    withProviders(async ({ ask, billed, first }) => {
      const { id } = await ask('POST', make, body)
      for (const look of looks) {
        const [method = '', path = ''] = look.replace('ID', id).split(' ')
        assert.is((await ask(method, path, method === 'POST' ? {} : undefined)).status, 200, look)
      }
      const [made] = first.kept.values()
      assert.equal(await billed(1 + looks.length), [`/v1${make} ${made?.prompt}+7 upstream`])
    }))

/** The same of what is made later: the record is that of the first look that shows all the tokens. */
const LATER: readonly (readonly [title: string, make: string, body: unknown, look: string])[] = [
  ['a response in the background', '/responses', { ...RESPONSE, background: true }, 'GET /responses/ID'],
  [
    'a streamed response in the background whose stream ends before it',
    '/responses',
    { ...RESPONSE, background: true, stream: true },
    'GET /responses/ID?stream=true&starting_after=1',
  ],
  ['a run', '/threads/thread_old/runs', { assistant_id: 'asst_1' }, 'GET /threads/thread_old/runs/ID'],
  ['a batch', '/batches', { input_file_id: 'file-1' }, 'GET /batches/ID'],
]

for (const [title, make, body, look] of LATER)
  test(`${title} has its tokens in the record of the first look that shows them`, () =>
    withProviders(async ({ ask, relay, first }) => {
      const { id } = await ask('POST', make, body)
      const [method = '', path = ''] = look.replace('ID', id).split(' ')
      for (let i = 0; i < 5; i++) await ask(method, path)
      const records = await relay.records(6)
      const prompts = records.map(({ prompt_tokens: prompt }) => prompt)
      const { prompt } = [...first.kept.values()][0] ?? {}
      assert.equal(prompts, [null, null, prompt, null, null, null])
      assert.equal(
        records.map(({ usage_source: source }) => source),
        ['none', 'none', 'upstream', 'none', 'none', 'none'],
      )
    }))

test('a response in the background that a cancel ends has its tokens in the record of the cancel', () =>
  withProviders(async ({ ask, billed, first }) => {
    const { id } = await ask('POST', '/responses', { ...RESPONSE, background: true })
    await ask('POST', `/responses/${id}/cancel`)
    await ask('GET', `/responses/${id}`)
    const [made] = first.kept.values()
    assert.equal(await billed(3), [`/v1/responses/${id}/cancel ${made?.prompt}+7 upstream`])
  }))

test('a response in the background that is done at once has its tokens in its own record', () =>
  withProviders(async ({ ask, billed, first }) => {
    first.isPrompt = true
    const { id } = await ask('POST', '/responses', { ...RESPONSE, background: true })
    await ask('GET', `/responses/${id}`)
    const [made] = first.kept.values()
    assert.equal(await billed(2), [`/v1/responses ${made?.prompt}+7 upstream`])
  }))

test('an object that was not made through the relay has no tokens in any record', () =>
  withProviders(async ({ ask, relay, first }) => {
    const kept = { kind: 'response', prompt: 500, parent: '', pending: 0, isDeleted: false }
    first.kept.set('resp_old', { id: 'resp_old', ...kept })
    assert.is((await ask('GET', '/responses/resp_old')).status, 200)
    const [record] = await relay.records(1)
    assert.is(record?.usage_source, 'none')
    assert.is(record?.prompt_tokens, null)
    assert.is(record?.request_class, 'stored')
  }))

test('the record of a colleague who sees the tokens first names the key that made the object', () =>
  withProviders(async ({ ask, relay }) => {
    const colleague = relay.addKey('team1')
    const { id } = await ask('POST', '/responses', { ...RESPONSE, background: true })
    for (let i = 0; i < 3; i++) await ask('GET', `/responses/${id}`, undefined, colleague)
    const own = await ask('POST', '/responses', { ...RESPONSE, background: true })
    for (let i = 0; i < 3; i++) await ask('GET', `/responses/${own.id}`)
    const records = await relay.records(8)
    const makers = records.map(({ prompt_tokens: prompt, maker_key: maker }) => [prompt !== null, maker])
    const key = records[0]?.key
    const not = [false, undefined]
    assert.equal(makers, [not, not, [true, key], not, not, not, [true, undefined], not])
  }))

test('the tokens of an object that others may see are in a record of the team that made it', () =>
  withProviders(
    async ({ ask, relay, otherKey, first }) => {
      const { id } = await ask('POST', '/batches', { input_file_id: 'file-1' })
      for (let i = 0; i < 3; i++) await ask('GET', `/batches/${id}`, undefined, otherKey)
      await ask('GET', `/batches/${id}`)
      const billed = (await relay.records(5)).filter(({ prompt_tokens: prompt }) => prompt !== null)
      assert.equal(
        billed.map(({ team, prompt_tokens: prompt }) => ({ team, prompt })),
        [{ team: 'team1', prompt: [...first.kept.values()][0]?.prompt }],
      )
    },
    { stored: { visibleTo: 'all' } },
  ))

test.run()
