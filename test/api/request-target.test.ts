import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { errorFormatOf } from '../../src/api/error-format.js'
import { parseRequestTarget, type RequestTarget } from '../../src/api/request-target.js'
import { fc } from '../support/property.js'

const READ: Array<[string, string, string?]> = [
  ['/v1/chat/completions', '/chat/completions'],
  ['/chat/completions', '/chat/completions'],
  ['//chat/completions', '/chat/completions'],
  ['/v1//chat/completions', '/chat/completions'],
  ['/v1/v1/messages', '/messages'],
  ['//v1///v1//messages', '/messages'],
  ['/v1/models/', '/models'],
  ['/v1', '/'],
  ['/v1/', '/'],
  ['/', '/'],
  ['/v1/messages?beta=true', '/messages', '?beta=true'],
  ['/v1/x?', '/x', '?'],
  ['/v1/x?a=//b/../c&d=%2e%2e', '/x', '?a=//b/../c&d=%2e%2e'],
  ['/?a=1', '/', '?a=1'],
  ['/v1beta/models', '/v1beta/models'],
  ['/v10/x', '/v10/x'],
  ['/v1/models/ft:gpt-4o:org::id', '/models/ft:gpt-4o:org::id'],
  ['/v1/models/a%2Fb', '/models/a%2Fb'],
  ['/v1/files/a..b', '/files/a..b'],
  ['/v1/files/...', '/files/...'],
  ['/v1/files/.hidden', '/files/.hidden'],
]

for (const [url, path, query] of READ) {
  test(`the target ${url} has the path ${path}`, () => {
    assert.equal(parseRequestTarget(url), { path, query: query ?? '', cursor: false, deployment: null })
  })
}

for (const url of [
  '/cursor/v1/chat/completions',
  '/cursor/chat/completions',
  '/cursor//v1/v1/chat/completions/',
]) {
  test(`the target ${url} is Cursor's route to /chat/completions`, () => {
    assert.equal(parseRequestTarget(url), {
      path: '/chat/completions',
      query: '',
      cursor: true,
      deployment: null,
    })
  })
}

test("a path that only begins with the letters of /cursor is not on Cursor's route", () => {
  const { path, cursor } = parseRequestTarget('/cursors/v1/x') as RequestTarget
  assert.equal([path, cursor], ['/cursors/v1/x', false])
})

const DEPLOYMENTS: Array<[string, string, string, string | null]> = [
  [
    '/openai/deployments/fast/chat/completions?api-version=2023-03-15-preview',
    '/chat/completions',
    '',
    'fast',
  ],
  ['/v1/openai/deployments/a%2Fb/embeddings?x=1&API-Version=1&y', '/embeddings', '?x=1&y', 'a/b'],
  ['/openai/deployments/%zz/chat/completions', '/openai/deployments/%zz/chat/completions', '', null],
  ['/openai/deployments/fast', '/openai/deployments/fast', '', null],
  [
    '/openai/v1/chat/completions?api-version=preview',
    '/openai/v1/chat/completions',
    '?api-version=preview',
    null,
  ],
]

for (const [url, path, query, deployment] of DEPLOYMENTS) {
  test(`the target ${url} has the path ${path} and the deployment ${deployment}`, () => {
    assert.equal(parseRequestTarget(url), { path, query, cursor: false, deployment })
  })
}

test("an Azure path below /cursor is on Cursor's route and names a deployment", () => {
  assert.equal(parseRequestTarget('/cursor/openai/deployments/fast/chat/completions'), {
    path: '/chat/completions',
    query: '',
    cursor: true,
    deployment: 'fast',
  })
})

const REFUSED = [
  '/v1/../admin',
  '/..',
  '/v1/.',
  '/v1/./x',
  '/v1/%2e%2e/admin',
  '/v1/%2E./admin',
  '/v1/x%2f..%2fadmin',
  '/v1/..\\admin',
  '/v1/\\..\\admin',
  '/v1/..%5cadmin',
  '/v1/..;/admin',
  '/v1/x#fragment',
  'http://other.example.com/v1/models',
  'HTTPS://other.example.com/',
  'other.example.com:443',
  '*',
  '',
]

for (const url of REFUSED) {
  test(`the target ${JSON.stringify(url)} is refused`, () => {
    assert.ok('problem' in parseRequestTarget(url))
  })
}

test('a dot segment is refused, whatever separates it from the rest, plain or encoded', () => {
  for (const before of ['/', '\\', '%2f', '%2F', '%5c', '%5C'])
    for (const dots of ['.', '..', '%2e', '%2E', '.%2e', '%2e.', '%2e%2E'])
      for (const behind of ['', '/x', '\\x', ';x', '%2fx', '%2Fx', '%5cx', '%5Cx']) {
        const url = `/v1/x${before}${dots}${behind}`
        assert.ok('problem' in parseRequestTarget(url), url)
      }
})

test('any query is kept byte for byte, and no path has an empty or dot segment', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 40 }), fc.string({ maxLength: 40 }), (path, query) => {
      const cut = `/${path}`.replace(/[?#]/g, '')
      const target = parseRequestTarget(`${cut}?${query}`)
      if ('problem' in target) return
      assert.is(target.query, `?${query}`)
      assert.ok(target.path.startsWith('/'))
      const segments = target.path.slice(1).split('/')
      if (target.path !== '/')
        for (const segment of segments) assert.not.ok(['', '.', '..'].includes(segment))
    }),
  )
})

test('a long path of slashes and dots is parsed and does not hang', () => {
  parseRequestTarget(`/${'/'.repeat(60_000)}`)
  parseRequestTarget(`/${'./a'.repeat(20_000)}`)
  parseRequestTarget(`/${'/v1'.repeat(20_000)}`)
  parseRequestTarget(`/${'%2e'.repeat(20_000)}`)
})

test("the Messages API has Anthropic's error format, and every other path has OpenAI's", () => {
  assert.is(errorFormatOf('/messages'), 'anthropic')
  assert.is(errorFormatOf('/messages/count_tokens'), 'anthropic')
  assert.is(errorFormatOf('/messages-other'), 'openai')
  assert.is(errorFormatOf('/chat/completions'), 'openai')
  assert.is(errorFormatOf('/model/m/converse'), 'bedrock')
  assert.is(errorFormatOf('/model/m'), 'openai')
})

test.run()
