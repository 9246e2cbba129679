import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { PRESET_NAMES, PRESETS } from '../../src/api/presets.js'
import { folder, load, problems } from './load.js'

/** The problem of an upstream that has one, without the path of the upstream. */
function wrong(entry: object, env: Record<string, string> = {}): string {
  const found = problems({ upstreams: { up: entry } }, env)
  assert.is(found.length, 1, found.join('\n'))
  return (found[0] ?? '').replace('upstreams.up.', '')
}

const baseUrl = 'https://api.example.com/v1'
const upstreams = { a: { baseUrl }, b: { baseUrl } }

writeFileSync(join(folder, 'not.pem'), 'a certificate')
writeFileSync(join(folder, 'broken.pem'), '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n')

const WRONG: Array<[string, object, RegExp, Record<string, string>?]> = [
  ['an unknown preset', { preset: 'grok' }, /^preset: must be one of openai, azure, .*xai/],
  [
    'a preset without its key',
    { preset: 'groq' },
    /^apiKey: is missing; set the environment variable GROQ_API_KEY, or /,
  ],
  [
    'a preset without the secret of its header',
    { preset: 'portkey' },
    /^headers\.x-portkey-api-key: the environment variable PORTKEY_API_KEY is not set$/,
  ],
  [
    'a preset that needs a base URL',
    { preset: 'azure' },
    /^baseUrl: is missing; the preset azure needs an address, such as https:\/\/RESOURCE\.openai\.azure\.com$/,
    { AZURE_OPENAI_API_KEY: 'k' },
  ],
  ['vLLM without a base URL', { preset: 'vllm' }, /^baseUrl: is missing; .* such as http:\/\/HOST:PORT\/v1$/],
  [
    'a key that is never sent',
    { baseUrl, auth: 'none', apiKey: { env: 'K' } },
    /^apiKey: is never sent with auth "none"; leave it out, or choose another auth$/,
    { K: 'k' },
  ],
  [
    'a key beside others',
    { baseUrl, apiKey: { env: 'K' }, keys: [{ env: 'K' }] },
    /^apiKey: and keys are both there; move it into keys$/,
    { K: 'k' },
  ],
  [
    'several keys that are never sent',
    { baseUrl, auth: 'none', keys: [{ env: 'K' }] },
    /^keys: are never sent with auth "none"; leave them out, or choose another auth$/,
    { K: 'k' },
  ],
  [
    'one of several keys that is not set',
    { baseUrl, keys: [{ env: 'K' }, { env: 'L' }] },
    /^keys\[1\]: the environment variable L is not set$/,
    { K: 'k' },
  ],
  [
    'two keys of one name',
    { baseUrl, keys: [{ env: 'K', name: '2' }, { env: 'K' }] },
    /^keys\[1\]\.name: is the name of another key already$/,
    { K: 'k' },
  ],
  ['a key in the file itself', { baseUrl, keys: ['sk-secret'] }, /^keys\[0\]: a key is given by reference: /],
  ['no key in the list', { baseUrl, keys: [] }, /^keys: needs at least 1 entry$/],
  ['an invalid name of a key', { baseUrl, keys: [{ env: 'K', name: 'a b' }] }, /^keys\[0\]/],
  ['an unknown auth', { baseUrl, auth: 'basic' }, /^auth: must be one of bearer, .*query, none$/],
  ['an unknown API', { baseUrl, apis: ['audio'] }, /^apis\[0\]: must be one of chat, completions, /],
  ['an empty list of APIs', { baseUrl, apis: [] }, /^apis: needs at least 1 entry$/],
  [
    'an invalid name for the URL parameter of the key',
    { baseUrl, keyParameter: 'a&b' },
    /^keyParameter: is not a name for a URL/,
  ],
  [
    'an invalid name for a URL parameter',
    { baseUrl, query: { 'a=b': 'c' } },
    /^query\["a=b"\]: is not a name for/,
  ],
  ['a number as the value of a URL parameter', { baseUrl, query: { v: 1 } }, /^query\.v: must be a text$/],
  [
    'a limit of 0',
    { baseUrl, limits: { maxConcurrentRequests: 0 } },
    /^limits\.maxConcurrentRequests: must be at least 1$/,
  ],
  [
    'a mistyped timeout',
    { baseUrl, timeouts: { connectMS: 1 } },
    /^timeouts\.connectMS: .*did you mean connectMs\?$/,
  ],
  [
    'a missing certificate file',
    { baseUrl, tls: { caFile: 'x.pem' } },
    /^tls\.caFile: the file x\.pem cannot be read \(ENOENT\)$/,
  ],
  [
    'a file without a certificate',
    { baseUrl, tls: { caFile: 'not.pem' } },
    /^tls\.caFile: the file not\.pem has no certificate in it/,
  ],
  [
    'a broken certificate',
    { baseUrl, tls: { caFile: 'broken.pem' } },
    /^tls\.caFile: .*has a certificate that cannot be read$/,
  ],
  [
    'a setting that would switch the certificate check off',
    { baseUrl, tls: { rejectUnauthorized: false } },
    /^tls\.rejectUnauthorized: unknown setting/,
  ],
  [
    'a proxy that does not speak HTTP',
    { baseUrl, proxy: 'socks5://p:1' },
    /^proxy: must begin with http:\/\/ or https:\/\//,
  ],
  ['true for a proxy', { baseUrl, proxy: true }, /^proxy: must be false, a URL, or a URL by reference/],
  [
    'a proxy with its password in the config file',
    { baseUrl, proxy: 'http://u:pass-9@p:1' },
    /^proxy: must not hold a user or password; give the whole URL by reference/,
  ],
  [
    'a proxy in the environment that does not speak HTTP',
    { baseUrl },
    /^proxy: the environment variable HTTPS_PROXY must begin with http.*or false for none$/,
    { HTTPS_PROXY: 'socks5://u:pass-9@p:1' },
  ],
]

