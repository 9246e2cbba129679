import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadConfig } from '../../src/config/config.js'
import { Exchange } from '../../src/exchange.js'
import { Relay, type RelayOwner } from '../../src/relay/relay.js'

/** undici's abort, that remembers what it was told. */
function fakeAbort(): { told: string[]; abort: () => void } {
  const told: string[] = []
  return { told, abort: () => void told.push('abort') }
}

function makeRelay(): { relay: Relay; x: Exchange; failures: string[] } {
  const failures: string[] = []
  const owner: RelayOwner = { draining: false, onAttemptFailed: (_x, code) => failures.push(code) }
  const req = { method: 'GET', rawHeaders: [] } as unknown as IncomingMessage
  const res = { headersSent: false, req } as unknown as ServerResponse
  const x = new Exchange(req, res, 0)
  const { timeouts } = loadConfig({ env: {}, cwd: '/nonexistent' })
  return { relay: new Relay(x, owner, { timeouts, crossOrigin: false, usageUnasked: false }), x, failures }
}

test('a client that left while a connection was made has its request aborted before it is written', () => {
  const { relay, x } = makeRelay()
  relay.onClose()
  assert.is(x.end, 'client_gone')
  const { told, abort } = fakeAbort()
  relay.attempt.onConnect(abort)
  assert.equal(told, ['abort'])
})

test('an error that comes after the client has left is told to nobody', () => {
  const { relay, x, failures } = makeRelay()
  relay.attempt.onConnect(fakeAbort().abort)
  relay.onClose()
  relay.attempt.onError(new Error('aborted'))
  assert.is(x.end, 'client_gone')
  assert.equal(failures, [])
})

test('a failure before there was a connection is reported once', () => {
  const { relay, failures } = makeRelay()
  const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
  relay.attempt.onError(refused)
  relay.attempt.onError(refused)
  assert.equal(failures, ['upstream_unreachable'])
})

test('an attempt that took too long is aborted, and the abort is not reported as a second failure', () => {
  const { relay, x, failures } = makeRelay()
  const { told, abort } = fakeAbort()
  relay.attempt.onConnect(abort)
  x.attemptAt = 1
  relay.onTick(10_000_000)
  relay.attempt.onError(new Error('aborted'))
  assert.equal(told, ['abort'])
  assert.equal(failures, ['upstream_timeout'])
})

test.run()
