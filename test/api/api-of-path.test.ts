import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findApiIndex, includesApi, OTHER_API } from '../../src/api/api-of-path.js'
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
