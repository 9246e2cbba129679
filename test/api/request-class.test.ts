import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { classifyRequest, type RequestClass } from '../../src/api/request-class.js'

const CASES: readonly (readonly [request: string, name: RequestClass])[] = [
  ['POST /chat/completions', 'chat'],
  ['POST /responses', 'chat'],
  ['POST /messages', 'chat'],
  ['POST /models/gemini-4-neon:generateContent', 'chat'],
  ['POST /models/gemini-4-neon:streamGenerateContent', 'chat'],
  ['POST /completions', 'completion'],
  ['POST /fim/completions', 'completion'],
  ['POST /infill', 'completion'],
  ['POST /completion', 'completion'],
  ['POST /embeddings', 'embedding'],
  ['POST /models/gemini-embedding-001:batchEmbedContents', 'embedding'],
  ['POST /api/chat', 'chat'],
  ['POST /v2/chat', 'chat'],
  ['POST /api/generate', 'completion'],
  ['POST /api/embed', 'embedding'],
  ['POST /api/embeddings', 'embedding'],
  ['POST /v2/embed', 'embedding'],
  ['POST /v2/rerank', 'other'],
  ['GET /api/tags', 'models'],
  ['POST /api/show', 'models'],
  ['GET /v1beta/models', 'models'],
  ['POST /images/generations', 'image'],
  ['POST /audio/speech', 'audio'],
  ['GET /realtime', 'realtime'],
  ['GET /responses', 'other'],
  ['GET /responses/resp_1', 'stored'],
  ['DELETE /responses/resp_1', 'stored'],
  ['POST /responses/resp_1/cancel', 'stored'],
  ['GET /chat/completions', 'stored'],
  ['POST /chat/completions/c_1', 'stored'],
  ['POST /messages/batches', 'stored'],
  ['GET /batches/b_1', 'stored'],
  ['POST /files', 'stored'],
  ['GET /models', 'models'],
  ['GET /models/openai/gpt-x', 'models'],
  ['POST /moderations', 'other'],
  ['POST /messages/count_tokens', 'other'],
  ['GET /', 'other'],
]

for (const [request, name] of CASES)
  test(`${request} is ${name}`, () => {
    const [method = '', path = ''] = request.split(' ')
    assert.is(classifyRequest(method, path), name)
  })

test.run()
