import Anthropic from '@anthropic-ai/sdk'
import OpenAI, { AzureOpenAI } from 'openai'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { OK, type Scene, withRelay } from '../../support/scene.js'
import { type Script, whole } from '../../support/upstream.js'

const PREFIXES = [
  ...[
    '',
    '/v1',
    '/v1/v1',
    '/openai',
    '/openai/v1',
    '/anthropic',
    '/anthropic/v1',
    '/api/v1',
    '/api/openai/v1',
  ],
  ...[
    '/v1beta/openai',
    '/inference/v1',
    '/compatible-mode/v1',
    '/compatibility/v1',
    '/beta',
    '/api/paas/v4',
    '//v1/',
  ],
]
const PATHS = [
  '/chat/completions',
  '/responses',
  '/messages',
  '/messages/count_tokens',
  '/files/f/content?x=%20',
]

for (const prefix of PREFIXES)
  test(`a base URL that ends in ${prefix || 'the host'} is evened, and the upstream gets exactly the evened path`, () =>
    withRelay(OK, async (scene) => {
      for (const path of PATHS) {
        const request = (target: string): string =>
          `POST ${target} HTTP/1.1\r\n${scene.auth}content-length: 2\r\n\r\n{}`
        assert.is((await scene.relayed(request(prefix + path))).target, `/v1${path}`)
        assert.is((await scene.relayed(request(`${prefix}${path}`.replace('?', '/?')))).target, `/v1${path}`)
      }
      const routes = (await scene.relay.records(PATHS.length * 2)).map(({ route }) => route)
      assert.equal(new Set(routes), new Set(PATHS.map((path) => `/v1${path.replace(/\?.*/, '')}`)))
    }))

test('a route by path matches however the path was typed', () =>
  withRelay(
    OK,
    async (scene) => {
      for (const prefix of PREFIXES) {
        const response = await scene.ask(
          `POST ${prefix}/images/generations HTTP/1.1\r\n${scene.auth}content-length: 2\r\n\r\n{}`,
        )
        assert.is(response.status, 404, prefix)
      }
      assert.equal(scene.upstream.requests, [])
    },
    { routes: [{ path: ['/chat/completions', '/messages'], upstream: 'up' }] },
  ))

const RESPONSE = { id: 'resp_1', object: 'response', output: [], status: 'completed' }
const MESSAGE = { id: 'msg_1', type: 'message', role: 'assistant', content: [], usage: {} }
const answer: Script = (request) => {
  const body = request.target.endsWith('/messages') ? MESSAGE : RESPONSE
  request.write(whole('200 OK', JSON.stringify(body), 'content-type: application/json'))
}

async function targetOf(scene: Scene, ask: () => Promise<unknown>): Promise<string> {
  const before = scene.upstream.requests.length
  await ask()
  return (await scene.upstream.request(before)).target
}

test('the official clients work with the base URLs of providers', () =>
  withRelay(answer, async (scene) => {
    const { key: apiKey } = scene.relay
    const host = scene.relay.url.replace('/v1', '')
    for (const prefix of ['', '/openai/v1', '/api/v1', '/v1beta/openai']) {
      const client = new OpenAI({ baseURL: host + prefix, apiKey, maxRetries: 0 })
      const target = await targetOf(scene, () => client.responses.create({ model: 'm', input: 'hi' }))
      assert.is(target, '/v1/responses')
    }
    for (const prefix of ['', '/anthropic', '/v1', '/api']) {
      const client = new Anthropic({ baseURL: host + prefix, apiKey, maxRetries: 0 })
      const ask = () => client.messages.create({ model: 'm', max_tokens: 1, messages: [] })
      assert.is(await targetOf(scene, ask), '/v1/messages')
    }
    const azure = new AzureOpenAI({ endpoint: host, apiKey, apiVersion: '2025-04-01-preview', maxRetries: 0 })
    const ask = () => azure.responses.create({ model: 'm', input: 'hi' })
    assert.is(await targetOf(scene, ask), '/v1/responses')
    assert.is(await targetOf(scene, () => azure.responses.retrieve('resp_x')), '/v1/responses/resp_x')
  }))

test.run()
