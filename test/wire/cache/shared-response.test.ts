import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { RawClient } from '../../support/client.js'
import { auth, startRelay, type TestRelay } from '../../support/relay.js'
import { withRelay } from '../../support/scene.js'
import { until } from '../../support/until.js'
import { type Received, ScriptedUpstream, whole } from '../../support/upstream.js'

const JSON_TYPE = 'content-type: application/json'
const ANSWER = JSON.stringify({
  model: 'm',
  choices: [{ text: 'one two' }],
  usage: { prompt_tokens: 5, completion_tokens: 2 },
})
const BODY = '{"model":"m","prompt":"a"}'

function ask(relay: TestRelay, body = BODY): string {
  return `POST /v1/completions HTTP/1.1\r\n${auth(relay)}content-length: ${body.length}\r\n\r\n${body}`
}

const answer = (request: Received): Promise<void> => request.write(whole('200 OK', ANSWER, JSON_TYPE))

test('Azure clients share a response only if they name the same deployment', () =>
  withRelay(answer, async (scene) => {
    const body = '{"prompt":"a"}'
    const askFor = async (deployment: string): Promise<string | undefined> => {
      const response = await scene.ask(
        `POST /openai/deployments/${deployment}/completions?api-version=1 HTTP/1.1\r\n${scene.auth}content-length: ${body.length}\r\n\r\n${body}`,
      )
      return response.header('x-thinwire-cache')
    }
    assert.equal(
      [await askFor('small'), await askFor('large'), await askFor('small')],
      ['miss', 'miss', 'hit'],
    )
    assert.equal(
      scene.asked.map((request) => (JSON.parse(request.body.toString()) as { model: string }).model),
      ['small', 'large'],
    )
  }))

test('the next target gets the whole request if the client that sent it has left and others share it', async () => {
  const first = await ScriptedUpstream.start(() => {})
  const second = await ScriptedUpstream.start(answer)
  const relay = await startRelay(
    { a: { baseUrl: first.url }, b: { baseUrl: second.url } },
    { routes: [{ targets: [{ upstream: 'a' }, { upstream: 'b' }] }] },
  )
  const clients: RawClient[] = [await relay.client(), await relay.client()]
  try {
    clients[0]?.send(ask(relay))
    const request = await first.request(0)
    clients[1]?.send(ask(relay))
    await until(() => relay.inspect().openCount === 2, 'both')
    clients[0]?.destroy()
    await until(() => relay.inspect().openCount === 1, 'one to leave')
    await request.write(whole('503 Busy', '{}', JSON_TYPE))
    assert.is((await clients[1]?.response())?.body.toString(), ANSWER)
    assert.is((await second.request(0)).body.toString(), BODY)
  } finally {
    for (const client of clients) client.destroy()
    await relay.close()
    await first.close()
    await second.close()
  }
})

test.run()
