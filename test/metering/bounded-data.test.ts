import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { BoundedData } from '../../src/metering/bounded-data.js'
import { LONGEST } from '../../src/metering/long-json.js'

test('data lines are joined with LF, and empty lines count', () => {
  for (const lines of [['a'], ['a', 'b'], ['', 'a', ''], ['']]) {
    const data = new BoundedData()
    assert.is(data.isEmpty, true)
    for (const line of lines) data.add(Buffer.from(line))
    assert.is(data.isEmpty, false)
    assert.is(data.take().toString(), lines.join('\n'))
    assert.is(data.isEmpty, true)
  }
})

test('after detach, the bytes that were added may change', () => {
  const data = new BoundedData()
  for (const line of ['a', 'b']) {
    const chunk = Buffer.from(line)
    data.add(chunk)
    data.detach()
    chunk.fill(0)
  }
  assert.is(data.take().toString(), 'a\nb')
})

test('of data that is too long, in one line or in many, the facts are kept', () => {
  for (const size of [1_000, 100_000, LONGEST]) {
    const data = new BoundedData()
    data.add(Buffer.from('{"text":"'))
    for (let bytes = 0; bytes < LONGEST; bytes += size) data.add(Buffer.alloc(size, 'x'))
    data.add(Buffer.from('","usage":{"prompt_tokens":7}}'))
    assert.equal(data.takeFacts()?.root, { usage: { prompt_tokens: 7 } })
    // The next event begins as if nothing had been.
    assert.is(data.isEmpty, true)
    assert.is(data.takeFacts(), null)
    data.add(Buffer.from('next'))
    assert.is(data.take().toString(), 'next')
  }
})

test('data of just less than the limit is kept whole', () => {
  const data = new BoundedData()
  data.add(Buffer.alloc(LONGEST - 1, 'x'))
  assert.is(data.takeFacts(), null)
  assert.is(data.take().length, LONGEST - 1)
})

test.run()
