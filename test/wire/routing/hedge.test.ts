import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { auth } from '../../support/relay.js'
import { expectHedgesAfter, targetsOf, withTargets } from '../../support/targets.js'
import { gate, until, wait } from '../../support/until.js'
import { CHUNKED, head, type Script, SSE, step, whole } from '../../support/upstream.js'

const HEDGED = { route: { hedge: true } }

const from =
  (name: string): Script =>
  (request) =>
    request.write(whole('200 OK', `from ${name}`))

const busy: Script = (request) => request.write(whole('503 Busy', 'busy'))

test('a late first target is hedged by the second, and the slower attempt is cancelled', () =>
  withTargets(
    [step.hang(), from('b')],
    async ({ relay, upstreams: [a], ask, record }) => {
      expectHedgesAfter(relay, 60)
      assert.is((await ask()).body.toString(), 'from b')
      await (await a?.request(0))?.ended()
      const { attempts, failed_attempts, upstream } = await record()
      assert.equal(
        { attempts, failed_attempts, upstream },
        { attempts: 2, failed_attempts: null, upstream: 'b' },
      )
    },
    HEDGED,
  ))

for (const [name, failing] of [
  ['an error', busy],
  ['a reset', step.reset()],
] as const) {
  test(`${name} of one hedged target does not reach the client while the other may still respond`, () => {
    const failed = gate()
    const slow: Script = async (request) => {
      await failed.opened
      await wait(30)
      await request.write(whole('200 OK', 'from a'))
    }
    const fails: Script = async (request) => {
      await failing(request)
      failed.open()
    }
    return withTargets(
      [slow, fails],
      async ({ relay, ask, record }) => {
        expectHedgesAfter(relay, 60)
        const response = await ask()
        assert.is(response.body.toString(), 'from a')
        const { attempts, upstream, status } = await record()
        assert.equal({ attempts, upstream, status }, { attempts: 2, upstream: 'a', status: 200 })
      },
      HEDGED,
    )
  })
}

test('when both hedged targets have failed, the client gets the last error response', () => {
  const asked = gate()
  const first: Script = async (request) => {
    await asked.opened
    await busy(request)
  }
  const second: Script = async (request) => {
    asked.open()
    await wait(50)
    request.reset()
  }
  return withTargets(
    [first, second],
    async ({ relay, ask, record }) => {
      expectHedgesAfter(relay, 60)
      assert.is((await ask()).status, 503)
      assert.match(String((await record()).failed_attempts), /^a 503, b \w+$/)
    },
    HEDGED,
  )
})

const slowly: Script = async (request) => {
  await wait(200)
  await request.write(whole('200 OK', 'from a'))
}

test('requests that may not be repeated are never hedged', async () => {
  await withTargets(
    [slowly, from('b')],
    async ({ relay, upstreams: [, b], ask }) => {
      expectHedgesAfter(relay, 50)
      assert.is((await ask('/v1/images/generations')).body.toString(), 'from a')
      assert.is(b?.requests.length, 0)
    },
    HEDGED,
  )
  await withTargets(
    [slowly, from('b')],
    async ({ relay, upstreams: [, b], ask }) => {
      expectHedgesAfter(relay, 50)
      assert.is((await ask()).body.toString(), 'from a')
      assert.is(b?.requests.length, 0)
    },
    { route: { hedge: true, failover: false } },
  )
})

test('the hedge delay begins only when the first target has the whole body', () =>
  withTargets(
    [step.hang(), from('b')],
    async ({ relay, upstreams: [a, b], record }) => {
      expectHedgesAfter(relay, 60)
      const client = await relay.client()
      const body = `{"model":"m","tools":[],"messages":"${'x'.repeat(100_000)}"}`
      client.send(
        `POST /v1/chat/completions HTTP/1.1\r\n${auth(relay)}content-length: ${body.length}\r\n\r\n`,
      )
      client.send(body.slice(0, 70_000))
      await until(() => (a?.arriving.length ?? 0) > 60_000, 'the beginning to be sent on')
      await wait(150)
      assert.is(b?.arriving.length, 0)
      client.send(body.slice(70_000))
      assert.is((await client.response()).body.toString(), 'from b')
      // The first target has the whole body too.
      assert.is((await a?.request(0))?.body.toString(), body)
      assert.is((await b?.request(0))?.body.toString(), body)
      assert.is((await record()).attempts, 2)
      client.destroy()
    },
    HEDGED,
  ))

