import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { addParameters, buildDeploymentPath, formatQuery } from '../../src/upstream/url.js'

const DEPLOYMENTS: Array<[string, string | null, string]> = [
  ['/chat/completions', 'gpt-4o', '/deployments/gpt-4o/chat/completions'],
  ['/embeddings', 'a b/c', '/deployments/a%20b%2Fc/embeddings'],
  ['/audio/speech', 'tts', '/deployments/tts/audio/speech'],
  ['/models', 'gpt-4o', '/models'],
  ['/files/x', null, '/files/x'],
  ['/chat/completions', null, '/chat/completions'],
  ['/chat/completions', '..', '/chat/completions'],
  ['/chat/completions', '.', '/chat/completions'],
  ['/chat/completions', '../..', '/deployments/..%2F../chat/completions'],
  ['/openai/deployments/d/chat/completions', 'x', '/deployments/d/chat/completions'],
]

for (const [path, model, expected] of DEPLOYMENTS) {
  test(`the path ${path} with model ${model} becomes ${expected} in Azure's older API`, () => {
    assert.is(buildDeploymentPath(path, model), expected)
  })
}

const NAMES = new Set(['api-version', 'key'])
const QUERIES: Array<[string, string]> = [
  ['', '?api-version=1&key=k'],
  ['?', '?api-version=1&key=k'],
  ['?a=%7e&&b', '?a=%7e&&b&api-version=1&key=k'],
  ['?api-version=2023-03-15-preview&a=b+c', '?a=b+c&api-version=1&key=k'],
  ['?k%65y=theirs&key&key=&keys=1', '?keys=1&api-version=1&key=k'],
  ['?%=1', '?%=1&api-version=1&key=k'],
]

for (const [query, expected] of QUERIES) {
  test(`parameters are added to ${query || 'no query'} and replace the client's own of the same name`, () => {
    assert.is(addParameters(query, NAMES, 'api-version=1&key=k'), expected)
  })
}

test('a query has encoded names and values', () => {
  assert.is(formatQuery(['a', 'b&c=d', 'e', 'ü +']), 'a=b%26c%3Dd&e=%C3%BC%20%2B')
})

test.run()
