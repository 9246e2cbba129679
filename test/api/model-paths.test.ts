import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findApiIndex, OTHER_API, onlyAsksModel, streamsByItself } from '../../src/api/api-of-path.js'
import {
  findModelApi,
  findModelCall,
  findPathModel,
  parseModelPath,
  replacePathModel,
} from '../../src/api/model-paths.js'
import { findModelUse } from '../../src/api/model-use.js'
import { APIS } from '../../src/api/presets.js'
import { findQueryModel, readQueryModel } from '../../src/api/query-model.js'
import { classifyRequest } from '../../src/api/request-class.js'
import { isGeneration, parseRequestTarget } from '../../src/api/request-target.js'
import { Exchange } from '../../src/exchange/exchange.js'
import { isFailoverDefault } from '../../src/routing/retry-policy.js'
import { findNamedModel } from '../../src/server/gate.js'
import { fc } from '../support/property.js'

/** What a path says, in the words of all who read it. A path that any of them takes for naming a model, all do. */
function assertAgreed(path: string): void {
  const model = findPathModel('POST', path)
  const use = findModelUse('POST', path)
  const exchange = new Exchange(
    { method: 'POST', rawHeaders: [] } as unknown as IncomingMessage,
    {} as ServerResponse,
    0,
  )
  exchange.setTarget({ path, query: '', cursor: false, deployment: null })
  assert.is(use === 'path', model !== null, path)
  assert.is(exchange.request.model, model, path)
  if (model !== null) assert.is(findNamedModel(exchange.request, null, use), model, path)
  const replaced = replacePathModel('POST', path, 'another/model:1')
  assert.is(replaced !== path, model !== null && model !== 'another/model:1', path)
  assert.is(findPathModel('POST', replaced), model === null ? null : 'another/model:1', path)
  assert.is(findModelUse('POST', replaced), use, path)
  assert.is(findModelCall(replaced), findModelCall(path), path)
  assertCallAgreed(path)
  for (const method of ['GET', 'HEAD', 'DELETE']) {
    assert.is(findPathModel(method, path), null, path)
    assert.is(replacePathModel(method, path, 'other'), path)
  }
}

/** What is said of a call: whether it generates, streams, may be repeated, and of which API it is. */
function assertCallAgreed(path: string): void {
  const call = findModelCall(path)
  if (call === null) return
  const generates = call === 'answer' || call === 'stream'
  assert.is(isGeneration(path), generates, path)
  assert.is(streamsByItself(path), call === 'stream' ? true : null, path)
  assert.is(onlyAsksModel(path), call !== 'keep', path)
  assert.is(isFailoverDefault('POST', path), call !== 'keep', path)
  assert.is(classifyRequest('POST', path) === 'chat', generates, path)
  assert.is(classifyRequest('POST', path) === 'embedding', call === 'embed', path)
  const api = findModelApi(path)
  assert.is(findApiIndex(path), api === null ? OTHER_API : APIS.indexOf(api), path)
}

const NAMED: readonly (readonly [path: string, model: string | null])[] = [
  ['/models/a:generateContent', 'a'],
  ['/models/a:streamGenerateContent', 'a'],
  ['/models/a%3Acounttokens', 'a'],
  ['/models/a:unheardOf', 'a'],
  ['/models/tuned/x:generateContent', 'tuned/x'],
  ['/models/a%2Fb:embedContent', 'a/b'],
  ['/models/a:batchEmbedContents', 'a'],
  ['/models/a:asyncBatchEmbedContent', 'a'],
  ['/models/a:batchGenerateContent', 'a'],
  ['/models/a:predictLongRunning', 'a'],
  ['/v1beta/tunedModels/a:generateContent', 'a'],
  ['/tunedModels/a:streamGenerateContent', 'a'],
  ['/v1alpha/models/a:generateContent', 'a'],
  ['/model/a/converse', 'a'],
  ['/model/a%3A1/invoke-with-response-stream', 'a:1'],
  ['/model/a/count-tokens', 'a'],
  ['/model/a/async-invoke', 'a'],
  ['/publishers/anthropic/models/a:rawPredict', 'a'],
  ['/publishers/anthropic/models/a%401:streamRawPredict', 'a@1'],
  ['/publishers/anthropic/models/a:unheardOf', 'a'],
  ['/projects/p/locations/l/models/a:predict', 'a'],
  // The body names the model.
  ['/publishers/anthropic/models/count-tokens:rawPredict', null],
  ['/models/a', null],
  ['/models/a:', null],
  ['/models/:generateContent', null],
  ['/models/%zz:generateContent', null],
  ['/model/a', null],
  ['/model/%zz/invoke', null],
  ['/model/a/b/invoke', null],
  ['/publishers/p/models/a', null],
  ['/publishers/p/models/a/b:rawPredict', null],
  ['/files/a:generateContent', null],
  ['/chat/completions', null],
  ['/messages', null],
]

