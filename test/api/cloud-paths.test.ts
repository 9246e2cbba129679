import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findApiIndex, OTHER_API, streamsByItself } from '../../src/api/api-of-path.js'
import { evenCloudPath } from '../../src/api/cloud-paths.js'
import { findPathModel, replacePathModel } from '../../src/api/model-paths.js'
import { APIS } from '../../src/api/presets.js'
import { isGeneration, parseRequestTarget } from '../../src/api/request-target.js'
import { isFailoverDefault } from '../../src/routing/retry-policy.js'
import { fc } from '../support/property.js'

const PLACE = '/projects/p-1/locations/europe-west1'
const ARN = 'arn:aws:bedrock:eu-west-1:1:inference-profile/eu.x'

/** As a client asks, the path that is routed, and its API and model. */
const PATHS: [string, string, string | null, string | null][] = [
  ['/model/a.b-v1:0/converse', '/model/a.b-v1%3A0/converse', 'bedrock', 'a.b-v1:0'],
  ['/bedrock/model/a.b-v1%3A0/invoke', '/model/a.b-v1%3A0/invoke', 'bedrock', 'a.b-v1:0'],
  ['/v1/model/m/count-tokens', '/model/m/count-tokens', 'bedrock', 'm'],
  [
    `/model/${encodeURIComponent(ARN)}/converse-stream`,
    `/model/${encodeURIComponent(ARN)}/converse-stream`,
    'bedrock',
    ARN,
  ],
  ['/model/m/%69nvoke', '/model/m/invoke', 'bedrock', 'm'],
  ['/model/m/async-invoke', '/model/m/async-invoke', null, 'm'],
  ['/model/m/a%2Finvoke', '/model/m/a%2Finvoke', null, null],
  ['/model/%zz/invoke', '/model/%zz/invoke', null, null],
  ['/model/m', '/model/m', null, null],
  ['/models/m', '/models/m', null, null],
  [
    `/v1${PLACE}/publishers/anthropic/models/claude-x@20250101:streamRawPredict`,
    '/publishers/anthropic/models/claude-x%4020250101:streamRawPredict',
    'vertex',
    'claude-x@20250101',
  ],
  [
    `/vertex_ai/v1${PLACE}/publishers/mistralai/models/m:rawPredict`,
    '/publishers/mistralai/models/m:rawPredict',
    'vertex',
    'm',
  ],
  [
    `${PLACE}/publishers/anthropic/models/m%3AstreamR%61wPredict`,
    '/publishers/anthropic/models/m:streamRawPredict',
    'vertex',
    'm',
  ],
  [
    `/v1${PLACE}/publishers/anthropic/models/count-tokens:rawPredict`,
    '/publishers/anthropic/models/count-tokens:rawPredict',
    'vertex',
    null,
  ],
  [
    `/v1beta1${PLACE}/publishers/google/models/gemini-3-pro:streamGenerateContent`,
    '/models/gemini-3-pro:streamGenerateContent',
    'gemini',
    'gemini-3-pro',
  ],
  [
    '/v1beta1/publishers/google/models/gemini-3-pro:generateContent',
    '/models/gemini-3-pro:generateContent',
    'gemini',
    'gemini-3-pro',
  ],
  [`/v1beta1${PLACE}/endpoints/openapi/chat/completions`, '/chat/completions', 'chat', null],
  ['/endpoints/openapi/chat/completions', '/endpoints/openapi/chat/completions', 'chat', null],
  [`/v1${PLACE}/cachedContents`, `${PLACE}/cachedContents`, null, null],
]

for (const [asked, path, api, model] of PATHS) {
  test(`${asked} is routed as ${path}`, () => {
    const target = parseRequestTarget(`${asked}?x=1`)
    assert.equal(target, { path, query: '?x=1', cursor: false, deployment: null })
    assert.is(findPathModel('POST', path), model)
    assert.is(findApiIndex(path), api === null ? OTHER_API : APIS.indexOf(api as never))
  })
}

test('a path that is even stays as it is', () => {
  const segment = fc.string({ unit: fc.constantFrom(...'aZ0-._~:@%/25 e2+%'), minLength: 1, maxLength: 12 })
  const method = fc.constantFrom('invoke', 'converse', 'invoke%20', 'rawPredict', 'x')
  fc.assert(
    fc.property(segment, method, fc.boolean(), (model, name, isBedrock) => {
      const path = isBedrock ? `/model/${model}/${name}` : `/publishers/anthropic/models/${model}:${name}`
      const once = evenCloudPath(path)
      assert.is(evenCloudPath(once), once)
    }),
  )
})

test('another model is put into a path, whatever its name has in it', () => {
  for (const model of ['m', 'a/b', 'a b', 'a:b', '100%', 'a?b#c']) {
    for (const path of ['/model/old/invoke', '/publishers/anthropic/models/old:rawPredict']) {
      const replaced = replacePathModel('POST', path, model)
      assert.is(findPathModel('POST', replaced), model)
      assert.not.match(replaced, /[ ?#]/)
    }
  }
  for (const path of ['/models/old', '/publishers/anthropic/models/count-tokens:rawPredict', '/model/old'])
    assert.is(replacePathModel('POST', path, 'new'), path)
})

test('what generates is told from what only counts, and may be sent to another target', () => {
  for (const method of ['invoke', 'invoke-with-response-stream', 'converse', 'converse-stream']) {
    assert.ok(isGeneration(`/model/m/${method}`))
    assert.ok(isFailoverDefault('POST', `/model/m/${method}`))
    assert.is(streamsByItself(`/model/m/${method}`), method.endsWith('stream') ? true : null)
  }
  assert.not.ok(isGeneration('/model/m/count-tokens'))
  assert.not.ok(isGeneration('/publishers/anthropic/models/count-tokens:rawPredict'))
  assert.ok(isGeneration('/publishers/anthropic/models/m:streamRawPredict'))
  assert.is(streamsByItself('/publishers/anthropic/models/m:streamRawPredict'), true)
  assert.is(streamsByItself('/chat/completions'), null)
})

test.run()
