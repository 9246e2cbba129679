import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { load, problems } from './load.js'

const baseUrl = 'https://api.example.com/v1'
const upstreams = { a: { baseUrl }, b: { baseUrl } }

const WRONG_ROUTES: Array<[string, object, RegExp]> = [
  [
    'a route without an upstream',
    { routes: [{}] },
    /^routes\[0\]\.upstream: is missing; name one, or several as targets/,
  ],
  [
    'a target with an unknown upstream',
    { routes: [{ targets: [{ upstream: 'c' }] }] },
    /^routes\[0\]\.targets\[0\]\.upstream: no such upstream; the config has a, b$/,
  ],
  [
    'a route with an upstream and targets',
    { routes: [{ upstream: 'a', targets: [{ upstream: 'b' }] }] },
    /^routes\[0\]\.upstream: and targets are both there; remove one$/,
  ],
  [
    'an empty list of targets',
    { routes: [{ targets: [] }] },
    /^routes\[0\]\.targets: needs at least 1 entry$/,
  ],
  [
    'a negative weight',
    { routes: [{ targets: [{ upstream: 'a', weight: -1 }] }] },
    /weight: must be at least 0$/,
  ],
  [
    'an unknown strategy',
    { routes: [{ upstream: 'a', strategy: 'random' }] },
    /^routes\[0\]\.strategy: must be one of order, weight, latency$/,
  ],
  [
    'the same target twice',
    {
      models: {
        m: {
          targets: [
            { upstream: 'a', model: 'x' },
            { upstream: 'a' },
            { upstream: 'a', model: 'x', weight: 2 },
          ],
        },
      },
    },
    /^models\.m\.targets\[2\]: is in the list already; keep one, with the weight of both$/,
  ],
  ['a model without an upstream', { models: { 'a b': {} } }, /^models\["a b"\]\.upstream: is missing/],
  [
    'a model with a name beside its targets',
    { models: { m: { model: 'x', targets: [{ upstream: 'a' }] } } },
    /^models\.m\.model: belongs in each of the targets/,
  ],
  ['an unknown value of listModels', { listModels: 'none' }, /^listModels: must be one of aliases, all$/],
]

for (const [name, settings, expected] of WRONG_ROUTES) {
  test(`${name} is reported with its path and what would be right`, () => {
    const found = problems({ upstreams, ...settings })
    assert.is(found.length, 1, found.join('\n'))
    assert.match(found[0] ?? '', expected)
  })
}

const WRONG_RULES: Array<[string, unknown, RegExp]> = [
  ['an entry without a match', { api: 'chat' }, /^modelTraits\[0\]\.match: must be a pattern/],
  [
    'an entry that says nothing',
    { match: 'x', upstream: 'a' },
    /^modelTraits\[0\]: says nothing of its models/,
  ],
  [
    'an unknown upstream',
    { match: 'x', upstream: 'c', api: 'chat' },
    /^modelTraits\[0\]\.upstream: no such upstream; the config has a, b$/,
  ],
  [
    'an unknown preset',
    { match: 'x', preset: 'nope', api: 'chat' },
    /^modelTraits\[0\]\.preset: must be one of/,
  ],
  ['an unknown API', { match: 'x', api: 'chats' }, /^modelTraits\[0\]\.api: must be one of chat, responses/],
  [
    'an empty name of a field',
    { match: 'x', refuses: [''] },
    /^modelTraits\[0\]\.refuses\[0\]: must not be empty$/,
  ],
  [
    'no tokens at all',
    { match: 'x', maxOutputTokens: 0 },
    /^modelTraits\[0\]\.maxOutputTokens: must be at least 1$/,
  ],
  [
    'a trait with a typing error',
    { match: 'x', refuse: [] },
    /^modelTraits\[0\]\.refuse: unknown setting; did you mean refuses\?$/,
  ],
]

for (const [name, entry, expected] of WRONG_RULES) {
  test(`in modelTraits, ${name} is reported with its path and what would be right`, () => {
    const found = problems({ upstreams, modelTraits: [entry] })
    assert.is(found.length, 1, found.join('\n'))
    assert.match(found[0] ?? '', expected)
  })
}

test('what the config says of models is resolved in its order, with what it gives and no more', () => {
  const given = {
    match: ['a*', 'b'],
    upstream: 'a',
    preset: 'azure',
    api: 'responses',
    refuses: ['temperature'],
    limitField: 'max_completion_tokens',
    efforts: null,
    customTools: true,
    reasoningObject: false,
    chatThinking: 'reasoning_content',
    thinking: 'adaptive',
    maxOutputTokens: null,
    callIds: 'nine',
  }
  const { modelRules } = load({ upstreams, modelTraits: [given, { match: 'c', api: null }] })
  const { match, upstream, preset, ...traits } = given
  assert.equal(modelRules, [
    { path: 'modelTraits[0]', match, upstream, preset, traits },
    { path: 'modelTraits[1]', match: ['c'], upstream: null, preset: null, traits: { api: null } },
  ])
  assert.equal(load({ upstreams }).modelRules, [])
})

test('requests on /v1 are translated for the routes and models that say so', () => {
  const models = { on: { upstream: 'a', translate: true }, off: { upstream: 'b' } }
  const routes = [{ upstream: 'a', translate: true }, { upstream: 'b' }]
  const config = load({ upstreams, models, routes })
  assert.equal(
    [...config.aliases, ...config.routes].map(({ translate }) => translate),
    [true, false, true, false],
  )
  assert.not(load({ upstreams }).routes[0]?.translate)
})

test('Cursor is shown thinking as reasoning_content, as the config says otherwise, or not at all', () => {
  assert.is(load({ upstreams }).cursor.thinking, 'reasoning_content')
  for (const thinking of ['reasoning_content', 'think_tags', 'none'])
    assert.is(load({ upstreams, cursor: { thinking } }).cursor.thinking, thinking)
  assert.match(
    problems({ upstreams, cursor: { thinking: 'yes' } })[0] ?? '',
    /^cursor\.thinking: must be one of reasoning_content, think_tags, none$/,
  )
})

test('without routes, an upstream that names an API with paths of its own gets these', () => {
  const config = load(
    {
      upstreams: {
        a: { baseUrl },
        g: { preset: 'gemini-native' },
        o: { preset: 'ollama' },
        c: { preset: 'cohere' },
      },
    },
    { GEMINI_API_KEY: 'k', COHERE_API_KEY: 'k' },
  )
  const routes = config.routes.map(({ paths, targets }) => [targets[0]?.upstream, paths])
  assert.equal(routes, [
    ['g', ['/models/*:*', '/v1beta/*', '/upload/v1beta/*']],
    ['o', ['/api/*']],
    ['c', ['/v2/*']],
    ['a', null],
  ])
})

test.run()
