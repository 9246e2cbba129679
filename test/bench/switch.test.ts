import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { JsonMeter } from '../../src/metering/json-meter.js'
import { StreamMeter } from '../../src/metering/stream-meter.js'
import { until } from '../support/until.js'

const EVENT = Buffer.from('data: {"choices":[{"index":0,"delta":{"content":"be"}}]}\n\n')

/** Events that both ways of looking at an answer have seen. */
function seen(): number[] {
  return [new StreamMeter(), new JsonMeter()].map((tap) => {
    tap.push(EVENT)
    tap.end()
    return tap.readStats().events
  })
}

test('metering is switched off and on again by turns, and is on afterwards', async () => {
  await import('../../bench/switch.js')
  assert.equal(seen(), [1, 1])
  process.emit('message', { alternate: true }, undefined)
  await until(() => seen()[0] === 0, 'a slice without metering')
  assert.equal(seen(), [0, 0])
  await until(() => seen()[0] === 1, 'a slice with it')
  await until(() => seen()[0] === 0, 'another one without it')
  process.emit('message', { alternate: false }, undefined)
  assert.equal(seen(), [1, 1])
})

test.run()
