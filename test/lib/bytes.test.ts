import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { joinChunks } from '../../src/lib/bytes.js'

test('chunks are joined in their order, and a single chunk is not copied', () => {
  const [a, b] = [Buffer.from('a'), Buffer.from('b')]
  assert.is(joinChunks([a, b]).toString(), 'ab')
  assert.is(joinChunks([a]), a)
  assert.is(joinChunks([]).length, 0)
})

test.run()
