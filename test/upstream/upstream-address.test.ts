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

test("the model in the query of a Realtime request is a deployment at Azure's older API", () => {
  const address = addressOf({ basePath: '/openai', paths: 'deployments', query: ['api-version', '1'] })
  assert.is(
    address.build('/realtime', '?model=rt&x=model=1', 'rt', false),
    '/openai/realtime?deployment=rt&x=model=1&api-version=1',
  )
  assert.is(address.build('/files', '?model=rt', null, false), '/openai/files?model=rt&api-version=1')
  assert.is(addressOf({}).build('/realtime', '?model=rt', 'rt', false), '/v1/realtime?model=rt')
})

test('a path of the upstream leads back to the path that it was built of, or to none', () => {
  const elsewhere: [string, string][] = [
    ['/messages', '/anthropic/v1'],
    ['/api/chat', ''],
  ]
  const one = addressOf({ basePath: '/api/v4', otherBasePaths: elsewhere })
  for (const path of ['/files', '/files/x/content', '/messages', '/messages/batches/b', '/api/chat', '/'])
    assert.is(one.findPath(one.build(path, '', null, false)), path)
  assert.is(one.findPath('/api/v4'), '/')
  // They would be asked for elsewhere.
  for (const path of ['/api/v4/messages', '/anthropic/v1/files', '/files', '/api/v40/files', '/'])
    assert.is(one.findPath(path), null, path)
  const root = addressOf({ basePath: '' })
  for (const path of ['/files', '/']) assert.is(root.findPath(path), path)
})

test.run()
