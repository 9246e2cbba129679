import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { CREDENTIAL_MISSING } from '../../../src/routing/outcome.js'
import type { Upstream } from '../../../src/upstream/upstream.js'
import { ANSWER } from '../../support/failures.js'
import { targetsOf, withTargets } from '../../support/targets.js'

function missing(): Error {
  return Object.assign(new Error('no token'), { code: CREDENTIAL_MISSING })
}

/** Takes the credential of an upstream away: when the request is built, or when it is dispatched. */
function takeCredential(upstream: unknown, how: 'thrown' | 'later'): void {
  const it = upstream as Upstream
  if (how === 'thrown')
    it.withKey = () => {
      throw missing()
    }
  else
    it.dispatch = (_request, handler) => {
      setImmediate(() => handler.onError?.(missing()))
      // Nothing looks at the connection of a request that has failed.
      return {} as ReturnType<Upstream['dispatch']>
    }
}

for (const how of ['thrown', 'later'] as const) {
  test(`a target without a credential (${how}) is passed over, for any request, and counts as a failure`, async () => {
    await withTargets([ANSWER, ANSWER], async ({ relay, upstreams, ask, record }) => {
      const [first] = targetsOf(relay)
      takeCredential(first?.upstream, how)
      for (const path of ['/v1/chat/completions', '/v1/images/generations'])
        assert.is((await ask(path)).status, 200)
      assert.is(upstreams[0]?.requests.length, 0)
      assert.is(first?.breaker.snapshot(0).failures, 2)
      assert.is((await record()).failed_attempts, `a ${CREDENTIAL_MISSING}`)
    })
  })

  test(`without any credential (${how}) the client gets a 503 that says so`, async () => {
    for (const scripts of [[ANSWER], [ANSWER, ANSWER]])
      await withTargets(scripts, async ({ relay, ask, record }) => {
        for (const { upstream } of targetsOf(relay)) takeCredential(upstream, how)
        const response = await ask()
        assert.is(response.status, 503)
        assert.is(response.header('x-thinwire-error'), 'upstream_credential_missing')
        assert.match(response.body.toString(), /no valid credential/)
        assert.is((await record()).end, 'upstream_failed')
      })
  })
}

test.run()
