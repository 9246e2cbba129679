import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadConfig } from '../../src/config/config.js'
import { resolveUpstreamTimeouts } from '../../src/config/upstreams.js'
import { Exchange } from '../../src/exchange/exchange.js'
import type { Attempt } from '../../src/relay/attempt.js'
import { ByteBudget } from '../../src/relay/byte-budget.js'
import type { FailoverOptions } from '../../src/relay/failover-options.js'
import { ResponsePipeline } from '../../src/relay/response-pipeline.js'
import type { ResponseSink } from '../../src/relay/response-sink.js'
import { BREAKER_DEFAULTS, CircuitBreaker } from '../../src/routing/circuit-breaker.js'
import { CredentialHealth } from '../../src/routing/credential-health.js'
import { MissingModels } from '../../src/routing/missing-models.js'
import type { Target } from '../../src/routing/route.js'
import type { Upstream } from '../../src/upstream/upstream.js'

/** An abort function like undici's that records its calls. */
function fakeAbort(): { aborts: string[]; abort: () => void } {
  const aborts: string[] = []
  return { aborts, abort: () => void aborts.push('abort') }
}

interface Made {
  pipeline: ResponsePipeline
  exchange: Exchange
  /** The calls of the sink, in order. */
  calls: string[]
  /** undici's handler of each attempt. */
  attempts: Attempt[]
  targets: Target<Upstream>[]
}

/** A sink that records its calls. */
function recordCalls(calls: string[]): ResponseSink {
  return {
    keepsResponse: false,
    hasClients: true,
    isBlocked: false,
    begin: ({ status }) => void calls.push(`begin ${status}`),
    flushHead() {},
    passChunks() {},
    resumeChunks() {},
    countChunk() {},
    write: (chunk) => calls.push(`write ${chunk}`) > 0,
    end: () => void calls.push('end'),
    refuseTooLong: () => void calls.push('too long'),
    cut: (end) => void calls.push(`cut ${end}`),
    fail: (code) => void calls.push(`fail ${code}`),
    drop: () => void calls.push('drop'),
  }
}

/**
 * Starts a pipeline whose upstreams never respond by themselves.
 * @param send gets each attempt instead of undici
 */
function startPipeline(upstreams = 1, send: ((attempt: Attempt) => void) | null = null): Made {
  const calls: string[] = []
  const attempts: Attempt[] = []
  const req = { method: 'GET', rawHeaders: [] } as unknown as IncomingMessage
  const res = { headersSent: false, req } as unknown as ServerResponse
  const exchange = new Exchange(req, res, 0)
  const { timeouts } = loadConfig({ env: {}, cwd: '/nonexistent' })
  const targets = Array.from({ length: upstreams }, (_, i) => ({
    name: `up${i}`,
    place: `up${i}`,
    key: 0,
    keyName: null,
    upstream: { name: `up${i}`, timeouts: resolveUpstreamTimeouts(timeouts) } as Upstream,
    model: null,
    weight: 1,
    breaker: new CircuitBreaker(BREAKER_DEFAULTS, () => {}),
    credential: new CredentialHealth({ credential: 1, quota: 1 }, () => {}),
    missing: new MissingModels(() => {}),
  }))
  const options: FailoverOptions = {
    targets,
    order: targets.map((_, i) => i),
    failover: true,
    firstTokenMs: null,
    heldMs: 1_000,
    onHeld() {},
    hedge: null,
    ownsCredential: true,
    budget: new ByteBudget(1_000_000),
    correct: null,
    send: (_, attempt) => void (send === null ? attempts.push(attempt) : send(attempt)),
  }
  const pipeline = new ResponsePipeline(exchange, () => recordCalls(calls), options, 1_000)
  pipeline.start()
  return { pipeline, exchange, calls, attempts, targets }
}

/** Starts a pipeline. @returns it with its first attempt */
function startFirst(upstreams = 1): Made & { attempt: Attempt } {
  const all = startPipeline(upstreams)
  return { ...all, attempt: all.attempts[0] as Attempt }
}

test('the request of a client that leaves during the connect is aborted before it is written', () => {
  const { pipeline, attempt } = startFirst()
  pipeline.onClientGone()
  const { aborts, abort } = fakeAbort()
  attempt.onConnect(abort)
  assert.equal(aborts, ['abort'])
})

test('an error after the client has left is not reported', () => {
  const { pipeline, calls, attempt } = startFirst()
  attempt.onConnect(fakeAbort().abort)
  pipeline.onClientGone()
  attempt.onError(new Error('aborted'))
  assert.equal(calls, ['drop'])
})

test('a failed connect is reported once', () => {
  const { calls, attempt } = startFirst()
  const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
  attempt.onError(refused)
  attempt.onError(refused)
  assert.equal(calls, ['fail upstream_unreachable'])
})

test('an attempt that took too long is aborted, and the abort is not reported as a second failure', () => {
  const { pipeline, exchange, calls, attempt } = startFirst()
  const { aborts, abort } = fakeAbort()
  attempt.onConnect(abort)
  exchange.startAttempts(1)
  pipeline.onTick(10_000_000)
  attempt.onError(new Error('aborted'))
  assert.equal(aborts, ['abort'])
  assert.equal(calls, ['fail upstream_timeout'])
})

test('an exception in the second attempt ends the request and leaves no attempt in flight', () => {
  const all: Attempt[] = []
  const { calls, attempts, targets } = startPipeline(2, (attempt) => {
    all.push(attempt)
    if (all.length > 1) throw new TypeError('a fault')
  })
  assert.equal(attempts, [])
  all[0]?.onError(Object.assign(new Error('connect'), { code: 'ECONNREFUSED' }))
  assert.equal(calls, ['fail internal_error'])
  for (const { breaker } of targets) assert.is(breaker.inFlight, 0)
})

test.run()