test('all who look for the model in a path find the same one', () => {
  for (const [path, model] of NAMED) {
    assert.is(findPathModel('POST', path), model, path)
    assertAgreed(path)
  }
})

test('they agree on whatever a path is made of', () => {
  const start = fc.constantFrom(
    ...['/models/', '/v1beta/models/', '/tunedModels/', '/v1beta/tunedModels/', '/model/'],
    ...[
      '/publishers/anthropic/models/',
      '/publishers/google/models/',
      '/projects/p/locations/l/models/',
      '/v2/',
    ],
    ...['/v1/projects/p/locations/l/publishers/anthropic/models/', '/bedrock/model/', '/', '/Models/'],
  )
  const middle = fc.string({ unit: fc.constantFrom(...'aZ1-._:@/%', '%2F', '%3a', '%'), maxLength: 10 })
  const end = fc.constantFrom(
    ...[':generateContent', '%3AstreamGenerateContent', ':GENERATECONTENT', ':predict', ':x', ':x1', ':', ''],
    ...[
      '/invoke',
      '/converse-stream',
      '/count-tokens',
      '/%69nvoke',
      '/x',
      ':rawPredict',
      ':streamR%61wPredict',
    ],
    ...['/versions/1:predict', ':embedContent', ':batchGenerateContent', '/models/a:generateContent'],
  )
  fc.assert(
    fc.property(start, middle, end, (head, model, tail) => {
      const typed = `${head}${model}${tail}`
      assertAgreed(typed)
      const target = parseRequestTarget(typed)
      if (!('problem' in target)) assertAgreed(target.path)
    }),
    { numRuns: 3_000 },
  )
})

test('a path in its parts can be put together again', () => {
  for (const [path, model] of NAMED) {
    const parsed = parseModelPath(path)
    if (model === null || parsed === null) continue
    assert.is(
      replacePathModel('POST', replacePathModel('POST', path, 'b'), model).toLowerCase(),
      path.replace(/a%2F/, 'a/').toLowerCase(),
    )
  }
})

test('what reads the path of an object takes no colon for a method', () => {
  for (const path of ['/models/ft:gpt-4o:org::id', '/models/llama3:latest', '/models/openai/gpt-x:free'])
    for (const method of ['GET', 'HEAD', 'DELETE']) assert.is(findPathModel(method, path), null)
})

test('the model in a query is read by one reader', () => {
  const text = fc.string({
    unit: fc.constantFrom(...'aM=&;+%', 'model', 'model=', '&model=', '%6d'),
    maxLength: 12,
  })
  fc.assert(
    fc.property(text, (query) => {
      const { model } = readQueryModel(`?${query}`)
      assert.is(findQueryModel('/realtime', `?${query}`), model)
      assert.is(findQueryModel('/chat/completions', `?${query}`), null)
    }),
  )
  assert.is(findQueryModel('/realtime', '?x=1&model=a%2Fb&model=c'), 'a/b')
  assert.is(findQueryModel('/realtime/calls', '?model=gpt-realtime'), 'gpt-realtime')
})

test.run()
