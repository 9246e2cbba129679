import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { BoundedData } from '../../src/metering/bounded-data.js'
import { KEPT_END, LONGEST } from '../../src/metering/trailing-usage.js'

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

test('data that is too long, in one line or in many, keeps its end only', () => {
  const last = Buffer.from('the end')
  for (const size of [1_000, 100_000, LONGEST]) {
    const data = new BoundedData()
    for (let bytes = 0; bytes < LONGEST; bytes += size) data.add(Buffer.alloc(size, 'x'))
    assert.is(data.isTruncated, true)
    data.add(last)
    const kept = data.take()
    assert.ok(kept.length <= KEPT_END + 2_000, String(kept.length))
    assert.ok(kept.toString().endsWith(`\n${last}`))
    // The next event begins as if nothing had been.
    assert.is(data.isTruncated, false)
    data.add(Buffer.from('next'))
    assert.is(data.take().toString(), 'next')
  }
})

test('data of just less than the limit is kept whole', () => {
  const data = new BoundedData()
  data.add(Buffer.alloc(LONGEST - 1, 'x'))
  assert.is(data.isTruncated, false)
  assert.is(data.take().length, LONGEST - 1)
})

test.run()
