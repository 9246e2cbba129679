import { AzureOpenAI } from 'openai'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OK, withRelay } from '../../support/scene.js'
import { whole } from '../../support/upstream.js'

/** A request as Cursor sends it with its Azure settings. */
function ask(deployment: string, body: string, key: string): string {
  const target = `/openai/deployments/${deployment}/chat/completions?api-version=2023-03-15-preview`
  return `POST ${target} HTTP/1.1\r\nhost: relay\r\napi-key: ${key}\r\ncontent-length: ${body.length}\r\n\r\n${body}`
}

const BODIES: Array<[string, string]> = [
  ['{"messages":[]}', '{"model":"fast","messages":[]}'],
  [' {\n "messages":[]}', ' {"model":"fast",\n "messages":[]}'],
  ['{"messages":[],"model":"gpt-4o"}', '{"messages":[],"model":"fast"}'],
  ['{"messages":[],"model":"fast"}', '{"messages":[],"model":"fast"}'],
]

for (const [sent, wanted] of BODIES) {
  test(`the deployment in the path becomes the model of an Azure request with the body ${JSON.stringify(sent)}`, async () => {
    await withRelay(OK, async (scene) => {
      const got = await scene.relayed(ask('fast', sent, scene.relay.key))
      assert.is(got.target, '/v1/chat/completions')
      assert.is(got.body.toString(), wanted)
      assert.is(got.header('api-key'), undefined)
      const [line] = await scene.relay.records(1)
      assert.is(line?.model, 'fast')
    })
  })
}

test('an Azure deployment may be a model name of the config', async () => {
  await withRelay(
    OK,
    async (scene) => {
      const got = await scene.relayed(ask('team%2Ffast', '{"messages":[]}', scene.relay.key))
      assert.is(got.body.toString(), '{"model":"real","messages":[]}')
    },
    { models: { 'team/fast': { upstream: 'up', model: 'real' } } },
  )
})

test('the Azure client of the openai package gets its completion', async () => {
  await withRelay(
    (request) => request.write(whole('200 OK', '{"id":"x","choices":[]}', 'content-type: application/json')),
    async (scene) => {
      const client = new AzureOpenAI({
        endpoint: scene.relay.url.replace('/v1', ''),
        apiKey: scene.relay.key,
        apiVersion: '2024-10-21',
        deployment: 'fast',
        maxRetries: 0,
      })
      const answer = await client.chat.completions.create({ model: 'fast', messages: [] })
      assert.is(answer.id, 'x')
      assert.is((await scene.upstream.request(0)).target, '/v1/chat/completions')
    },
  )
})

test.run()
