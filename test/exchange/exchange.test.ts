import type { IncomingMessage, ServerResponse } from 'node:http'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { Exchange } from '../../src/exchange/exchange.js'

function createExchange(): Exchange {
  const req = { method: 'POST', rawHeaders: [] } as unknown as IncomingMessage
  return new Exchange(req, { req } as unknown as ServerResponse, 0)
}

function drop(fields: readonly string[]): string | null {
  const exchange = createExchange()
  exchange.setDroppedFields(fields)
  return exchange.outcome.droppedFields
}

test('dropped fields are named once each, in a form that can stand in a header and a log', () => {
  assert.is(drop([]), null)
  assert.is(drop(['temperature', 'stop']), 'temperature, stop')
  assert.is(
    drop(['tools[web_search]', 'text.verbosity', 'top_k']),
    'tools[web_search], text.verbosity, top_k',
  )
  assert.is(drop(['a\r\nset-cookie: x', 'naïve', '', 'x'.repeat(65), 'ok']), 'other, ok')
  assert.is(drop(Array.from({ length: 1_000 }, (_, i) => `f${i}`))?.split(', ').length, 20)
})

test('another attempt replaces what the one before it has dropped', () => {
  const exchange = createExchange()
  exchange.setDroppedFields(['stop'])
  exchange.setDroppedFields([])
  assert.is(exchange.outcome.droppedFields, null)
})

test.run()
