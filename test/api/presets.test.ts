import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { PRESET_NAMES, type PresetName } from '../../src/api/presets.js'
import { startRelay } from '../support/relay.js'
import { OK } from '../support/scene.js'
import { ScriptedUpstream } from '../support/upstream.js'

interface Expected {
  /** Behind which the base URL of the preset has its path. */
  readonly base: string
  readonly env: Readonly<Record<string, string>>
  readonly headers: Readonly<Record<string, string | undefined>>
  /** Paths as the client asks, and as the upstream is asked, where that is more than the base in front. */
  readonly paths?: Readonly<Record<string, string>>
  readonly refused?: readonly string[]
}

const bearer = { authorization: 'Bearer sk-preset', 'x-api-key': undefined, 'api-key': undefined }
const OPENAI_ONLY = ['/messages']

/** What `vertex` gets is in `test/wire/clouds`, as it needs a token endpoint. */
const EXPECTED: Readonly<Record<Exclude<PresetName, 'vertex'>, Expected>> = {
  openai: { base: '/v1', env: { OPENAI_API_KEY: 'sk-preset' }, headers: bearer, refused: OPENAI_ONLY },
  azure: {
    base: '',
    env: { AZURE_OPENAI_API_KEY: 'sk-preset' },
    headers: { 'api-key': 'sk-preset', authorization: undefined },
    paths: {
      '/chat/completions': '/openai/v1/chat/completions',
      '/responses?x=1': '/openai/v1/responses?x=1',
    },
  },
  'azure-deployments': {
    base: '',
    env: { AZURE_OPENAI_API_KEY: 'sk-preset' },
    headers: { 'api-key': 'sk-preset', authorization: undefined },
    paths: {
      '/chat/completions': '/openai/deployments/the%20model/chat/completions?api-version=2024-10-21',
      '/embeddings?api-version=2023-03-15-preview&x=1':
        '/openai/deployments/the%20model/embeddings?x=1&api-version=2024-10-21',
      '/files': '/openai/files?api-version=2024-10-21',
    },
    refused: ['/responses'],
  },
  anthropic: {
    base: '/v1',
    env: { ANTHROPIC_API_KEY: 'sk-preset' },
    headers: bearer,
    refused: ['/responses', '/embeddings'],
  },
  gemini: { base: '/v1beta/openai', env: { GEMINI_API_KEY: 'sk-preset' }, headers: bearer },
  'gemini-native': {
    base: '/v1beta',
    env: { GEMINI_API_KEY: 'sk-preset' },
    headers: { 'x-goog-api-key': 'sk-preset', authorization: undefined, 'x-api-key': undefined },
    paths: {
      '/models/gemini-3-pro:generateContent': '/v1beta/models/gemini-3-pro:generateContent',
      '/models/gemini-3-pro:streamGenerateContent?alt=sse':
        '/v1beta/models/gemini-3-pro:streamGenerateContent?alt=sse',
      '/models/gemini-3-pro:countTokens': '/v1beta/models/gemini-3-pro:countTokens',
      '/v1beta/models/gemini-3-pro:batchEmbedContents': '/v1beta/models/gemini-3-pro:batchEmbedContents',
      '/v1beta/cachedContents': '/v1beta/cachedContents',
      '/upload/v1beta/files': '/upload/v1beta/files',
    },
    refused: ['/chat/completions', '/messages'],
  },
  bedrock: {
    base: '',
    env: { AWS_BEARER_TOKEN_BEDROCK: 'sk-preset', AWS_REGION: 'eu-west-1' },
    headers: bearer,
    paths: { '/model/amazon.nova-pro-v1%3A0/converse': '/model/amazon.nova-pro-v1%3A0/converse' },
    refused: ['/chat/completions', '/responses'],
  },
  moonshot: {
    base: '/v1',
    env: { MOONSHOT_API_KEY: 'sk-preset' },
    headers: bearer,
    paths: { '/chat/completions': '/v1/chat/completions', '/messages': '/anthropic/v1/messages' },
  },
  zai: {
    base: '/api/paas/v4',
    env: { ZAI_API_KEY: 'sk-preset' },
    headers: bearer,
    paths: {
      '/chat/completions': '/api/paas/v4/chat/completions',
      '/messages': '/api/anthropic/v1/messages',
    },
  },
  minimax: {
    base: '/v1',
    env: { MINIMAX_API_KEY: 'sk-preset' },
    headers: bearer,
    paths: { '/chat/completions': '/v1/chat/completions', '/messages': '/anthropic/v1/messages' },
  },
  alibaba: {
    base: '/compatible-mode/v1',
    env: { DASHSCOPE_API_KEY: 'sk-preset' },
    headers: bearer,
    refused: ['/responses', '/messages'],
  },
  groq: {
    base: '/openai/v1',
    env: { GROQ_API_KEY: 'sk-preset' },
    headers: bearer,
    refused: ['/completions'],
  },
  deepseek: {
    base: '',
    env: { DEEPSEEK_API_KEY: 'sk-preset' },
    headers: bearer,
    paths: {
      '/chat/completions': '/chat/completions',
      '/completions': '/beta/completions',
      '/messages?beta=true': '/anthropic/v1/messages?beta=true',
      '/messages/count_tokens': '/anthropic/v1/messages/count_tokens',
    },
  },
  mistral: {
    base: '/v1',
    env: { MISTRAL_API_KEY: 'sk-preset' },
    headers: bearer,
    paths: { '/fim/completions': '/v1/fim/completions' },
  },
  xai: { base: '/v1', env: { XAI_API_KEY: 'sk-preset' }, headers: bearer },
  openrouter: { base: '/api/v1', env: { OPENROUTER_API_KEY: 'sk-preset' }, headers: bearer },
  together: { base: '/v1', env: { TOGETHER_API_KEY: 'sk-preset' }, headers: bearer },
  fireworks: { base: '/inference/v1', env: { FIREWORKS_API_KEY: 'sk-preset' }, headers: bearer },
  cohere: {
    base: '/v1',
    env: { COHERE_API_KEY: 'sk-preset' },
    headers: bearer,
    paths: {
      '/v2/chat': '/v2/chat',
      '/v2/embed': '/v2/embed',
      '/v2/rerank': '/v2/rerank',
      '/chat/completions': '/compatibility/v1/chat/completions',
      '/embeddings': '/compatibility/v1/embeddings',
    },
    refused: ['/messages', '/responses'],
  },
  ollama: {
    base: '',
    env: {},
    headers: { authorization: undefined },
    paths: {
      '/chat/completions': '/v1/chat/completions',
      '/api/chat': '/api/chat',
      '/api/generate': '/api/generate',
      '/api/embed': '/api/embed',
      '/api/show': '/api/show',
      // No client deletes a model that all use.
      '/api/delete': '/v1/api/delete',
      '/api/pull': '/v1/api/pull',
    },
  },
  'ollama-native': {
    base: '',
    env: { OLLAMA_API_KEY: 'sk-preset' },
    headers: bearer,
    paths: { '/api/chat': '/api/chat', '/api/delete': '/v1/api/delete' },
    refused: ['/chat/completions', '/messages'],
  },
  vllm: {
    base: '',
    env: { VLLM_API_KEY: 'sk-preset' },
    headers: bearer,
    paths: { '/chat/completions': '/v1/chat/completions', '/v2/rerank': '/v2/rerank' },
  },
  'llama-cpp': {
    base: '/v1',
    env: {},
    headers: { authorization: undefined },
    paths: {
      '/infill': '/infill',
      '/completion': '/completion',
      '/completions': '/v1/completions',
      '/chat/completions': '/v1/chat/completions',
    },
  },
  'lm-studio': { base: '/v1', env: { LM_API_TOKEN: 'sk-preset' }, headers: bearer },
  litellm: { base: '/v1', env: { LITELLM_API_KEY: 'sk-preset' }, headers: bearer },
  portkey: {
    base: '/v1',
    env: { PORTKEY_API_KEY: 'pk-1' },
    headers: { 'x-portkey-api-key': 'pk-1', authorization: undefined },
  },
  helicone: {
    base: '/v1',
    env: { OPENAI_API_KEY: 'sk-preset', HELICONE_API_KEY: 'sk-helicone' },
    headers: { ...bearer, 'helicone-auth': 'Bearer sk-helicone' },
  },
  'helicone-gateway': { base: '/v1', env: { HELICONE_API_KEY: 'sk-preset' }, headers: bearer },
}

