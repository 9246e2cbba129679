import { createVerify, generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { selfSigned } from '../../../scripts/certificate.js'
import { createUpstreamConfig } from '../../../src/config/upstreams.js'
import { createAwsFetch } from '../../../src/upstream/cloud/aws-keys.js'
import { createEntraFetch } from '../../../src/upstream/cloud/entra-token.js'
import { createGoogleFetch } from '../../../src/upstream/cloud/google-token.js'
import type { Fetched } from '../../../src/upstream/cloud/token-source.js'
import { createTokenClient } from '../../../src/upstream/token-client.js'
import { type TokenAnswer, type TokenAsked, TokenEndpoint } from '../../support/token-endpoint.js'

const TIMEOUTS = { connectMs: 5_000, firstByteMs: 5_000, idleMs: 5_000, upstreamKeepAliveMs: 5_000 }
const send = createTokenClient(createUpstreamConfig('up', 'http://unused', TIMEOUTS as never), null)
const SCOPE = 'https://cognitiveservices.azure.com/.default'
const TOKEN = { access_token: 'token-1', expires_in: 3_600, token_type: 'Bearer' }

/** Runs an endpoint for one test. */
async function withEndpoint(
  answer: (asked: TokenAsked, n: number) => TokenAnswer | null,
  act: (endpoint: TokenEndpoint) => Promise<void>,
): Promise<void> {
  const endpoint = await TokenEndpoint.start(answer)
  try {
    await act(endpoint)
  } finally {
    await endpoint.close()
  }
}

/** The code of the error that a source fails with. */
async function codeOf(fetch: () => Promise<Fetched<unknown>>): Promise<string> {
  try {
    await fetch()
  } catch (error) {
    return (error as { code: string }).code
  }
  return 'no error'
}

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })

function account(url: string) {
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  return {
    from: 'service-account',
    url,
    email: 'relay@p.iam.gserviceaccount.com',
    keyId: 'k1',
    privateKey: pem,
  } as const
}

/** The claims of a statement whose signature is right. */
function readStatement(asked: TokenAsked | undefined): Record<string, unknown> {
  const [head = '', claims = '', signature = ''] = (asked?.form.get('assertion') ?? '').split('.')
  const isRight = createVerify('RSA-SHA256')
    .update(`${head}.${claims}`)
    .verify(publicKey, Buffer.from(signature, 'base64url'))
  assert.ok(isRight, 'the signature of the statement')
  assert.equal(JSON.parse(Buffer.from(head, 'base64url').toString()), { alg: 'RS256', typ: 'JWT', kid: 'k1' })
  return JSON.parse(Buffer.from(claims, 'base64url').toString())
}

test('a service account of Google signs a statement and gets a token for it', () =>
  withEndpoint(
    () => ({ body: TOKEN }),
    async ({ url, asked }) => {
      const before = Math.floor(Date.now() / 1_000)
      const fetched = await createGoogleFetch(account(`${url}/token`), send)()
      assert.equal(fetched, { credential: 'token-1', validMs: 3_600_000 })
      assert.is(asked[0]?.form.get('grant_type'), 'urn:ietf:params:oauth:grant-type:jwt-bearer')
      const { iat, exp, ...claims } = readStatement(asked[0])
      assert.equal(claims, {
        iss: 'relay@p.iam.gserviceaccount.com',
        scope: 'https://www.googleapis.com/auth/cloud-platform',
        aud: `${url}/token`,
      })
      assert.is((exp as number) - (iat as number), 3_600)
      assert.ok((iat as number) >= before && (iat as number) <= before + 60)
    },
  ))

test("a machine whose clock is wrong signs by the endpoint's clock after one refusal, and goes on so", () =>
  withEndpoint(
    (asked) => {
      const { iat } = readStatement(asked)
      const date = 'Mon, 05 Feb 2001 10:00:00 GMT'
      return Math.abs((iat as number) * 1_000 - Date.parse(date)) < 60_000
        ? { body: TOKEN, headers: { date } }
        : { status: 400, body: { error: 'invalid_grant' }, headers: { date } }
    },
    async ({ url, asked }) => {
      const fetch = createGoogleFetch(account(url), send)
      assert.is((await fetch()).credential, 'token-1')
      assert.is(asked.length, 2)
      await fetch()
      assert.is(asked.length, 3)
    },
  ))

