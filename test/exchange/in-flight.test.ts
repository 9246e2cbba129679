import type { IncomingMessage, ServerResponse } from 'node:http'
import fc from 'fast-check'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Exchange } from '../../src/exchange/exchange.js'
import { LiveExchanges } from '../../src/exchange/in-flight.js'

function makeExchange(): Exchange {
  return new Exchange({ rawHeaders: [] } as unknown as IncomingMessage, {} as ServerResponse, 0)
}

test('it holds what a set would, whatever comes and goes in whatever order', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.boolean(), fc.nat(9))), (steps) => {
      const all = Array.from({ length: 10 }, makeExchange)
      const live = new LiveExchanges()
      const model = new Set<Exchange>()
      for (const [adds, which] of steps) {
        const x = all[which] as Exchange
        if (adds && !model.has(x)) live.add(x)
        else if (!adds) live.delete(x)
        if (adds) model.add(x)
        else model.delete(x)
      }
      const found = new Set<Exchange>()
      live.forEach((x) => void found.add(x))
      assert.is(live.size, model.size)
      assert.equal([...found].map((x) => x.id).sort(), [...model].map((x) => x.id).sort())
      for (const x of model)
        assert.is(
          live.find((one) => one === x),
          x,
        )
    }),
  )
})

test('each one is visited once while all of them are removed', () => {
  const live = new LiveExchanges()
  for (let i = 0; i < 5; i++) live.add(makeExchange())
  let visits = 0
  live.forEach((x) => {
    visits++
    live.delete(x)
  })
  assert.is(visits, 5)
  assert.is(live.size, 0)
})

test.run()
