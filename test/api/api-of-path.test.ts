import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findApiIndex, includesApi, OTHER_API, streamsByItself } from '../../src/api/api-of-path.js'
import { findPathModel, replacePathModel } from '../../src/api/model-paths.js'
import { APIS, type Api } from '../../src/api/presets.js'
import { isGeneration } from '../../src/api/request-target.js'

const PATHS: ReadonlyArray<[string, Api | null, isGeneration: boolean]> = [
  ['/chat/completions', 'chat', true],
  ['/completions', 'completions', true],
  ['/fim/completions', 'completions', true],
  ['/responses', 'responses', true],
  ['/responses/resp_1', 'responses', false],
  ['/messages', 'messages', true],
  ['/messages/count_tokens', 'messages', false],
  ['/embeddings', 'embeddings', false],
  ['/models/gemini-3-pro:generateContent', 'gemini', true],
  ['/models/gemini-3-pro:streamGenerateContent', 'gemini', true],
  ['/models/gemini-3-pro%3AstreamGenerateContent', 'gemini', true],
  ['/models/gemini-3-pro:countTokens', 'gemini', false],
  ['/models/tuned/x:generateContent', 'gemini', true],
  ['/models/text-embedding:embedContent', 'gemini', false],
  ['/models/text-embedding:batchEmbedContents', 'gemini', false],
  ['/models/imagen:predict', 'gemini', false],
  ['/v1beta/models', 'gemini', false],
  ['/v1beta/files/x', 'gemini', false],
  ['/upload/v1beta/files', 'gemini', false],
  ['/api/chat', 'ollama', true],
  ['/api/generate', 'ollama', true],
  ['/api/embed', 'ollama', false],
  ['/api/embeddings', 'ollama', false],
  ['/api/tags', 'ollama', false],
  ['/api/delete', null, false],
  ['/v2/chat', 'cohere', true],
  ['/v2/embed', 'cohere', false],
  ['/v2/rerank', 'cohere', false],
  ['/v2/models', null, false],
  ['/models/ft:gpt-4o:org::id', null, false],
  ['/models/gemini-3-pro', null, false],
  ['/models/gemini-3-pro:generateContentX', null, false],
  ['/models', null, false],
  ['/files/x:generateContent', null, false],
]

for (const [path, api, generates] of PATHS) {
  test(`${path} belongs to ${api ?? 'no API that routes distinguish'}, and ${generates ? 'generates' : 'generates nothing'}`, () => {
    assert.is(findApiIndex(path), api === null ? OTHER_API : APIS.indexOf(api))
    assert.is(isGeneration(path), generates)
  })
}

const MODEL_PATHS: ReadonlyArray<[path: string, model: string | null, replaced: string]> = [
  ['/models/a:generateContent', 'a', '/models/b%3A1:generateContent'],
  ['/models/a%2Fb%3AstreamGenerateContent', 'a/b', '/models/b%3A1%3AstreamGenerateContent'],
  ['/models/tuned/x:countTokens', 'tuned/x', '/models/b%3A1:countTokens'],
  ['/models/a:b:generateContent', 'a:b', '/models/b%3A1:generateContent'],
  ['/models/%zz:generateContent', null, '/models/%zz:generateContent'],
  ['/models/a', null, '/models/a'],
  ['/models/ft:gpt-4o:org::id1', null, '/models/ft:gpt-4o:org::id1'],
  ['/chat/completions', null, '/chat/completions'],
]

for (const [path, model, replaced] of MODEL_PATHS)
  test(`the path ${path} names the model ${model}, which can be replaced`, () => {
    assert.is(findPathModel('POST', path), model)
    assert.is(replacePathModel('POST', path, 'b:1'), replaced)
    if (model !== null) assert.is(replacePathModel('POST', path, model), path)
    assert.is(findPathModel('GET', path), null)
    assert.is(replacePathModel('DELETE', path, 'b:1'), path)
  })

test("the paths of Gemini's streams and of Ollama's generations ask for a stream by themselves", () => {
  for (const path of [
    '/models/m:streamGenerateContent',
    '/models/m%3astreamGenerateContent',
    '/api/chat',
    '/api/generate',
  ])
    assert.is(streamsByItself(path), true)
  for (const path of ['/models/m:generateContent', '/api/embed', '/chat/completions', '/v2/chat'])
    assert.is(streamsByItself(path), null)
})

test('an upstream has the APIs that it lists, all if it lists none, and each has the others', () => {
  for (const api of APIS) {
    const index = APIS.indexOf(api)
    assert.ok(includesApi(null, index))
    assert.ok(includesApi([api], index))
    assert.not(
      includesApi(
        APIS.filter((other) => other !== api),
        index,
      ),
    )
  }
  assert.ok(includesApi(['chat'], OTHER_API))
})

test.run()
