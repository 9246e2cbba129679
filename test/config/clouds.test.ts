import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadConfigWithoutSecrets } from '../../src/config/config.js'
import type { UpstreamConfig } from '../../src/config/upstreams.js'
import { folder, load, problems } from './load.js'

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const PEM = privateKey.export({ type: 'pkcs8', format: 'pem' })
const ACCOUNT = {
  type: 'service_account',
  project_id: 'p-of-the-key',
  private_key_id: 'k1',
  private_key: PEM,
  client_email: 'relay@p.iam.gserviceaccount.com',
  token_uri: 'https://oauth2.googleapis.com/token',
}
const write = (name: string, value: unknown): void =>
  writeFileSync(join(folder, name), typeof value === 'string' ? value : JSON.stringify(value, null, 2))
write('account.json', ACCOUNT)
write('user.json', { type: 'authorized_user', client_id: 'c', client_secret: 's', refresh_token: 'r' })
write('federated.json', { type: 'external_account', secret: 'pass-9' })
write('broken.json', { ...ACCOUNT, private_key: 'pass-9' })
write('text.json', 'pass-9 pass-9')
write('empty.json', '')

function resolve(entry: object, env: Record<string, string> = {}): UpstreamConfig {
  const [upstream] = load({ upstreams: { up: entry } }, env).upstreams
  assert.ok(upstream)
  return upstream
}