test('a refusal that the clock does not explain is asked for once only', () =>
  withEndpoint(
    () => ({ status: 400, body: { error: 'invalid_grant', error_description: 'secret-1' } }),
    async ({ url, asked }) => {
      assert.is(await codeOf(createGoogleFetch(account(url), send)), 'TOKEN_STATUS_400 invalid_grant')
      assert.is(asked.length, 1)
    },
  ))

test("gcloud's own credentials and the metadata server of Google give tokens", () =>
  withEndpoint(
    () => ({ body: TOKEN, headers: { 'content-type': 'text/plain' } }),
    async ({ url, asked }) => {
      const user = { from: 'user', url, clientId: 'c', clientSecret: 's', refreshToken: 'r' } as const
      assert.is((await createGoogleFetch(user, send)()).credential, 'token-1')
      assert.equal(Object.fromEntries(asked[0]?.form ?? []), {
        grant_type: 'refresh_token',
        client_id: 'c',
        client_secret: 's',
        refresh_token: 'r',
      })
      assert.is((await createGoogleFetch({ from: 'instance', url }, send)()).validMs, 3_600_000)
      assert.is(asked[1]?.url.pathname, '/computeMetadata/v1/instance/service-accounts/default/token')
      assert.is(asked[1]?.headers['metadata-flavor'], 'Google')
    },
  ))

test('Entra ID is asked in the form of each source', () =>
  withEndpoint(
    () => ({ body: { ...TOKEN, expires_in: '3599' } }),
    async ({ url, asked }) => {
      const file = join(mkdtempSync(join(tmpdir(), 'thinwire-')), 'token')
      writeFileSync(file, 'federated\n')
      const sources = [
        { from: 'secret', url, clientId: 'c', clientSecret: 's' },
        { from: 'web-identity', url, clientId: 'c', tokenFile: file },
        { from: 'instance', url: `${url}/metadata/identity/oauth2/token`, clientId: null },
        { from: 'app-service', url: `${url}/msi/token/`, header: 'h', clientId: 'mine' },
      ] as const
      for (const source of sources) {
        const fetched = await createEntraFetch(source, SCOPE, send)()
        assert.equal(fetched, { credential: 'token-1', validMs: 3_599_000 })
      }
      assert.equal(Object.fromEntries(asked[0]?.form ?? []), {
        grant_type: 'client_credentials',
        client_id: 'c',
        client_secret: 's',
        scope: SCOPE,
      })
      assert.is(asked[1]?.form.get('client_assertion'), 'federated')
      assert.is(asked[1]?.form.get('client_secret'), null)
      assert.is(
        asked[2]?.url.href,
        'http://endpoint/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https%3A%2F%2Fcognitiveservices.azure.com',
      )
      assert.is(asked[2]?.headers.metadata, 'true')
      assert.is(asked[3]?.url.searchParams.get('api-version'), '2019-08-01')
      assert.is(asked[3]?.url.searchParams.get('client_id'), 'mine')
      assert.is(asked[3]?.headers['x-identity-header'], 'h')
    },
  ))

test("a time of the endpoint's clock is counted from that clock", () =>
  withEndpoint(
    () => ({
      body: { access_token: 't', expires_on: String(Date.parse('2001-02-05T11:00:00Z') / 1_000) },
      headers: { date: 'Mon, 05 Feb 2001 10:00:00 GMT' },
    }),
    async ({ url }) => {
      const source = { from: 'app-service', url, header: 'h', clientId: null } as const
      assert.is((await createEntraFetch(source, SCOPE, send)()).validMs, 3_600_000)
    },
  ))

const AWS_KEY = { Code: 'Success', AccessKeyId: 'AKID', SecretAccessKey: 's/e+c', Token: 't/o=' }
const HOUR_LATER = { Expiration: '2001-02-05T11:00:00Z' }
const DATE = { date: 'Mon, 05 Feb 2001 10:00:00 GMT' }
const GOT = {
  credential: { accessKeyId: 'AKID', secretAccessKey: 's/e+c', sessionToken: 't/o=' },
  validMs: 3_600_000,
}

