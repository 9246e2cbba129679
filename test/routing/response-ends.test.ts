import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Exchange } from '../../src/exchange/exchange.js'
import type { End } from '../../src/exchange/outcome.js'
import type { RequestSummary } from '../../src/exchange/summary.js'
import { ResponseEnds } from '../../src/routing/response-ends.js'

/** What a target's health hears of a response that ended so. */
function heardOf(end: End, error: string | null): (string | null)[] {
  const heard: (string | null)[] = []
  const exchange = new Exchange({ rawHeaders: [] } as unknown as IncomingMessage, {} as ServerResponse, 0)
  exchange.setResponder(
    { settle: (ticket, _now, told) => heard.push(ticket === 7 ? told : 'another ticket') },
    7,
  )
  exchange.startResponse(200, null, 1)
  exchange.conclude(end)
  const summary = exchange.close(2) as RequestSummary
  Object.defineProperty(summary, 'stats', { value: { error } })
  new ResponseEnds().record(summary)
  return heard
}

test('health hears of errors of the target, and of responses that ended well', () => {
  for (const [end, error, heard] of [
    ['done', null, [null]],
    ['done', 'overloaded_error', ['overloaded_error']],
    ['done', 'invalid_request_error', [null]],
    ['done', 'rate_limit_error', [null]],
    ['client_gone', 'server_error', ['server_error']],
    ['client_gone', null, []],
    ['shutdown', null, []],
    ['upstream_cut', null, ['upstream_cut']],
    ['upstream_idle', null, ['upstream_idle']],
    ['upstream_cut', 'rate_limit_error', [null]],
    ['client_stalled', null, []],
    ['superseded', null, []],
  ] as const)
    assert.equal(heardOf(end, error), heard, `${end} ${error}`)
})

test('a response that is shared is told of once, by the exchange that pays for it', () => {
  const heard: number[] = []
  const make = (): Exchange =>
    new Exchange({ rawHeaders: [] } as unknown as IncomingMessage, {} as ServerResponse, 0)
  const [payer, heir] = [make(), make()]
  payer.setResponder({ settle: (ticket) => heard.push(ticket) }, 3)
  payer.moveBillingTo(heir)
  for (const exchange of [payer, heir]) {
    exchange.startResponse(200, null, 1)
    exchange.conclude('done')
    new ResponseEnds().record(exchange.close(2) as RequestSummary)
  }
  assert.equal(heard, [3])
})

test.run()
