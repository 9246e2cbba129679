import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { findApiIndex, OTHER_API, onlyAsksModel } from '../../src/api/api-of-path.js'
import { findModelUse, type ModelUse, namesModel } from '../../src/api/model-use.js'
import { classifyRequest, type RequestClass } from '../../src/api/request-class.js'
import { isGeneration, parseRequestTarget } from '../../src/api/request-target.js'
import { isAccountScoped } from '../../src/api/stored-collections.js'
import { isFailoverDefault } from '../../src/routing/retry-policy.js'

/** What may be done with a request: repeated elsewhere, or only at the account that stores its objects, or neither. */
type Repeat = 'anywhere' | 'account' | 'no'

/** Endpoints that the providers document, and what each table says of them. */
const ENDPOINTS: readonly (readonly [request: string, kind: RequestClass, use: ModelUse, repeat: Repeat])[] =
  [
    ['POST /v1/chat/completions', 'chat', 'body', 'anywhere'],
    ['POST /v1/responses', 'chat', 'body', 'anywhere'],
    ['POST /v1/messages', 'chat', 'body', 'anywhere'],
    ['POST /v1/completions', 'completion', 'body', 'anywhere'],
    ['POST /v1/fim/completions', 'completion', 'body', 'anywhere'],
    ['POST /infill', 'completion', 'body', 'no'],
    ['POST /completion', 'completion', 'body', 'no'],
    ['POST /api/chat', 'chat', 'body', 'anywhere'],
    ['POST /api/generate', 'completion', 'body', 'anywhere'],
    ['POST /v2/chat', 'chat', 'body', 'anywhere'],
    ['POST /v1beta/models/m:generateContent', 'chat', 'path', 'anywhere'],
    ['POST /v1beta/models/m:streamGenerateContent', 'chat', 'path', 'anywhere'],
    ['POST /v1beta/tunedModels/m:generateContent', 'chat', 'path', 'anywhere'],
    ['POST /model/m/invoke', 'chat', 'path', 'anywhere'],
    ['POST /model/m/converse-stream', 'chat', 'path', 'anywhere'],
    ['POST /v1/projects/p/locations/l/publishers/anthropic/models/m:rawPredict', 'chat', 'path', 'anywhere'],
    [
      'POST /v1/projects/p/locations/l/publishers/google/models/m:generateContent',
      'chat',
      'path',
      'anywhere',
    ],
    ['POST /v1/projects/p/locations/l/endpoints/openapi/chat/completions', 'chat', 'body', 'anywhere'],
    ['POST /openai/deployments/d/chat/completions', 'chat', 'body', 'anywhere'],
    ['POST /v1/embeddings', 'embedding', 'body', 'anywhere'],
    ['POST /api/embed', 'embedding', 'body', 'anywhere'],
    ['POST /api/embeddings', 'embedding', 'body', 'anywhere'],
    ['POST /v2/embed', 'embedding', 'body', 'anywhere'],
    ['POST /v1beta/models/m:embedContent', 'embedding', 'path', 'anywhere'],
    ['POST /v1beta/models/m:batchEmbedContents', 'embedding', 'path', 'anywhere'],
    ['POST /v1/messages/count_tokens', 'other', 'body', 'anywhere'],
    ['POST /v1beta/models/m:countTokens', 'other', 'path', 'anywhere'],
    ['POST /model/m/count-tokens', 'other', 'path', 'anywhere'],
    ['POST /publishers/anthropic/models/count-tokens:rawPredict', 'other', 'body', 'anywhere'],
    ['POST /v1beta/models/m:predict', 'other', 'path', 'anywhere'],
    ['POST /v2/rerank', 'other', 'body', 'anywhere'],
    ['POST /api/show', 'models', 'body', 'anywhere'],
    ['POST /v1beta/models/m:predictLongRunning', 'other', 'path', 'no'],
    ['POST /v1beta/models/m:batchGenerateContent', 'other', 'path', 'no'],
    ['POST /v1beta/models/m:asyncBatchEmbedContent', 'other', 'path', 'no'],
    ['POST /v1/moderations', 'other', 'body', 'no'],
    ['POST /v1/audio/speech', 'audio', 'body', 'no'],
    ['POST /v1/audio/transcriptions', 'audio', 'body', 'no'],
    ['POST /v1/images/generations', 'image', 'body', 'no'],
    ['POST /v1/images/edits', 'image', 'body', 'no'],
    ['POST /v1/realtime/client_secrets', 'realtime', 'deep', 'no'],
    ['POST /v1/responses/compact', 'stored', 'body', 'account'],
    ['POST /v1/responses/resp_1/cancel', 'stored', 'none', 'account'],
    ['GET /v1/responses/resp_1', 'stored', 'none', 'account'],
    ['DELETE /v1/responses/resp_1', 'stored', 'none', 'account'],
    ['GET /v1/chat/completions', 'stored', 'none', 'account'],
    ['GET /v1/chat/completions/c_1', 'stored', 'none', 'account'],
    ['POST /v1/chat/completions/c_1', 'stored', 'none', 'account'],
    ['POST /v1/messages/batches', 'stored', 'deep', 'account'],
    ['GET /v1/messages/batches/b_1/results', 'stored', 'none', 'account'],
    ['POST /v1/batches', 'stored', 'hidden', 'account'],
    ['POST /v1/batches/b_1/cancel', 'stored', 'none', 'account'],
    ['POST /v1/files', 'stored', 'none', 'account'],
    ['GET /v1/files/f_1/content', 'stored', 'none', 'account'],
    ['POST /v1/uploads', 'stored', 'none', 'account'],
    ['POST /v1/vector_stores', 'stored', 'none', 'account'],
    ['POST /v1/containers', 'stored', 'none', 'account'],
    ['POST /v1/conversations', 'stored', 'none', 'account'],
    ['POST /v1/assistants', 'stored', 'optional', 'account'],
    ['POST /v1/threads', 'stored', 'none', 'account'],
    ['POST /v1/threads/t_1/runs', 'stored', 'body', 'account'],
    ['POST /v1/evals/e_1/runs', 'stored', 'hidden', 'account'],
    ['POST /v1/fine_tuning/jobs', 'stored', 'body', 'account'],
    ['POST /v1/videos', 'stored', 'body', 'account'],
    ['POST /v1/skills', 'stored', 'hidden', 'account'],
    ['GET /v1beta/files/f_1', 'stored', 'unknown', 'account'],
    ['POST /upload/v1beta/files', 'stored', 'unknown', 'account'],
    ['GET /v1/models', 'models', 'none', 'anywhere'],
    ['GET /v1/models/m', 'models', 'none', 'anywhere'],
    ['DELETE /v1/models/ft:gpt-x:org::id', 'models', 'none', 'no'],
    ['GET /v1beta/models', 'models', 'unknown', 'anywhere'],
    ['GET /api/tags', 'models', 'unknown', 'anywhere'],
    ['POST /api/pull', 'other', 'unknown', 'no'],
  ]