test('a third target is used if the first sends no event and the second is late', () => {
  const silent: Script = async (request) => {
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.hang()
  }
  return withTargets(
    [silent, step.hang(), from('c')],
    async ({ relay, ask, record }) => {
      expectHedgesAfter(relay, 50)
      assert.is((await ask()).body.toString(), 'from c')
      const { attempts, failed_attempts, upstream } = await record()
      assert.equal(
        { attempts, failed_attempts, upstream },
        { attempts: 3, failed_attempts: 'a firstTokenMs', upstream: 'c' },
      )
    },
    { route: { hedge: true, firstTokenMs: 150 } },
  )
})

test('the hedged target that sends the first event wins', () => {
  const beginning = async (request: Parameters<Script>[0]): Promise<void> => {
    await request.write(head('200 OK', SSE, CHUNKED))
    await request.chunk(': wait\n\n')
  }
  const asked = gate()
  const first: Script = async (request) => {
    await asked.opened
    await beginning(request)
    await wait(50)
    await request.chunk('data: a\n\n')
    await request.lastChunk()
  }
  const second: Script = async (request) => {
    await beginning(request)
    asked.open()
    await request.hang()
  }
  return withTargets(
    [first, second],
    async ({ relay, ask }) => {
      expectHedgesAfter(relay, 50)
      assert.is((await ask()).body.toString(), ': wait\n\ndata: a\n\n')
    },
    { route: { hedge: true, firstTokenMs: 5_000 } },
  )
})

test('a stale connection is replaced for each of two hedged targets', () => {
  // The first request on each connection gets a response, the next one gets a close.
  const stale = (name: string, slow: boolean): Script => {
    let asked = 0
    return async (request) => {
      asked++
      if (asked === 2) request.end()
      else if (asked === 3 && slow) await request.hang()
      else await request.write(whole(asked === 1 ? '409 Conflict' : '200 OK', `from ${name}`))
    }
  }
  return withTargets(
    [stale('a', true), stale('b', false)],
    async ({ relay, ask, record }) => {
      // Each target responds once.
      assert.is((await ask()).status, 409)
      expectHedgesAfter(relay, 50)
      assert.is((await ask()).body.toString(), 'from b')
      const { attempts, failed_attempts } = await record(1)
      assert.is(attempts, 4)
      assert.match(String(failed_attempts), /^a \w+, b \w+$/)
    },
    HEDGED,
  )
})

test('an attempt that was cancelled right after its start does not count in the latency of its target', () => {
  const asked = gate()
  const first: Script = async (request) => {
    await asked.opened
    await request.write(whole('200 OK', 'from a'))
  }
  const second: Script = async (request) => {
    asked.open()
    await request.hang()
  }
  return withTargets(
    [first, second],
    async ({ relay, ask }) => {
      expectHedgesAfter(relay, 60)
      assert.is((await ask()).body.toString(), 'from a')
      assert.is(targetsOf(relay)[1]?.breaker.latency.count, 0)
    },
    HEDGED,
  )
})

test('a target in cooldown is not used for a hedge', () =>
  withTargets(
    [slowly, from('b')],
    async ({ relay, upstreams: [, b], ask }) => {
      expectHedgesAfter(relay, 50)
      targetsOf(relay)[1]?.breaker.coolDownUntil(performance.now() + 60_000)
      assert.is((await ask()).body.toString(), 'from a')
      assert.is(b?.requests.length, 0)
    },
    HEDGED,
  ))

test.run()
