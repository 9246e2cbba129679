import { gzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ANSWER, dripping, halfOf, refusing } from '../../support/failures.js'
import { post, startRelay, type TestRelay } from '../../support/relay.js'
import { targetsOf, withTargets } from '../../support/targets.js'
import { until } from '../../support/until.js'
import { head, type Script, ScriptedUpstream, whole } from '../../support/upstream.js'

interface Row {
  readonly name: string
  readonly status: string
  readonly error: unknown
  /** What is to rest at the first target; null for nothing. */
  readonly rests: 'credential' | 'quota' | 'model' | 'target' | null
  readonly next: boolean
}

const error = (message: string, more: object = {}): object => ({ error: { message, ...more } })

const ROWS: readonly Row[] = [
  {
    name: 'a wrong key',
    status: '401 No',
    error: error('Incorrect API key', { code: 'invalid_api_key' }),
    rests: 'credential',
    next: true,
  },
  { name: 'a 401 without words', status: '401 No', error: {}, rests: 'credential', next: true },
  {
    name: 'a key that may not do it',
    status: '403 No',
    error: { type: 'error', error: { type: 'permission_error', message: 'no' } },
    rests: 'credential',
    next: true,
  },
  { name: 'a 403 without words', status: '403 No', error: error('no'), rests: 'credential', next: true },
  {
    name: "Gemini's invalid key",
    status: '400 No',
    error: error('API key not valid.', {
      code: 400,
      status: 'INVALID_ARGUMENT',
      details: [{ reason: 'API_KEY_INVALID' }],
    }),
    rests: 'credential',
    next: true,
  },
  {
    name: 'no credit',
    status: '402 Pay',
    error: error('Insufficient Balance', { code: 'invalid_request_error' }),
    rests: 'quota',
    next: true,
  },
  {
    name: "OpenAI's used-up quota",
    status: '429 No',
    error: error('You exceeded your current quota', { code: 'insufficient_quota' }),
    rests: 'quota',
    next: true,
  },
  {
    name: "Anthropic's used-up credit",
    status: '400 No',
    error: {
      type: 'error',
      error: { type: 'invalid_request_error', message: 'Your credit balance is too low to access the API.' },
    },
    rests: 'quota',
    next: true,
  },
  {
    name: 'a missing deployment',
    status: '404 No',
    error: error('The API deployment for this resource does not exist.', { code: 'DeploymentNotFound' }),
    rests: 'model',
    next: true,
  },
  {
    name: 'a model that the account lacks',
    status: '404 No',
    error: error('The model `m` does not exist', { code: 'model_not_found' }),
    rests: 'model',
    next: true,
  },
  {
    name: 'a prompt against the rules',
    status: '403 No',
    error: error('Your input was flagged', { code: 'content_policy_violation' }),
    rests: null,
    next: false,
  },
  {
    name: 'a prompt that is too long',
    status: '400 No',
    error: error('too long', { code: 'context_length_exceeded' }),
    rests: null,
    next: false,
  },
  { name: 'an unknown path', status: '404 No', error: error('no such thing'), rests: null, next: false },
  {
    name: 'a field that is wrong',
    status: '422 No',
    error: { detail: [{ loc: ['body'], msg: 'field required' }] },
    rests: null,
    next: false,
  },
]

/** What rests at the first target. */
function restsOf(relay: TestRelay): Row['rests'] {
  const [target] = targetsOf(relay)
  const now = performance.now()
  if (target?.credential.refused != null) return target.credential.refused
  if (target?.missing.lacks('m', now) === true) return 'model'
  return target?.breaker.allows(now) === false ? 'target' : null
}

for (const { name, status, error: body, rests, next } of ROWS) {
  for (const [way, make] of [
    ['whole', refusing],
    ['in pieces', dripping],
  ] as const)
    test(`${name}, sent ${way}, ${next ? 'leads to the next target' : 'reaches the client'}, for any request`, async () => {
      await withTargets([make(status, body), ANSWER, ANSWER], async ({ relay, upstreams, ask }) => {
        for (const path of ['/v1/chat/completions', '/v1/images/generations']) {
          const response = await ask(path)
          assert.is(response.status, next ? 200 : Number(status.slice(0, 3)))
          if (!next) assert.equal(JSON.parse(response.body.toString()), body)
        }
        // The body of a rate limit may still be arriving.
        await until(() => restsOf(relay) === rests, `${rests} to rest`)
        // What rests is not asked first again.
        assert.is(upstreams[0]?.requests.length, next ? 1 : 2)
        assert.is(upstreams[2]?.requests.length, 0)
      })
    })
}

test('a refused key is logged once, and shown in /readyz', async () => {
  await withTargets([refusing('401 No', {}), ANSWER], async ({ relay, ask }) => {
    for (let i = 0; i < 3; i++) await ask()
    targetsOf(relay)[0]?.credential.refuse(performance.now(), 'credential', null)
    const warnings = relay.lines.filter(({ upstream, why }) => upstream === 'a' && why === 'credential')
    assert.is(warnings.length, 1)
    const client = await relay.client()
    client.send('GET /readyz HTTP/1.1\r\nhost: localhost\r\n\r\n')
    const body = JSON.parse((await client.response()).body.toString())
    client.destroy()
    assert.is(body.targets.refused, 1)
    assert.equal(body.unhealthy.refused, ['a (credential)'])
    assert.equal(body.unhealthy.cooling, ['a'])
  })
})