for (const preset of PRESET_NAMES) {
  if (preset === 'vertex') continue
  const { base, env, headers, paths, refused } = EXPECTED[preset]
  test(`an upstream of the preset ${preset} gets the path, the credential and the headers that it needs`, async () => {
    const upstream = await ScriptedUpstream.start(OK)
    const baseUrl = `http://127.0.0.1:${upstream.port}${base}`
    const relay = await startRelay({ up: { preset, baseUrl } }, { cache: { enabled: false } }, env)
    try {
      const ask = async (path: string) => {
        const client = await relay.client()
        const body = '{"model":"the model"}'
        const key = `host: x\r\nx-api-key: ${relay.key}\r\n`
        client.send(`POST /v1${path} HTTP/1.1\r\n${key}content-length: ${body.length}\r\n\r\n${body}`)
        const response = await client.response()
        client.destroy()
        return response
      }
      for (const [path, target] of Object.entries(
        paths ?? { '/chat/completions': `${base}/chat/completions` },
      )) {
        const before = upstream.requests.length
        assert.is((await ask(path)).status, 200, path)
        const request = await upstream.request(before)
        assert.is(request.target, target)
        for (const [name, value] of Object.entries(headers)) assert.is(request.header(name), value, name)
        assert.not.ok(request.raw.includes(relay.key))
        assert.is(request.body.toString(), '{"model":"the model"}')
      }
      for (const path of refused ?? []) assert.is((await ask(path)).status, 404, path)
    } finally {
      await relay.close()
      await upstream.close()
    }
  })
}

test('the preset anthropic sends Messages with x-api-key and a version', async () => {
  const upstream = await ScriptedUpstream.start(OK)
  const relay = await startRelay(
    { up: { preset: 'anthropic', baseUrl: upstream.url } },
    {},
    { ANTHROPIC_API_KEY: 'sk-preset' },
  )
  const client = await relay.client()
  client.send(
    `POST /v1/messages HTTP/1.1\r\nhost: x\r\nx-api-key: ${relay.key}\r\ncontent-length: 2\r\n\r\n{}`,
  )
  await client.response()
  const request = await upstream.request(0)
  assert.is(request.target, '/v1/messages')
  assert.is(request.header('x-api-key'), 'sk-preset')
  assert.is(request.header('authorization'), undefined)
  assert.is(request.header('anthropic-version'), '2023-06-01')
  client.destroy()
  await relay.close()
  await upstream.close()
})

test.run()