for (const [name, entry, expected, env] of WRONG) {
  test(`${name} is reported with its path and what would be right, and without its value`, () => {
    const problem = wrong(entry, env)
    assert.match(problem, expected)
    assert.not.match(problem, /pass-9/)
  })
}

const AZURE = 'https://r.openai.azure.com'
const AZURE_BASES: Array<[preset: string, typed: string, path: string | RegExp]> = [
  ['azure', AZURE, '/openai/v1'],
  ['azure', `${AZURE}/openai`, '/openai/v1'],
  ['azure', `${AZURE}/openai/`, '/openai/v1'],
  ['azure', `${AZURE}/openai/v1/`, '/openai/v1'],
  ['azure', `${AZURE}/OpenAI/V1`, '/openai/v1'],
  ['azure', `${AZURE}/my/gateway`, '/my/gateway'],
  ['azure', `${AZURE}/openaix`, '/openaix'],
  [
    'azure',
    `${AZURE}/openai/deployments/d`,
    /must not name a deployment; give https:\/\/r\.openai\.azure\.com alone/,
  ],
  ['azure', `${AZURE}/openai/v1/responses`, /must end before the path of an API/],
  ['azure-deployments', AZURE, '/openai'],
  ['azure-deployments', `${AZURE}/openai`, '/openai'],
  ['azure-deployments', `${AZURE}/openai/v1`, /v1 API; take the preset azure for it/],
  ['azure-deployments', `${AZURE}/openai/deployments/d/chat/completions`, /must not name a deployment/],
]

for (const [preset, typed, expected] of AZURE_BASES) {
  test(`the base URL ${typed} of the preset ${preset} is understood, or refused by name`, () => {
    const entry = { preset, baseUrl: typed, apiKey: { env: 'K' } }
    if (typeof expected === 'string')
      assert.is(load({ upstreams: { up: entry } }, { K: 'k' }).upstreams[0]?.basePath, expected)
    else {
      const found = problems({ upstreams: { up: entry } }, { K: 'k' })
      assert.is(found.length, 1)
      assert.match(found[0] ?? '', expected)
    }
  })
}

test('a preset and its key in the environment are enough for an upstream', () => {
  for (const preset of PRESET_NAMES) {
    // It has tokens instead of a key: see `clouds.test.ts`.
    if (preset === 'vertex') continue
    const row = PRESETS[preset]
    const names = [row.keyEnv, ...Object.values(row.headers).map(({ env }) => env)]
    const env = Object.fromEntries(names.map((name) => [name, `secret-of-${name}`]))
    const address = row.baseUrl === null ? { baseUrl: 'http://127.0.0.1:1' } : {}
    const [upstream] = load({ upstreams: { up: { preset, ...address } } }, env).upstreams
    assert.is(upstream?.preset, preset)
    assert.is(upstream?.auth, row.auth)
    assert.is(upstream?.apiKey, row.keyEnv === null ? null : `secret-of-${row.keyEnv}`)
  }
})

