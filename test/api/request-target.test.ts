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

/** A URL as a client makes it of a typed base URL, and what is meant. */
const EVENED: Array<[string, string, string?]> = [
  ['/openai/v1/chat/completions', '/chat/completions'],
  ['/openai/v1/v1/responses', '/responses'],
  ['/openai/responses?api-version=2025-04-01-preview', '/responses'],
  ['/openai/responses/resp_1?api-version=1&include=a', '/responses/resp_1', '?include=a'],
  ['/openai/v1/responses?api-version=preview', '/responses', '?api-version=preview'],
  ['/openai/models?API-Version=2024-10-21', '/models'],
  ['/openai/realtime?api-version=1&deployment=rt', '/realtime', '?model=rt'],
  ['/openai/realtime?deployment=rt&api-version=1', '/realtime', '?model=rt'],
  ['/openai/realtime?deployment=rt&model=m', '/realtime', '?deployment=rt&model=m'],
  ['/openai/v1/realtime?model=rt', '/realtime', '?model=rt'],
  ['/anthropic/v1/messages?beta=true', '/messages', '?beta=true'],
  ['/anthropic/messages/count_tokens', '/messages/count_tokens'],
  ['/api/v1/chat/completions', '/chat/completions'],
  ['/api/chat/completions', '/chat/completions'],
  ['/api/v1/messages', '/messages'],
  ['/api/models', '/models'],
  ['/v1/api/v1/embeddings', '/embeddings'],
  ['/v1beta/openai/chat/completions', '/chat/completions'],
  ['/v1beta/openai/models', '/models'],
  ['/v1beta/models/gemini-3-pro:generateContent', '/models/gemini-3-pro:generateContent'],
  ['/v1beta/models/m%3AstreamGenerateContent?alt=sse', '/models/m%3AstreamGenerateContent', '?alt=sse'],
  ['/inference/v1/chat/completions', '/chat/completions'],
  ['/compatible-mode/v1/embeddings', '/embeddings'],
  ['/compatibility/v1/chat/completions', '/chat/completions'],
  ['/beta/completions', '/completions'],
  ['/api/paas/v4/chat/completions', '/chat/completions'],
  ['/api/anthropic/v1/messages', '/messages'],
  ['/openai', '/'],
]

/** Paths of some API that begin as one of the prefixes does. */
const REAL: readonly string[] = [
  ...['/api/chat', '/api/generate', '/api/embed', '/api/embeddings', '/api/tags', '/api/show', '/api/ps'],
  ...['/api/version', '/api/pull', '/api/blobs/sha256:1', '/api/v0/models', '/api'],
  ...['/v2/chat', '/v2/embed', '/v2/rerank', '/openai/deployments', '/openai/deployments/fast'],
  ...['/v1beta/models', '/v1beta/models/gemini-3-pro', '/v1beta/cachedContents', '/v1beta/files/x'],
  ...['/upload/v1beta/files', '/v1beta', '/openai-files', '/anthropics/v1', '/apis/v1', '/betas', '/cursors'],
  ...['/models/v1', '/files/openai', '/chat', '/rerank', '/infill', '/inference', '/compatibility/v2'],
]

for (const [url, path, query] of READ) {
  test(`the target ${url} has the path ${path}`, () => {
    assert.equal(parseRequestTarget(url), { path, query: query ?? '', cursor: false, deployment: null })
  })
}

for (const [url, path, query] of EVENED) {
  test(`the target ${url} is evened to ${path}${query ?? ''}, below /cursor too`, () => {
    const evened = { path, query: query ?? '', cursor: false, deployment: null }
    assert.equal(parseRequestTarget(url), evened)
    assert.equal(parseRequestTarget(`/cursor${url}`), { ...evened, cursor: true })
  })
}

for (const path of REAL) {
  test(`the path ${path} is taken for no prefix`, () => {
    assert.equal(parseRequestTarget(path), { path, query: '', cursor: false, deployment: null })
    assert.is((parseRequestTarget(`/v1${path}`) as RequestTarget).path, path)
  })
}

test('any stack of prefixes in front of a path means that path', () => {
  const prefixes = fc.constantFrom(
    ...['/v1', '/openai', '/openai/v1', '/anthropic', '/anthropic/v1', '/api/v1', '/v1beta/openai', '/beta'],
    ...[
      '/inference/v1',
      '/compatible-mode/v1',
      '/compatibility/v1',
      '/api/paas/v4',
      '/api/openai',
      '//',
      '/',
    ],
  )
  const paths = fc.constantFrom(
    ...[
      '/chat/completions',
      '/completions',
      '/responses',
      '/responses/resp_1/cancel',
      '/messages',
      '/models',
    ],
    ...['/messages/batches/msgbatch_1/results', '/embeddings', '/files/file-1/content', '/audio/speech'],
    ...['/models/ft:gpt-4o:org::id', '/models/gemini-3-pro:generateContent', '/v2/chat', '/realtime'],
  )
  fc.assert(
    fc.property(fc.array(prefixes, { maxLength: 6 }), paths, fc.boolean(), (stack, path, isCursor) => {
      const url = `${isCursor ? '/cursor' : ''}${stack.join('')}${path}?x=%20`
      const meant = { path, query: '?x=%20', cursor: isCursor, deployment: null }
      assert.equal(parseRequestTarget(url), meant, url)
    }),
  )
})

test('what was evened once is even', () => {
  const pieces = [
    '/v1',
    '/openai',
    '/api',
    '/v1beta',
    '/chat',
    '/models',
    '/m:generateContent',
    '/deployments',
    '/x',
  ]
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 7 }), (stack) => {
      const once = parseRequestTarget(stack.join('')) as RequestTarget
      if (once.deployment !== null) return
      assert.is((parseRequestTarget(once.path) as RequestTarget).path, once.path)
    }),
  )
})

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
  ['/openai/v1/chat/completions?api-version=preview', '/chat/completions', '?api-version=preview', null],
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
  for (const prefix of ['/openai', '/api', '/v1beta', '/api/v1', '/openai/v1', '/cursor', '/v1beta/models/:'])
    parseRequestTarget(prefix.repeat(20_000))
  parseRequestTarget(`/${'%2e'.repeat(20_000)}`)
})

test("each API with an error format of its own has it, and every other path has OpenAI's", () => {
  for (const path of [
    '/models/m:generateContent',
    '/models/m:embedContent',
    '/v1beta/models',
    '/upload/v1beta/files',
  ])
    assert.is(errorFormatOf(path), 'gemini')
  for (const path of ['/api/chat', '/api/tags']) assert.is(errorFormatOf(path), 'ollama')
  for (const path of ['/v2/chat', '/v2/rerank']) assert.is(errorFormatOf(path), 'cohere')
  for (const path of ['/models', '/models/m', '/api/delete', '/v2/x', '/responses', '/'])
    assert.is(errorFormatOf(path), 'openai')

  assert.is(errorFormatOf('/messages'), 'anthropic')
  assert.is(errorFormatOf('/messages/count_tokens'), 'anthropic')
  assert.is(errorFormatOf('/messages-other'), 'openai')
  assert.is(errorFormatOf('/chat/completions'), 'openai')
  assert.is(errorFormatOf('/model/m/converse'), 'bedrock')
  assert.is(errorFormatOf('/model/m'), 'openai')
})

test.run()