const AWS_KEYS = { AWS_ACCESS_KEY_ID: 'AKID', AWS_SECRET_ACCESS_KEY: 'secret' }
const REGION = { AWS_REGION: 'eu-west-1' }
const KEYS = { from: 'keys', accessKeyId: 'AKID', secretAccessKey: 'secret', sessionToken: null }
const STS = 'https://sts.eu-west-1.amazonaws.com'
const WEB = { AWS_WEB_IDENTITY_TOKEN_FILE: '/t', AWS_ROLE_ARN: 'arn:r' }
const ECS = { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2/x' }
const EKS = {
  AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://169.254.170.23/v1/credentials',
  AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: '/t',
}

const AWS: [string, object, Record<string, string>, object | null][] = [
  ['keys of the environment', {}, AWS_KEYS, KEYS],
  [
    'a temporary key of the environment',
    {},
    { ...AWS_KEYS, AWS_SESSION_TOKEN: 't' },
    { ...KEYS, sessionToken: 't' },
  ],
  [
    'keys by reference, without the session token of another key',
    { accessKeyId: { env: 'A' }, secretAccessKey: { env: 'B' } },
    { ...AWS_KEYS, AWS_SESSION_TOKEN: 't', A: 'AKID', B: 'secret' },
    KEYS,
  ],
  [
    'a role for a web identity',
    {},
    WEB,
    { from: 'web-identity', url: STS, roleArn: 'arn:r', sessionName: 'thinwire', tokenFile: '/t' },
  ],
  [
    'a container of ECS',
    {},
    ECS,
    { from: 'container', url: 'http://169.254.170.2/v2/x', token: null, tokenFile: null },
  ],
  [
    'a pod of EKS',
    {},
    EKS,
    { from: 'container', url: 'http://169.254.170.23/v1/credentials', token: null, tokenFile: '/t' },
  ],
  [
    'the machine, if it is named',
    { source: 'instance' },
    AWS_KEYS,
    { from: 'instance', url: 'http://169.254.169.254' },
  ],
  [
    'the machine at another address',
    { source: 'instance', endpoint: 'http://127.0.0.1:1' },
    {},
    { from: 'instance', url: 'http://127.0.0.1:1' },
  ],
  ['keys before a web identity', {}, { ...AWS_KEYS, ...WEB, ...ECS }, KEYS],
  [
    'no key of AWS, if there is an API key of Bedrock',
    {},
    { ...AWS_KEYS, AWS_BEARER_TOKEN_BEDROCK: 'b' },
    null,
  ],
]

for (const [name, aws, env, source] of AWS) {
  test(`Bedrock takes ${name}`, () => {
    const { cloud, auth, apiKey, origin, websockets } = resolve(
      { preset: 'bedrock', aws },
      { ...REGION, ...env },
    )
    assert.is(origin, 'https://bedrock-runtime.eu-west-1.amazonaws.com')
    if (source === null) {
      assert.equal([cloud, auth, apiKey], [null, 'bearer', 'b'])
      return
    }
    assert.equal(cloud, { kind: 'aws', region: 'eu-west-1', source, proxy: null })
    assert.equal([auth, apiKey, websockets], ['none', null, false])
  })
}

test('the region decides the address, and a base URL replaces it', () => {
  const env = { ...AWS_KEYS, AWS_DEFAULT_REGION: 'us-east-1' }
  assert.is(resolve({ preset: 'bedrock' }, env).origin, 'https://bedrock-runtime.us-east-1.amazonaws.com')
  assert.is(
    resolve({ preset: 'bedrock', aws: { region: 'cn-north-1' } }, env).origin,
    'https://bedrock-runtime.cn-north-1.amazonaws.com.cn',
  )
  const { origin, basePath } = resolve({ preset: 'bedrock', baseUrl: 'https://vpce.example/x' }, env)
  assert.equal([origin, basePath], ['https://vpce.example', '/x'])
})

const LOCATIONS: [string, string][] = [
  ['global', 'https://aiplatform.googleapis.com'],
  ['europe-west1', 'https://europe-west1-aiplatform.googleapis.com'],
  ['us', 'https://aiplatform.us.rep.googleapis.com'],
]

for (const [location, origin] of LOCATIONS) {
  test(`Vertex at ${location} is ${origin}`, () => {
    const google = { location, credentials: { file: 'account.json' } }
    const upstream = resolve({ preset: 'vertex', google })
    const place = `/projects/p-of-the-key/locations/${location}`
    assert.is(upstream.origin, origin)
    assert.is(upstream.basePath, `/v1${place}/endpoints/openapi`)
    assert.equal(upstream.otherBasePaths, [
      ['/publishers', `/v1${place}`],
      ['/models', `/v1beta1${place}/publishers/google`],
    ])
  })
}

test('Vertex is found by the environment alone, also behind another host', () => {
  const env = {
    GOOGLE_APPLICATION_CREDENTIALS: 'account.json',
    GOOGLE_CLOUD_PROJECT: 'p-of-env',
    GOOGLE_CLOUD_LOCATION: 'us-east5',
  }
  const upstream = resolve({ preset: 'vertex', baseUrl: 'https://private.example' }, env)
  assert.is(upstream.origin, 'https://private.example')
  assert.is(upstream.basePath, '/v1/projects/p-of-env/locations/us-east5/endpoints/openapi')
  assert.is(upstream.otherBasePaths.length, 2)
  assert.equal(upstream.cloud, {
    kind: 'google',
    source: {
      from: 'service-account',
      url: 'https://oauth2.googleapis.com/token',
      email: ACCOUNT.client_email,
      keyId: 'k1',
      privateKey: PEM,
    },
    proxy: null,
  })
})

test("Vertex takes gcloud's credentials, and the metadata server if it is named", () => {
  const google = { project: 'my-project', credentials: { file: 'user.json' } }
  const url = 'https://oauth2.googleapis.com/token'
  assert.equal(resolve({ preset: 'vertex', google }).cloud?.source, {
    from: 'user',
    url,
    clientId: 'c',
    clientSecret: 's',
    refreshToken: 'r',
  })
  const machine = { preset: 'vertex', google: { project: 'my-project', source: 'instance' } }
  assert.equal(resolve(machine).cloud?.source, { from: 'instance', url: 'http://metadata.google.internal' })
  assert.equal(resolve(machine, { GCE_METADATA_HOST: '127.0.0.1:9' }).cloud?.source, {
    from: 'instance',
    url: 'http://127.0.0.1:9',
  })
})

const AZURE = { preset: 'azure', baseUrl: 'https://r.openai.azure.com' }
const TENANT = 'https://login.microsoftonline.com/t/oauth2/v2.0/token'

const ENTRA: [string, object, Record<string, string>, object][] = [
  [
    'a client secret',
    { tenant: 't', clientId: 'c', clientSecret: { env: 'S' } },
    { S: 's' },
    { from: 'secret', url: TENANT, clientId: 'c', clientSecret: 's' },
  ],
  [
    'all of it in the environment',
    {},
    { AZURE_TENANT_ID: 't', AZURE_CLIENT_ID: 'c', AZURE_CLIENT_SECRET: 's' },
    { from: 'secret', url: TENANT, clientId: 'c', clientSecret: 's' },
  ],
  [
    'a token file, with another authority',
    {},
    {
      AZURE_TENANT_ID: 't',
      AZURE_CLIENT_ID: 'c',
      AZURE_FEDERATED_TOKEN_FILE: '/t',
      AZURE_AUTHORITY_HOST: 'https://login.microsoftonline.us/',
    },
    {
      from: 'web-identity',
      url: 'https://login.microsoftonline.us/t/oauth2/v2.0/token',
      clientId: 'c',
      tokenFile: '/t',
    },
  ],
  [
    'App Service',
    {},
    { IDENTITY_ENDPOINT: 'http://127.0.0.1:41/msi/token', IDENTITY_HEADER: 'h' },
    { from: 'app-service', url: 'http://127.0.0.1:41/msi/token', header: 'h', clientId: null },
  ],
  [
    'the machine',
    {},
    {},
    {
      from: 'instance',
      url: 'http://169.254.169.254/metadata/identity/oauth2/token',
      clientId: null,
    },
  ],
]

for (const [name, entra, env, source] of ENTRA) {
  test(`Entra ID takes ${name}, and a key in the environment is not used beside it`, () => {
    const { cloud, auth, apiKey } = resolve({ ...AZURE, entra }, { ...env, AZURE_OPENAI_API_KEY: 'k' })
    const scope = 'https://cognitiveservices.azure.com/.default'
    assert.equal(cloud, { kind: 'entra', scope, source, proxy: null })
    assert.equal([auth, apiKey], ['bearer', null])
  })
}

test('the proxy of an upstream is also on the way to its token endpoint, and not to the machine', () => {
  const env = { HTTPS_PROXY: 'http://p:1', HTTP_PROXY: 'http://p:1', AZURE_CLIENT_SECRET: 's' }
  const entra = { tenant: 't', clientId: 'c' }
  assert.is(resolve({ ...AZURE, entra }, env).cloud?.proxy?.origin, 'http://p:1')
  assert.is(resolve({ ...AZURE, entra: { source: 'instance' } }, env).cloud?.proxy, null)
  assert.is(resolve({ ...AZURE, entra, proxy: false }, env).cloud?.proxy, null)
})

const WRONG: [string, object, RegExp, Record<string, string>?][] = [
  [
    'Bedrock without a region',
    { preset: 'bedrock' },
    /^aws\.region: is missing; give the name of a region/,
    AWS_KEYS,
  ],
  [
    'Bedrock without a credential',
    { preset: 'bedrock' },
    /^aws\.source: is missing, and the environment has no credential of AWS; set AWS_ACCESS_KEY_ID/,
    REGION,
  ],
  [
    'a key of AWS without its secret',
    { preset: 'bedrock' },
    /^aws\.secretAccessKey: the environment variable AWS_SECRET_ACCESS_KEY is not set$/,
    { ...REGION, AWS_ACCESS_KEY_ID: 'a' },
  ],
  [
    'a container that has no address',
    { preset: 'bedrock', aws: { source: 'container' } },
    /^aws\.source: container needs the environment variable AWS_CONTAINER/,
    REGION,
  ],
  [
    'a role that is not named',
    { preset: 'bedrock' },
    /^aws\.source: needs the environment variable AWS_ROLE_ARN, which is not set$/,
    { ...REGION, AWS_WEB_IDENTITY_TOKEN_FILE: '/t' },
  ],
  [
    'a region that is none',
    { preset: 'bedrock', aws: { region: 'Ireland' } },
    /^aws\.region: must be the name of a/,
  ],
  [
    'an endpoint that is no URL',
    { preset: 'bedrock', aws: { source: 'instance', endpoint: 'imds' } },
    /^aws\.endpoint: must be a URL with http:\/\/ or https:\/\/$/,
    REGION,
  ],
  [
    'Vertex without a credential',
    { preset: 'vertex', google: { project: 'my-project' } },
    /^google\.credentials: is missing; name a file: \{"file": "PATH"\}, or set GOOGLE_APPLICATION_CREDENTIALS/,
  ],
  [
    'Vertex without a project',
    { preset: 'vertex', google: { credentials: { file: 'user.json' } } },
    /^google\.project: is missing; give the id of the project that pays$/,
  ],
  [
    'credentials of another kind',
    { preset: 'vertex', google: { project: 'my-project', credentials: { file: 'federated.json' } } },
    /^google\.credentials: is no key of a service account, nor what gcloud/,
  ],
  [
    'a private key that cannot be read',
    { preset: 'vertex', google: { credentials: { file: 'broken.json' } } },
    /^google\.credentials: has a private_key that cannot be read; issue another key$/,
  ],
  [
    'credentials that are no JSON',
    { preset: 'vertex', google: { project: 'my-project', credentials: { file: 'text.json' } } },
    /^google\.credentials: is no JSON; name the file that Google has issued$/,
  ],
  [
    'credentials that are empty',
    { preset: 'vertex', google: { project: 'my-project', credentials: { file: 'empty.json' } } },
    /^google\.credentials: the file empty\.json is empty$/,
  ],
  [
    'a tenant that is missing',
    { ...AZURE, entra: { clientId: 'c', clientSecret: { env: 'S' } } },
    /^entra\.tenant: is missing; give it, or set AZURE_TENANT_ID$/,
    { S: 'pass-9' },
  ],
  [
    'a client that is missing',
    { ...AZURE, entra: { tenant: 't', clientSecret: { env: 'S' } } },
    /^entra\.clientId: is missing; give it, or set AZURE_CLIENT_ID$/,
    { S: 'pass-9' },
  ],
  [
    'a key beside a token',
    { ...AZURE, apiKey: { env: 'K' }, entra: {} },
    /^entra: and a key are both there; keep one$/,
    { K: 'pass-9' },
  ],
  [
    'another auth than that of a token',
    { ...AZURE, auth: 'api-key', entra: {} },
    /^auth: is decided by entra; leave it out$/,
  ],
  [
    'two clouds at once',
    { preset: 'bedrock', aws: {}, entra: {} },
    /^entra: and aws are both there; keep one$/,
    { ...REGION, ...AWS_KEYS },
  ],
  [
    'a mistyped setting',
    { ...AZURE, entra: { tenantId: 't' } },
    /^entra\.tenantId: .*did you mean tenant\?$/,
  ],
]

for (const [name, entry, expected, env = {}] of WRONG) {
  test(`${name} is reported with its path and what would be right, and without its value`, () => {
    const found = problems({ upstreams: { up: entry } }, env)
    assert.is(found.length, 1, found.join('\n'))
    const problem = (found[0] ?? '').replace('upstreams.up.', '')
    assert.match(problem, expected)
    assert.not.match(problem, /pass-9/)
  })
}

test('a token that goes to an upstream without TLS is warned of', () => {
  const settings = { upstreams: { up: { ...AZURE, baseUrl: 'http://gateway.example', entra: {} } } }
  assert.match(
    load(settings).warnings.join('\n'),
    /the credential goes to http:\/\/gateway\.example unencrypted/,
  )
})

test('where clients bring credentials of their own, the relay needs none', () => {
  const upstreams = {
    a: { preset: 'bedrock', aws: { region: 'eu-west-1' } },
    b: { preset: 'vertex', google: { project: 'my-project' } },
    c: { ...AZURE, entra: { tenant: 't' } },
  }
  const { upstreams: resolved } = load({ keys: { mode: 'passthrough' }, upstreams })
  assert.equal(
    resolved.map(({ cloud, apiKey }) => [cloud, apiKey]),
    [
      [null, null],
      [null, null],
      [null, null],
    ],
  )
})

test('a config of the clouds can be read without its secrets', () => {
  const upstreams = {
    a: { preset: 'bedrock', aws: { region: 'eu-west-1', accessKeyId: { env: 'A' } } },
    b: { preset: 'vertex', google: { credentials: { file: 'not-there.json' } } },
    c: { ...AZURE, entra: { tenant: 't', clientSecret: { env: 'S' } } },
  }
  const file = join(folder, 'clouds.json')
  writeFileSync(file, JSON.stringify({ upstreams }))
  const { upstreams: read } = loadConfigWithoutSecrets({ file, env: {}, cwd: folder })
  assert.is(read.length, 3)
})

test.run()