test('an entry overrides each setting of its preset', () => {
  const settings = {
    preset: 'azure-deployments',
    baseUrl: 'https://gateway.example/azure',
    apiKey: { env: 'K' },
    auth: 'bearer',
    query: { 'api-version': 'preview' },
    headers: { 'X-More': 'yes' },
    apis: ['chat'],
  }
  const [upstream] = load(
    { upstreams: { up: settings } },
    { K: 'k', AZURE_OPENAI_API_KEY: 'other' },
  ).upstreams
  assert.is(upstream?.origin, 'https://gateway.example')
  assert.is(upstream?.basePath, '/azure')
  assert.is(upstream?.apiKey, 'k')
  assert.is(upstream?.auth, 'bearer')
  assert.equal(upstream?.query, ['api-version', 'preview'])
  assert.equal(upstream?.headers, ['x-more', 'yes'])
  assert.equal(upstream?.apis, ['chat'])
})

test('a header of the config overrides the header of the preset, and a secret may have a prefix', () => {
  const headers = { 'Helicone-Auth': { env: 'H', prefix: 'Token ' } }
  const env = { H: 'h', OPENAI_API_KEY: 'k' }
  const [upstream] = load({ upstreams: { up: { preset: 'helicone', headers } } }, env).upstreams
  assert.equal(upstream?.headers, ['helicone-auth', 'Token h'])
})

test('a preset needs no key in passthrough mode, where clients bring their own', () => {
  const settings = {
    keys: { mode: 'passthrough' },
    upstreams: { a: { preset: 'groq' }, b: { preset: 'portkey' } },
  }
  assert.equal(
    load(settings).upstreams.map(({ apiKey, headers }) => [apiKey, headers]),
    [
      [null, []],
      [null, []],
    ],
  )
})

test('limits and timeouts of an upstream override the general ones', () => {
  const settings = {
    timeouts: { idleMs: 7, firstByteMs: 8 },
    upstreams: {
      a: { baseUrl, timeouts: { idleMs: 9, connectMs: 10 }, limits: { maxConcurrentRequests: 3 } },
      b: { baseUrl },
    },
  }
  const [a, b] = load(settings).upstreams
  assert.equal(
    [a?.timeouts.idleMs, a?.timeouts.firstByteMs, a?.timeouts.connectMs, a?.maxConcurrentRequests],
    [9, 8, 10, 3],
  )
  assert.equal([b?.timeouts.idleMs, b?.timeouts.connectMs, b?.maxConcurrentRequests], [7, 5_000, null])
})

const PROXIES: Array<[string, string, Record<string, string>, string | null]> = [
  ['no proxy is set', 'https://h', {}, null],
  ['a proxy is set for its scheme', 'https://h', { HTTPS_PROXY: 'http://p:1' }, 'http://p:1'],
  ['a proxy is set for the other scheme only', 'https://h', { HTTP_PROXY: 'http://p:1' }, null],
  [
    'the upstream has plain HTTP',
    'http://h',
    { HTTP_PROXY: 'http://p:1', HTTPS_PROXY: 'http://q:1' },
    'http://p:1',
  ],
  [
    'the variable in lower case is set, too',
    'https://h',
    { https_proxy: 'http://p:1', HTTPS_PROXY: 'http://q:1' },
    'http://p:1',
  ],
  ['the proxy has no scheme', 'https://h', { HTTPS_PROXY: 'p:1' }, 'http://p:1'],
  ['the proxy has TLS', 'https://h', { HTTPS_PROXY: 'https://p' }, 'https://p'],
  ['the upstream is on this machine', 'http://127.0.0.1:1', { HTTP_PROXY: 'http://p:1' }, null],
  ['the upstream is on this machine, by IPv6', 'http://[::1]:1', { HTTP_PROXY: 'http://p:1' }, null],
  ['NO_PROXY has its host', 'https://h.example', { HTTPS_PROXY: 'p:1', NO_PROXY: 'x, H.example' }, null],
  ['NO_PROXY has its domain', 'https://a.h.example', { HTTPS_PROXY: 'p:1', no_proxy: '.h.example' }, null],
  [
    'NO_PROXY has its domain with a star',
    'https://a.h.example',
    { HTTPS_PROXY: 'p:1', no_proxy: '*.h.example' },
    null,
  ],
  [
    'NO_PROXY has another host with the same end',
    'https://ah.example',
    { HTTPS_PROXY: 'p:1', no_proxy: 'h.example' },
    'http://p:1',
  ],
  [
    'NO_PROXY has its host with another port',
    'https://h.example',
    { HTTPS_PROXY: 'p:1', no_proxy: 'h.example:8443' },
    'http://p:1',
  ],
  [
    'NO_PROXY has its host with its port',
    'https://h.example',
    { HTTPS_PROXY: 'p:1', no_proxy: 'h.example:443' },
    null,
  ],
  ['NO_PROXY is a star', 'https://h.example', { HTTPS_PROXY: 'p:1', no_proxy: '*' }, null],
]