for (const [request, kind, use, repeat] of ENDPOINTS)
  test(`${request}: ${kind}, model: ${use}, repeated: ${repeat}`, () => {
    const [method = '', url = ''] = request.split(' ')
    const target = parseRequestTarget(url)
    assert.not.ok('problem' in target)
    if ('problem' in target) return
    const { path } = target
    assert.is(classifyRequest(method, path), kind)
    assert.is(findModelUse(method, path), use)
    assert.is(isAccountScoped(method, path), repeat === 'account')
    assert.is(isFailoverDefault(method, path), repeat === 'anywhere')
    // What follows from one of them for the others.
    assert.is(isGeneration(path) && method === 'POST', kind === 'chat' || kind === 'completion')
    assert.is(kind === 'stored', isAccountScoped(method, path))
    if (onlyAsksModel(path)) assert.ok(namesModel(use) && repeat === 'anywhere')
    if (kind === 'chat' || kind === 'completion' || kind === 'embedding')
      assert.ok(use === 'body' || use === 'path')
    if (kind === 'chat') assert.is.not(findApiIndex(path), OTHER_API)
    if (use === 'hidden') assert.not.ok(isFailoverDefault(method, path))
  })

test('paths of objects that one account stores are account-scoped, and paths that generate are not', () => {
  for (const path of [
    '/files',
    '/files/f',
    '/fine_tuning/jobs',
    '/responses/r',
    '/messages/batches',
    '/v1beta/files',
  ])
    assert.ok(isAccountScoped('POST', path), path)
  for (const path of [
    '/filesystem',
    '/responses',
    '/messages',
    '/chat/completions',
    '/models/files',
    '/v1beta/models',
  ])
    assert.not.ok(isAccountScoped('POST', path), path)
})

test.run()
