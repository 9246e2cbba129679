import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Batch, findLineStart } from '../../../src/ledger/write/batch.js'

test('a partly written batch continues with the incomplete line and repeats no other', () => {
  const bytes = Buffer.from('one\ntwo\n')
  const starts = Array.from({ length: bytes.length + 1 }, (_, written) => {
    const batch: Batch = { day: '2026-01-01', bytes, records: 2, firstSeq: 1, written }
    return findLineStart(batch)
  })
  //                     o  n  e  LF t  w  o  LF
  assert.equal(starts, [0, 0, 0, 0, 4, 4, 4, 4, 8])
})

test.run()
