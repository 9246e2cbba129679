import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isList, mayBeStored, parseStoredPath } from '../../src/stored/stored-path.js'

/** A request, its collection (null: it is about no stored object), and the ids in its path. */
const PATHS: readonly (readonly [request: string, collection: string | null, ids?: string])[] = [
  ['POST /responses', null],
  ['POST /responses/compact', null],
  ['POST /responses/input_tokens', null],
  ['POST /chat/completions', null],
  ['POST /messages', null],
  ['POST /messages/count_tokens', null],
  ['POST /completions', null],
  ['POST /embeddings', null],
  ['POST /images/generations', null],
  ['POST /audio/transcriptions', null],
  ['GET /models', null],
  ['GET /models/gpt-5', null],
  ['POST /fine_tuning', null],
  ['GET /filesystem', null],
  ['GET /x/files/file-1', null],
  ['GET /responses/resp_1', 'responses', 'resp_1'],
  ['DELETE /responses/resp_1', 'responses', 'resp_1'],
  ['POST /responses/resp_1/cancel', 'responses', 'resp_1'],
  ['GET /responses/resp_1/input_items', 'responses', 'resp_1'],
  ['GET /responses/resp%5F1', 'responses', 'resp_1'],
  ['GET /responses/%', 'responses', '%'],
  ['GET /%72esponses/resp_1', 'responses', 'resp_1'],
  ['GET /Responses/resp_1', 'responses', 'resp_1'],
  ['GET /responses%2Fresp_1', 'responses', 'resp_1'],
  ['GET /responses/%2fresp_1', 'responses', 'resp_1'],
  ['GET /responses/resp_1%2Finput_items', 'responses', 'resp_1'],
  ['GET /responses/resp%5F1/%FF', 'responses', 'resp_1'],
  ['GET /responses/resp%5F1%2F%FF', 'responses', 'resp_1'],
  ['GET /threads/thread_1%2Fruns/run%5f1', 'threads', 'thread_1 run_1'],
  ['GET /%66iles', 'files', ''],
  ['GET /files%2F', 'files', ''],
  ['POST /%72esponses', null],
  ['GET /chat/completions', 'chat/completions', ''],
  ['GET /chat/completions/chatcmpl-1', 'chat/completions', 'chatcmpl-1'],
  ['POST /chat/completions/chatcmpl-1', 'chat/completions', 'chatcmpl-1'],
  ['GET /chat/completions/chatcmpl-1/messages', 'chat/completions', 'chatcmpl-1'],
  ['POST /conversations', 'conversations', ''],
  ['GET /conversations/conv_1/items/msg_1', 'conversations', 'conv_1 msg_1'],
  ['POST /threads/runs', 'threads', 'runs'],
  ['POST /threads/thread_1/runs', 'threads', 'thread_1'],
  ['GET /threads/thread_1/runs/run_1', 'threads', 'thread_1 run_1'],
  ['GET /threads/thread_1/runs/run_1/steps/step_1', 'threads', 'thread_1 run_1 step_1'],
  ['POST /threads/thread_1/runs/run_1/submit_tool_outputs', 'threads', 'thread_1 run_1'],
  ['GET /files', 'files', ''],
  ['GET /files/file-1/content', 'files', 'file-1'],
  ['POST /batches/batch_1/cancel', 'batches', 'batch_1'],
  ['GET /messages/batches/msgbatch_1/results', 'messages/batches', 'msgbatch_1'],
  ['GET /vector_stores/vs_1/files/file-1', 'vector_stores', 'vs_1 file-1'],
  ['GET /fine_tuning/jobs/ftjob-1/events', 'fine_tuning/jobs', 'ftjob-1'],
  ['GET /containers/cntr_1/files/cfile_1/content', 'containers', 'cntr_1 cfile_1'],
  ['POST /uploads/upload_1/complete', 'uploads', 'upload_1'],
  ['GET /evals/eval_1/runs/evalrun_1', 'evals', 'eval_1 evalrun_1'],
  ['GET /videos/video_1/content', 'videos', 'video_1'],
  ['GET /skills/skill_1', 'skills', 'skill_1'],
  ['GET /assistants/asst_1', 'assistants', 'asst_1'],
]

for (const [request, collection, ids = ''] of PATHS)
  test(`${request} is about ${collection === null ? 'no stored object' : `${collection} "${ids}"`}`, () => {
    const [method = '', path = ''] = request.split(' ')
    const parsed = parseStoredPath(method, path)
    assert.is(parsed?.collection ?? null, collection)
    assert.is(parsed?.ids.join(' ') ?? '', ids)
  })

test('a list of a collection is not an object of it', () => {
  const listed = PATHS.filter(([request]) => {
    const [method = '', path = ''] = request.split(' ')
    const parsed = parseStoredPath(method, path)
    return parsed !== null && isList(method, parsed)
  })
  assert.equal(
    listed.map(([request]) => request),
    ['GET /%66iles', 'GET /files%2F', 'GET /chat/completions', 'GET /files'],
  )
})

test('responses are stored unless the client says no, chat completions only if it says yes', () => {
  const stores = [true, false, null] as const
  const asked = (path: string, method = 'POST') => stores.map((store) => mayBeStored(method, path, store))
  assert.equal(asked('/responses'), [true, false, true])
  assert.equal(asked('/chat/completions'), [true, false, false])
  assert.equal(asked('/messages'), [false, false, false])
  assert.equal(asked('/responses', 'GET'), [false, false, false])
})

test.run()