test('a quota that is used up is seen where no other target is left, too, and the response passes as it came', async () => {
  const body = error('You exceeded your current quota', {
    type: 'insufficient_quota',
    code: 'insufficient_quota',
  })
  await withTargets([refusing('429 No', body)], async ({ relay, ask }) => {
    const response = await ask()
    assert.is(response.status, 429)
    assert.equal(JSON.parse(response.body.toString()), body)
    await until(() => restsOf(relay) === 'quota', 'the quota to be seen')
  })
  await withTargets(
    [refusing('429 No', error('slow', { code: 'rate_limit_exceeded' }))],
    async ({ relay, ask, record }) => {
      await ask()
      await record()
      assert.is(restsOf(relay), 'target')
    },
  )
})

test('a compressed refusal is judged by its status, and passes as it came', async () => {
  const gzip =
    (status: string): Script =>
    (request) =>
      request.write(
        whole(status, gzipSync('{"error":{"code":"content_policy_violation"}}'), 'content-encoding: gzip'),
      )
  await withTargets([gzip('403 No'), ANSWER], async ({ ask }) => assert.is((await ask()).status, 200))
  await withTargets([gzip('400 No'), ANSWER], async ({ ask }) => {
    const response = await ask()
    assert.is(response.status, 400)
    assert.ok(response.body.equals(gzipSync('{"error":{"code":"content_policy_violation"}}')))
  })
})

test('a refusal that breaks off within its body leads to the next target where a second attempt is safe', async () => {
  const half = halfOf('400 No', error('x'.repeat(200)))
  await withTargets([half, ANSWER], async ({ ask }) => {
    assert.is((await ask()).status, 200)
    const cut = await ask('/v1/images/generations')
    assert.is(cut.status, 400)
    assert.not(cut.complete)
  })
  await withTargets([halfOf('403 No', error('x'.repeat(200))), ANSWER], async ({ ask }) =>
    assert.is((await ask('/v1/images/generations')).status, 200),
  )
})

test('the body of a refusal is waited for a second, and not for ever', async () => {
  const slow =
    (status: string): Script =>
    async (request) => {
      await request.write(head(status, 'content-type: application/json', 'content-length: 50'))
      await request.write('{"error":')
      await request.hang()
    }
  await withTargets([slow('403 No'), ANSWER], async ({ ask, upstreams }) => {
    assert.is((await ask()).status, 200)
    await (await upstreams[0]?.request(0))?.ended()
  })
})

test('when every target refuses the account, each is asked once and the client gets one of their responses', async () => {
  await withTargets(
    [refusing('401 No', {}), refusing('402 Pay', {}), refusing('403 No', error('no'))],
    async ({ ask, upstreams, record }) => {
      assert.is((await ask()).status, 402)
      assert.equal(
        upstreams.map(({ requests }) => requests.length),
        [1, 1, 1],
      )
      assert.is((await record()).failed_attempts, 'a 401, b 402, c 403')
    },
  )
})

test('a refusal says nothing about the stored objects of another account', async () => {
  await withTargets([refusing('401 No', {}), ANSWER], async ({ ask, upstreams }) => {
    assert.is((await ask('/v1/files')).status, 401)
    assert.is(upstreams[1]?.requests.length, 0)
  })
})

test("a client's own credential is the client's: its 401 is passed on, and nothing rests", async () => {
  const first = await ScriptedUpstream.start(refusing('401 No', error('no', { code: 'invalid_api_key' })))
  const second = await ScriptedUpstream.start(ANSWER)
  const relay = await startRelay(
    { a: { baseUrl: first.url }, b: { baseUrl: second.url } },
    { keys: { mode: 'passthrough' }, routes: [{ targets: [{ upstream: 'a' }, { upstream: 'b' }] }] },
  )
  try {
    const response = await post(relay, '/v1/chat/completions', '{"model":"m"}')
    assert.is(response.status, 401)
    assert.is(second.requests.length, 0)
    assert.is(restsOf(relay), null)
  } finally {
    await relay.close()
    await first.close()
    await second.close()
  }
})

test('a name that a client has made up sends no target to rest for other models', async () => {
  const lacking: Script = (request) =>
    request.body.includes('"made-up"')
      ? refusing('404 No', error('The model `made-up` does not exist', { code: 'model_not_found' }))(request)
      : ANSWER(request)
  await withTargets([lacking, lacking], async ({ ask, upstreams }) => {
    assert.is((await ask(undefined, '{"model":"made-up"}')).status, 404)
    assert.is((await ask(undefined, '{"model":"m"}')).status, 200)
    assert.is(upstreams[0]?.requests.length, 2)
    assert.is(upstreams[1]?.requests.length, 1)
  })
})

const DELAYS: readonly (readonly [string, unknown, readonly string[], number])[] = [
  ['retry-after', {}, ['retry-after: 30'], 30_000],
  ['retry-after-ms', {}, ['retry-after-ms: 2500'], 2_500],
  ['the reset of a limit', {}, ['x-ratelimit-remaining-tokens: 0', 'x-ratelimit-reset-tokens: 12s'], 12_000],
  ['words', error('Rate limit reached. Please try again in 7.5s.'), [], 7_500],
  [
    "Gemini's retryDelay",
    error('busy', { code: 429, status: 'RESOURCE_EXHAUSTED', details: [{ retryDelay: '34s' }] }),
    [],
    34_000,
  ],
]

for (const [name, body, headers, ms] of DELAYS) {
  test(`a target that is at its limit rests for as long as it says by ${name}`, async () => {
    await withTargets([refusing('429 No', body, ...headers), ANSWER], async ({ relay, ask }) => {
      assert.is((await ask()).status, 200)
      const rest = targetsOf(relay)[0]?.breaker.snapshot(performance.now()).cooling_ms ?? 0
      assert.ok(rest > ms - 5_000 && rest <= ms, String(rest))
      assert.is(targetsOf(relay)[0]?.credential.refused, null)
    })
  })
}

test.run()
