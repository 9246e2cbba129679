import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OK, withRelay } from '../../support/scene.js'
import type { Received } from '../../support/upstream.js'

const SETTINGS = { keys: { mode: 'passthrough' } }

const KEY = 'sk-ant-api03-mine'
const TOKEN = 'sk-ant-oat01-mine'
const JWT = 'eyJhbGciOiJub25lIn0.e30.'
const BEARER = `Authorization: Bearer ${KEY}`

/** What went upstream of the places where a credential may be, with names in lower case. */
function credentials({ headers }: Received): string[] {
  return headers
    .filter(([name]) => /^(?:authorization|x-api-key|api-key|x-goog-api-key)$/i.test(name))
    .map(([name, value]) => `${name.toLowerCase()}: ${value}`)
}

type Row = [what: string, entry: Record<string, unknown>, path: string, sent: string[], got: string[]]

const ANTHROPIC = { preset: 'anthropic' }
const OPENAI = { preset: 'openai' }
const AZURE = { auth: 'api-key' }

const TABLE: Row[] = [
  [
    'a key as a bearer goes to Anthropic as it wants it',
    ANTHROPIC,
    '/messages',
    [BEARER],
    [`x-api-key: ${KEY}`],
  ],
  ['also for its models', ANTHROPIC, '/models', [BEARER], [`x-api-key: ${KEY}`]],
  ["also in Azure's place", ANTHROPIC, '/messages', [`api-key: ${KEY}`], [`x-api-key: ${KEY}`]],
  [
    'also where the place is there, and empty',
    ANTHROPIC,
    '/messages',
    [BEARER, 'X-Api-Key: '],
    [`x-api-key: ${KEY}`],
  ],
  [
    'and stays one for its chat completions',
    ANTHROPIC,
    '/chat/completions',
    [BEARER],
    [`authorization: Bearer ${KEY}`],
  ],
  ['which want one', ANTHROPIC, '/chat/completions', [`X-Api-Key: ${KEY}`], [`authorization: Bearer ${KEY}`]],
  ['a key where it is wanted stays', ANTHROPIC, '/messages', [`X-Api-Key: ${KEY}`], [`x-api-key: ${KEY}`]],
  [
    'and so does what is beside it',
    ANTHROPIC,
    '/messages',
    ['authorization: Bearer other', `X-Api-Key: ${KEY}`],
    ['authorization: Bearer other', `x-api-key: ${KEY}`],
  ],
  [
    'an OAuth token stays a bearer',
    ANTHROPIC,
    '/messages',
    [`authorization: Bearer ${TOKEN}`],
    [`authorization: Bearer ${TOKEN}`],
  ],
  ['and becomes one', ANTHROPIC, '/messages', [`x-api-key: ${TOKEN}`], [`authorization: Bearer ${TOKEN}`]],
  [
    'what is no bearer stays',
    ANTHROPIC,
    '/messages',
    ['authorization: Basic bWluZQ=='],
    ['authorization: Basic bWluZQ=='],
  ],
  [
    "OpenAI gets an Anthropic client's key as a bearer",
    OPENAI,
    '/responses',
    ['x-api-key: sk-1'],
    ['authorization: Bearer sk-1'],
  ],
  [
    'Azure gets a key of its own kind',
    AZURE,
    '/chat/completions',
    ['authorization: Bearer 0a1b'],
    ['api-key: 0a1b'],
  ],
  [
    'and a token of Entra as it is',
    AZURE,
    '/chat/completions',
    [`authorization: Bearer ${JWT}`],
    [`authorization: Bearer ${JWT}`],
  ],
  [
    'Gemini gets a key of its own kind',
    { preset: 'gemini-native' },
    '/models/gemini-3-pro:generateContent',
    ['authorization: Bearer AIza1'],
    ['x-goog-api-key: AIza1'],
  ],
  [
    "and OpenAI a Gemini client's as a bearer",
    OPENAI,
    '/responses',
    ['x-goog-api-key: AIza1'],
    ['authorization: Bearer AIza1'],
  ],
  [
    'where nothing is said of an upstream, a key stays',
    {},
    '/messages',
    [`x-api-key: ${KEY}`],
    [`x-api-key: ${KEY}`],
  ],
  ['it goes into no URL', { auth: 'query' }, '/messages', [BEARER], [`authorization: Bearer ${KEY}`]],
  [
    'nor where the config puts another',
    { auth: 'x-api-key', headers: { 'x-api-key': 'of the config' } },
    '/x',
    [BEARER],
    [`authorization: Bearer ${KEY}`, 'x-api-key: of the config'],
  ],
  ['none is none', ANTHROPIC, '/messages', [], []],
]

for (const [what, entry, path, sent, got] of TABLE) {
  test(`in mode passthrough: ${what}`, () =>
    withRelay(
      OK,
      async (scene) => {
        const lines = ['host: relay', ...sent].map((line) => `${line}\r\n`).join('')
        const request = await scene.relayed(`GET /v1${path} HTTP/1.1\r\n${lines}\r\n`)
        assert.equal(credentials(request), got)
      },
      SETTINGS,
      { apiKey: undefined, ...entry },
    ))
}

test("a key in Cursor's OpenAI field does for Anthropic, whose own body Cursor sends", () =>
  withRelay(
    OK,
    async (scene) => {
      const body =
        '{"model":"claude-1","system":[{"type":"text","text":"S"}],"messages":[{"role":"user","content":"hi"}],"max_tokens":9}'
      const request = await scene.relayed(
        `POST /cursor/v1/chat/completions HTTP/1.1\r\nhost: relay\r\n${BEARER}\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      )
      assert.is(request.target, '/v1/messages')
      assert.equal(credentials(request), [`x-api-key: ${KEY}`])
    },
    SETTINGS,
    { apiKey: undefined, ...ANTHROPIC },
  ))

test('a WebSocket gets it in the same way', () =>
  withRelay(
    OK,
    async (scene) => {
      await scene.ask(
        'GET /v1/realtime?model=m HTTP/1.1\r\nhost: relay\r\nconnection: upgrade\r\nupgrade: websocket\r\nx-api-key: sk-1\r\n\r\n',
      )
      assert.equal(credentials(await scene.upstream.request(0)), ['authorization: Bearer sk-1'])
    },
    SETTINGS,
    { apiKey: undefined, ...OPENAI },
  ))

test.run()