test("the metadata service of EC2 is asked for a session, the role and the role's key", () =>
  withEndpoint(
    ({ method, url, headers }) => {
      if (method === 'PUT') return { body: 'session-1' }
      if (headers['x-aws-ec2-metadata-token'] !== 'session-1') return { status: 401, body: '' }
      return url.pathname.endsWith('/my-role')
        ? { body: { ...AWS_KEY, ...HOUR_LATER }, headers: DATE }
        : { body: 'my-role\n' }
    },
    async ({ url, asked }) => {
      assert.equal(await createAwsFetch({ from: 'instance', url }, send)(), GOT)
      assert.equal(
        asked.map((each) => `${each.method} ${each.url.pathname}`),
        [
          'PUT /latest/api/token',
          'GET /latest/meta-data/iam/security-credentials/',
          'GET /latest/meta-data/iam/security-credentials/my-role',
        ],
      )
      assert.is(asked[0]?.headers['x-aws-ec2-metadata-token-ttl-seconds'], '21600')
    },
  ))

test('a container is asked with its token, which is read from the file again each time', () =>
  withEndpoint(
    () => ({ body: { ...AWS_KEY, ...HOUR_LATER }, headers: DATE }),
    async ({ url, asked }) => {
      const tokenFile = join(mkdtempSync(join(tmpdir(), 'thinwire-')), 'token')
      const fetch = createAwsFetch({ from: 'container', url, token: 'unused', tokenFile }, send)
      for (const token of ['one', 'two']) {
        writeFileSync(tokenFile, `${token}\n`)
        assert.equal(await fetch(), GOT)
      }
      await createAwsFetch({ from: 'container', url, token: 'fixed', tokenFile: null }, send)()
      assert.equal(
        asked.map(({ headers }) => headers.authorization),
        ['one', 'two', 'fixed'],
      )
    },
  ))

test('STS gives a key for a role', () =>
  withEndpoint(
    () => ({
      body: {
        AssumeRoleWithWebIdentityResponse: {
          AssumeRoleWithWebIdentityResult: {
            Credentials: {
              AccessKeyId: 'AKID',
              SecretAccessKey: 's/e+c',
              SessionToken: 't/o=',
              Expiration: Date.parse(HOUR_LATER.Expiration) / 1_000,
            },
          },
        },
      },
      headers: DATE,
    }),
    async ({ url, asked }) => {
      const tokenFile = join(mkdtempSync(join(tmpdir(), 'thinwire-')), 'token')
      writeFileSync(tokenFile, 'federated')
      const source = { from: 'web-identity', url, roleArn: 'arn:r', sessionName: 'n', tokenFile } as const
      assert.equal(await createAwsFetch(source, send)(), GOT)
      assert.is(asked[0]?.headers.accept, 'application/json')
      assert.equal(Object.fromEntries(asked[0]?.form ?? []), {
        Action: 'AssumeRoleWithWebIdentity',
        Version: '2011-06-15',
        RoleArn: 'arn:r',
        RoleSessionName: 'n',
        WebIdentityToken: 'federated',
      })
    },
  ))

/** Each with what it is reported as. Whatever the body says, nothing else of it is reported. */
const BROKEN: [string, TokenAnswer, string][] = [
  ['500', { status: 500, body: 'secret-1' }, 'TOKEN_STATUS_500'],
  [
    'a redirect',
    { status: 302, body: '', headers: { location: 'http://other/secret-1' } },
    'TOKEN_STATUS_302',
  ],
  [
    'a refusal of OAuth',
    { status: 401, body: { error: 'invalid_client', error_codes: [7000215], error_description: 'secret-1' } },
    'TOKEN_STATUS_401 invalid_client AADSTS7000215',
  ],
  ['an error with a secret in its code', { status: 400, body: { error: 'secret-1' } }, 'TOKEN_STATUS_400'],
  [
    'a page',
    { body: '<html>secret-1</html>', headers: { 'content-type': 'text/html' } },
    'TOKEN_RESPONSE_INVALID',
  ],
  ['a list', { body: '["secret-1"]' }, 'TOKEN_RESPONSE_INVALID'],
  ['no token', { body: { expires_in: 1 } }, 'TOKEN_RESPONSE_INVALID'],
  ['a token with a line end', { body: { access_token: 'a\nb', expires_in: 1 } }, 'TOKEN_RESPONSE_INVALID'],
  ['no time', { body: { access_token: 'secret-1' } }, 'TOKEN_RESPONSE_INVALID'],
  ['a time in words', { body: { access_token: 'secret-1', expires_in: 'soon' } }, 'TOKEN_RESPONSE_INVALID'],
  ['a body without an end', { body: 'x'.repeat(300_000) }, 'TOKEN_RESPONSE_INVALID'],
]

