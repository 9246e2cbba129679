import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createUpstreamConfig, type UpstreamConfig } from '../../src/config/upstreams.js'
import { UpstreamAddress } from '../../src/upstream/upstream-address.js'

function addressOf(settings: Partial<UpstreamConfig>): UpstreamAddress {
  return new UpstreamAddress({ ...createUpstreamConfig('up', 'http://x', {} as never), ...settings })
}

test('a path is put behind the base path, and the query stays byte for byte', () => {
  const address = addressOf({ basePath: '/api/v1' })
  assert.is(address.build('/chat/completions', '?a=%7e&&b', 'm', false), '/api/v1/chat/completions?a=%7e&&b')
})

test('a key in the query is added unless the client uses its own credential', () => {
  const address = addressOf({ auth: 'query', apiKey: 'k&1', keyParameter: 'key', query: ['v', '2'] })
  assert.is(address.build('/models', '?key=theirs', null, false), '/v1/models?v=2&key=k%261')
  assert.is(address.build('/models', '?key=theirs', null, true), '/v1/models?key=theirs&v=2')
})

test('paths with a base path of their own go there, and the others to a deployment', () => {
  const address = addressOf({
    basePath: '/openai',
    paths: 'deployments',
    otherBasePaths: [['/messages', '/anthropic/v1']],
  })
  assert.is(address.build('/messages/count_tokens', '', 'm', false), '/anthropic/v1/messages/count_tokens')
  assert.is(address.build('/messages-not', '', 'm', false), '/openai/messages-not')
  assert.is(address.build('/embeddings', '', 'm 1', false), '/openai/deployments/m%201/embeddings')
})

test.run()
