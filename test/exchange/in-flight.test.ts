import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Exchange } from '../../src/exchange/exchange.js'
import { InFlight } from '../../src/exchange/in-flight.js'
import { fc } from '../support/property.js'

function makeExchange(): Exchange {
  return new Exchange({ rawHeaders: [] } as unknown as IncomingMessage, {} as ServerResponse, 0)
}

test('the list of exchanges in flight behaves like a set', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(9))), (steps) => {
      const all = Array.from({ length: 10 }, makeExchange)
      const inFlight = new InFlight()
      const model = new Set<Exchange>()
      for (const [adds, which] of steps) {
        const exchange = all[which] as Exchange
        if (adds && !model.has(exchange)) inFlight.add(exchange)
        else if (!adds) inFlight.delete(exchange)
        if (adds) model.add(exchange)
        else model.delete(exchange)
      }
      const found = new Set<Exchange>()
      inFlight.forEach((exchange) => void found.add(exchange))
      assert.is(inFlight.size, model.size)
      assert.equal(
        [...found].map((exchange) => exchange.request.id).sort(),
        [...model].map((exchange) => exchange.request.id).sort(),
      )
      for (const exchange of model)
        assert.is(
          inFlight.find((one) => one === exchange),
          exchange,
        )
    }),
  )
})

test('forEach visits each exchange once although it is removed during the visit', () => {
  const inFlight = new InFlight()
  for (let i = 0; i < 5; i++) inFlight.add(makeExchange())
  let visits = 0
  inFlight.forEach((exchange) => {
    visits++
    inFlight.delete(exchange)
  })
  assert.is(visits, 5)
  assert.is(inFlight.size, 0)
})

test.run()