for (const [name, answer, code] of BROKEN) {
  test(`${name} of a token endpoint is reported by its code alone`, () =>
    withEndpoint(
      () => answer,
      async ({ url }) => {
        const source = { from: 'secret', url, clientId: 'c', clientSecret: 's' } as const
        assert.is(await codeOf(createEntraFetch(source, SCOPE, send)), code)
      },
    ))
}

test('a role whose name is no name, and a session that is refused, give no key', async () => {
  for (const [answer, code] of [
    [{ body: '../../user-data' }, 'TOKEN_RESPONSE_INVALID'],
    [{ status: 403, body: 'secret-1' }, 'TOKEN_STATUS_403'],
    [{ body: '' }, 'TOKEN_RESPONSE_INVALID'],
  ] as const)
    await withEndpoint(
      ({ method }) => (method === 'PUT' && answer.body !== '' ? { body: 'session' } : answer),
      async ({ url }) => {
        assert.is(await codeOf(createAwsFetch({ from: 'instance', url }, send)), code)
      },
    )
})

test('an endpoint that cannot be reached is reported by the code of the system', async () => {
  const endpoint = await TokenEndpoint.start(() => null)
  const { url } = endpoint
  await endpoint.close()
  assert.is(await codeOf(createGoogleFetch({ from: 'instance', url }, send)), 'ECONNREFUSED')
})

test('an endpoint that says nothing is given up, and its connection is closed', () =>
  withEndpoint(
    () => null,
    async ({ url, asked }) => {
      const config = createUpstreamConfig('up', 'http://unused', TIMEOUTS as never)
      const impatient = createTokenClient(config, null, 50)
      assert.is(await codeOf(createGoogleFetch({ from: 'instance', url }, impatient)), 'TOKEN_TIMEOUT')
      assert.is(asked.length, 1)
    },
  ))

test('an endpoint is reached through a proxy, with TLS and an authority of the config, or not at all', async () => {
  const certificate = selfSigned('tokens.example')
  const endpoint = createHttpsServer(certificate, (_req, res) => res.end(JSON.stringify(TOKEN)))
  await new Promise<void>((resolve) => endpoint.listen(0, '127.0.0.1', resolve))
  const connected: string[] = []
  const proxy = createHttpServer()
  proxy.on('connect', (req, socket) => {
    connected.push(`${req.url} ${req.headers['proxy-authorization']}`)
    const tunnel = connect((endpoint.address() as AddressInfo).port, '127.0.0.1', () => {
      socket.write('HTTP/1.1 200 OK\r\n\r\n')
      tunnel.pipe(socket).pipe(tunnel)
    })
    for (const each of [socket, tunnel]) each.on('error', () => {})
  })
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`
  const config = createUpstreamConfig('up', 'http://unused', TIMEOUTS as never)
  const source = {
    from: 'secret',
    url: 'https://tokens.example/t',
    clientId: 'c',
    clientSecret: 's',
  } as const
  try {
    const through = { origin, authorization: 'Basic bWU=' }
    const trusting = createTokenClient({ ...config, ca: certificate.cert, servername: 'other' }, through)
    assert.is((await createEntraFetch(source, SCOPE, trusting)()).credential, 'token-1')
    assert.equal(connected, ['tokens.example:443 Basic bWU='])
    const wary = createTokenClient(config, through)
    assert.match(await codeOf(createEntraFetch(source, SCOPE, wary)), /SELF_SIGNED|UNABLE_TO_VERIFY/)
  } finally {
    for (const server of [endpoint, proxy]) {
      server.closeAllConnections()
      server.close()
    }
  }
})

test('a token file that is missing is reported by the code of the system', async () => {
  const source = {
    from: 'web-identity',
    url: 'http://x',
    clientId: 'c',
    tokenFile: '/nowhere/token',
  } as const
  assert.is(await codeOf(createEntraFetch(source, SCOPE, send)), 'ENOENT')
})

test.run()
