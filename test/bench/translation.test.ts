import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { translationPairs } from '../../bench/micro/translation.js'

test('both ways of translating a stream write about as many bytes', () => {
  for (const { figure, ours, usual } of translationPairs()) {
    // The events of Responses are longer than chunks, those of Messages shorter; metering writes nothing.
    if (/^agent_|_(?:responses|messages)$/.test(figure.replace('translate_', ''))) continue
    const [one, other] = [Number(ours()), Number(usual.run())]
    assert.ok(one > 30_000 && Math.abs(one - other) < 0.2 * other, `${figure}: ${one} and ${other}`)
  }
})

test.run()
