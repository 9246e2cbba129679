import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { limitKeys } from '../support/limit-keys.js'
import { auth, startRelay } from '../support/relay.js'
import { ScriptedUpstream, whole } from '../support/upstream.js'

const LIST = '{"object":"list","data":[{"id":"open-1","object":"model"},{"id":"secret-1","object":"model"}]}'

/** Requests of a key that may use `open-*` and `team-fast`, and what they get. */
const ROWS: readonly (readonly [request: string, body: string, status: number])[] = [
  ['POST /v1/chat/completions', '{"model":"open-2"}', 200],
  ['POST /v1/chat/completions', '{"model":"secret-1"}', 403],
  ['POST /v1/chat/completions', '{}', 403],
  ['POST /v1/chat/completions', '{"model":"open-1","models":["secret-1"]}', 403],
  ['POST /v1/chat/completions', '{"fallbacks":["secret-1"],"model":"open-1"}', 403],
  ['POST /cursor/v1/chat/completions', '{"model":"team-fast","messages":[]}', 200],
  ['POST /cursor/v1/chat/completions', '{"model":"team-fast-high","messages":[]}', 200],
  ['POST /cursor/v1/chat/completions', '{"model":"team-other","messages":[]}', 403],
  ['POST /v1/messages/batches', '{"requests":[{"params":{"model":"open-1"}}]}', 200],
  [
    'POST /v1/messages/batches',
    '{"requests":[{"params":{"model":"open-1"}},{"params":{"model":"secret-1"}}]}',
    403,
  ],
  ['POST /v1/messages/batches', '{"requests":[]}', 403],
  ['POST /v1/realtime/client_secrets', '{"session":{"model":"open-1"}}', 200],
  ['POST /v1/realtime/client_secrets', '{"session":{"model":"secret-1"}}', 403],
  ['POST /v1/batches', '{"input_file_id":"f"}', 403],
  ['POST /v1/batches/b/cancel', '{}', 200],
  ['POST /v1/threads/t/runs', '{"assistant_id":"a"}', 403],
  ['POST /v1/threads/t/runs', '{"assistant_id":"a","model":"open-1"}', 200],
  ['POST /v1/threads/t/runs/r/submit_tool_outputs', '{}', 403],
  ['POST /v1/evals/e/runs', '{}', 403],
  ['POST /v1/assistants/a', '{"name":"x"}', 200],
  ['POST /v1/assistants/a', '{"model":"secret-1"}', 403],
  ['POST /v1/models/open-1:generateContent', '{}', 200],
  ['POST /v1/models/secret-1:generateContent', '{"model":"open-1"}', 400],
  ['POST /v1/models/secret-1%3AgenerateContent', '{}', 403],
  ['GET /v1/files', '', 200],
  ['GET /v1/responses/resp_1', '', 200],
  ['GET /v1/unheard/of', '', 403],
  ['GET /v1/models/secret-1', '', 403],
  ['GET /v1/models/open-1', '', 200],
]

test('a key with a list of models runs no other, and sees no other', async () => {
  const upstream = await ScriptedUpstream.start((request) =>
    request.write(
      whole('200 OK', request.target === '/v1/models' ? LIST : '{}', 'content-type: application/json'),
    ),
  )
  const relay = await startRelay(
    { up: { baseUrl: upstream.url } },
    {
      models: { 'team-fast': { upstream: 'up', model: 'real' }, 'team-other': { upstream: 'up' } },
      listModels: 'all',
    },
  )
  try {
    limitKeys(relay, ['open-*', 'team-fast'])
    for (const [request, body, status] of ROWS) {
      const client = await relay.client()
      client.send(`${request} HTTP/1.1\r\n${auth(relay)}content-length: ${body.length}\r\n\r\n${body}`)
      const response = await client.response()
      assert.is(response.status, status, `${request} ${body}`)
      client.destroy()
      if (status === 403) assert.match(response.body.toString(), /permission_error|model_not_allowed/i)
    }
    const client = await relay.client()
    client.send(`GET /v1/models HTTP/1.1\r\n${auth(relay)}\r\n`)
    const { data } = JSON.parse((await client.response()).body.toString())
    assert.equal(
      data.map(({ id }: { id: string }) => id),
      ['team-fast', 'open-1'],
    )
    client.destroy()
  } finally {
    await relay.close()
    await upstream.close()
  }
})

test.run()
