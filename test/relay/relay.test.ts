import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Dispatcher } from 'undici'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadConfig } from '../../src/config/config.js'
import { Exchange } from '../../src/exchange.js'
import { Relay, type RelayOwner } from '../../src/relay/relay.js'

/** A controller that remembers what it was told. */
function fakeController(): { told: string[]; controller: Dispatcher.DispatchController } {
  const told: string[] = []
  const controller = {
    abort: () => told.push('abort'),
    pause: () => told.push('pause'),
    resume: () => told.push('resume'),
    rawHeaders: [],
  }
  return { told, controller: controller as unknown as Dispatcher.DispatchController }
}

function makeRelay(): { relay: Relay; x: Exchange; failures: string[] } {
  const failures: string[] = []
  const owner: RelayOwner = { draining: false, onAttemptFailed: (_x, code) => failures.push(code) }
  const req = { method: 'GET', rawHeaders: [] } as unknown as IncomingMessage
  const res = { headersSent: false, req } as unknown as ServerResponse
  const x = new Exchange(req, res, 0)
  const { timeouts } = loadConfig({ env: {}, cwd: '/nonexistent' })
  return { relay: new Relay(x, owner, { timeouts, crossOrigin: false }), x, failures }
}

test('a client that left while a connection was made has its request aborted before it is written', () => {
  const { relay, x } = makeRelay()
  relay.onClose()
  assert.is(x.end, 'client_gone')
  const { told, controller } = fakeController()
  relay.onRequestStart(controller)
  assert.equal(told, ['abort'])
})

test('an error that comes after the client has left is told to nobody', () => {
  const { relay, x, failures } = makeRelay()
  relay.onRequestStart(fakeController().controller)
  relay.onClose()
  relay.onResponseError(undefined, new Error('aborted'))
  assert.is(x.end, 'client_gone')
  assert.equal(failures, [])
})

test('a failure before there was a connection has no controller, and is reported once', () => {
  const { relay, failures } = makeRelay()
  const refused = Object.assign(new Error('connect'), { code: 'ECONNREFUSED' })
  relay.onResponseError(undefined, refused)
  relay.onResponseError(undefined, refused)
  assert.equal(failures, ['upstream_unreachable'])
})

test('an attempt that took too long is aborted, and the abort is not reported as a second failure', () => {
  const { relay, x, failures } = makeRelay()
  const { told, controller } = fakeController()
  relay.onRequestStart(controller)
  x.attemptAt = 1
  relay.onTick(10_000_000)
  relay.onResponseError(controller, new Error('aborted'))
  assert.equal(told, ['abort'])
  assert.equal(failures, ['upstream_timeout'])
})

test.run()