for (const [when, url, env, expected] of PROXIES) {
  test(`the proxy of an upstream is ${expected ?? 'none'} when ${when}`, () => {
    assert.is(
      load({ upstreams: { up: { baseUrl: url } } }, env).upstreams[0]?.proxy?.origin ?? null,
      expected,
    )
  })
}

test('a proxy of the config overrides the environment, and one with a password is given by reference', () => {
  const proxyOf = (proxy: unknown) =>
    load({ upstreams: { up: { baseUrl, proxy } } }, { HTTPS_PROXY: 'http://p:1', P: 'http://me:p%40ss@q:2' })
      .upstreams[0]?.proxy
  assert.is(proxyOf(false), null)
  assert.equal(proxyOf('http://q:2'), { origin: 'http://q:2', authorization: null })
  const authorization = `Basic ${Buffer.from('me:p@ss').toString('base64')}`
  assert.equal(proxyOf({ env: 'P' }), { origin: 'http://q:2', authorization })
})

test('settings that are likely to surprise give a warning', () => {
  const warnings = (settings: object, env = {}) => load(settings, env).warnings
  assert.equal(warnings({ upstreams: { up: { baseUrl } } }), [])
  for (const name of ['gpt-4o', 'My-GPT', 'claude-x', 'team-gemini-2', 'o3', 'o1-mini']) {
    const found = warnings({
      upstreams: { up: { baseUrl } },
      models: { [name]: { upstream: 'up', model: 'm' } },
    })
    assert.is(found.length, 1, name)
    assert.match(found[0] ?? '', /^models\..*: Cursor treats names with .* choose a name without/)
  }
  for (const name of ['team-fast', 'o10', 'turbo3', 'foo1']) {
    assert.equal(
      warnings({ upstreams: { up: { baseUrl } }, models: { [name]: { upstream: 'up', model: 'm' } } }),
      [],
    )
  }
  assert.equal(warnings({ upstreams }), ['upstreams.b: no route and no model uses it'])
  const plain = { baseUrl: 'http://10.0.0.1/v1', apiKey: { env: 'K' } }
  assert.match(
    warnings({ upstreams: { up: plain } }, { K: 'k' })[0] ?? '',
    /^upstreams\.up\.baseUrl: .*unencrypted/,
  )
})

test('several keys replace the one key, and are named by their name or place', () => {
  const env = { K: 'k-1', L: 'l-2', GROQ_API_KEY: 'unused' }
  const keys = [{ env: 'K' }, { env: 'L', name: 'spare', weight: 0.5 }]
  const [upstream] = load({ upstreams: { up: { preset: 'groq', keys } } }, env).upstreams
  assert.equal(upstream?.keys, [
    { name: '1', weight: 1, credential: 'k-1' },
    { name: 'spare', weight: 0.5, credential: 'l-2' },
  ])
  assert.is(upstream?.apiKey, 'k-1')
  assert.equal(upstream?.secrets, ['k-1', 'l-2'])
  const [plain] = load({ upstreams: { up: { baseUrl, apiKey: { env: 'K' } } } }, env).upstreams
  assert.equal([plain?.keys, plain?.secrets], [null, ['k-1']])
})

test.run()
