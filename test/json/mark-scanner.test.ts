import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { MarkScanner } from '../../src/json/mark-scanner.js'
import { ValueScanner } from '../../src/json/scanner.js'

function scan(scanner: MarkScanner, text: string): number {
  new ValueScanner().skipNested(Buffer.from(text), 1, scanner)
  return scanner.seen
}

test('each mark has the bit of its place in the list', () => {
  const marks = ['a', 'bb', 'cc', 'a longer mark with 29 letters'].map((text) => ({ text }))
  assert.is(scan(new MarkScanner(marks), '["a"]'), 1)
  assert.is(scan(new MarkScanner(marks), '{"cc":{"bb":"x"}}'), 6)
  assert.is(scan(new MarkScanner(marks), '["a longer mark with 29 letters"]'), 8)
  assert.is(scan(new MarkScanner(marks), '["a longer mark with 30 letters!","","bc"]'), 0)
})

test('marks of the same length and last letter are told apart', () => {
  const marks = [{ text: 'role' }, { text: 'mole' }]
  assert.is(scan(new MarkScanner(marks), '["mole"]'), 2)
  assert.is(scan(new MarkScanner(marks), '["hole"]'), 0)
})

test('a mark with a least length of the next string counts for the next string alone', () => {
  const marks = [{ text: 'id', aheadOf: 3 }]
  assert.is(scan(new MarkScanner(marks), '{"id":"1234"}'), 1)
  assert.is(scan(new MarkScanner(marks), '{"id":"123","x":"12345"}'), 0)
  assert.is(scan(new MarkScanner(marks), '{"id":7,"long key":1}'), 1)
})

test.run()
