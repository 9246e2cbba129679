import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadConfig } from '../../src/config/config.js'
import { resolveUpstreamTimeouts } from '../../src/config/upstreams.js'
import { Exchange } from '../../src/exchange/exchange.js'
import { ByteBudget } from '../../src/lib/byte-budget.js'
import type { Attempt } from '../../src/relay/attempt.js'
import { Failover } from '../../src/relay/failover.js'
import { ResponsePipeline, type ResponsePipelineOwner } from '../../src/relay/response-pipeline.js'
import { BREAKER_DEFAULTS, CircuitBreaker } from '../../src/routing/circuit-breaker.js'
import type { Target } from '../../src/routing/router.js'
import type { Upstream } from '../../src/upstream/upstream.js'

/** undici's abort, that remembers what it was told. */
function fakeAbort(): { told: string[]; abort: () => void } {
  const told: string[] = []
  return { told, abort: () => void told.push('abort') }
}

interface Made {
  relay: ResponsePipeline
  exchange: Exchange
  failures: string[]
  /** undici's handler of each attempt. */
  attempts: Attempt[]
  targets: Target[]
}

/**
 * A relay whose request goes to so many upstreams that never answer by themselves.
 * @param send told of each attempt, in place of undici
 */
function makeRelay(upstreams = 1, send: ((attempt: Attempt) => void) | null = null): Made {
  const failures: string[] = []
  const attempts: Attempt[] = []
  const owner: ResponsePipelineOwner = { draining: false, onAttemptFailed: (_x, code) => failures.push(code) }
  const req = { method: 'GET', rawHeaders: [] } as unknown as IncomingMessage
  const res = { headersSent: false, req } as unknown as ServerResponse
  const exchange = new Exchange(req, res, 0)
  const { timeouts } = loadConfig({ env: {}, cwd: '/nonexistent' })
  const relay = new ResponsePipeline(exchange, owner, { timeouts, answerBytes: 1_000, crossOrigin: false })
  const targets = Array.from({ length: upstreams }, (_, i) => ({
    name: `up${i}`,
    upstream: { name: `up${i}`, timeouts: resolveUpstreamTimeouts(timeouts) } as Upstream,
    model: null,
    weight: 1,
    breaker: new CircuitBreaker(BREAKER_DEFAULTS, () => {}),
  }))
  relay.failover = new Failover(exchange, relay, {
    targets,
    order: targets.map((_, i) => i),
    failover: true,
    firstTokenMs: null,
    hedge: null,
    budget: new ByteBudget(1_000_000),
    send: send ?? ((attempt) => void attempts.push(attempt)),
  })
  relay.failover.start()
  return { relay, exchange, failures, attempts, targets }
}

/** The first of its attempts. */
function made(upstreams = 1): Made & { attempt: Attempt } {
  const all = makeRelay(upstreams)
  return { ...all, attempt: all.attempts[0] as Attempt }
}

test('a client that left while a connection was made has its request aborted before it is written', () => {
  const { relay, exchange, attempt } = made()
  relay.onClose()
  assert.is(exchange.end, 'client_gone')
  const { told, abort } = fakeAbort()
  attempt.onConnect(abort)
  assert.equal(told, ['abort'])
})

test('an error that comes after the client has left is told to nobody', () => {
  const { relay, exchange, failures, attempt } = made()
  attempt.onConnect(fakeAbort().abort)
  relay.onClose()
  attempt.onError(new Error('aborted'))
  assert.is(exchange.end, 'client_gone')
  assert.equal(failures, [])
})

test('a failure before there was a connection is reported once', () => {
  const { failures, attempt } = made()
  const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
  attempt.onError(refused)
  attempt.onError(refused)
  assert.equal(failures, ['upstream_unreachable'])
})

test('an attempt that took too long is aborted, and the abort is not reported as a second failure', () => {
  const { relay, exchange, failures, attempt } = made()
  const { told, abort } = fakeAbort()
  attempt.onConnect(abort)
  exchange.attemptAt = 1
  relay.onTick(10_000_000)
  attempt.onError(new Error('aborted'))
  assert.equal(told, ['abort'])
  assert.equal(failures, ['upstream_timeout'])
})

test('a fault in what is made for the second target ends the request, and leaves nothing counted', () => {
  const all: Attempt[] = []
  const { failures, attempts, targets } = makeRelay(2, (attempt) => {
    all.push(attempt)
    if (all.length > 1) throw new TypeError('a fault')
  })
  assert.equal(attempts, [])
  all[0]?.onError(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }))
  assert.equal(failures, ['internal_error'])
  for (const { breaker } of targets) assert.is(breaker.inFlight, 0)
})

test.run()
