import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SequenceCheck } from '../../../src/ledger/read/sequence-check.js'
import { fc } from '../../support/property.js'

const numbers = fc.uniqueArray(fc.integer({ min: 1, max: 40 }), { maxLength: 20 })

/** A check to which these numbers of one writer were added one by one. */
function checkOf(seqs: readonly number[]): SequenceCheck {
  const check = new SequenceCheck()
  for (const seq of seqs) check.add('w', seq)
  return check
}

test('ranges of one check are added to another one as their records are', () => {
  fc.assert(
    fc.property(numbers, numbers, (before, added) => {
      const check = checkOf(before)
      const [, ranges = []] = checkOf(added).ranges[0] ?? []
      assert.is(
        check.hasAny('w', ranges),
        added.some((seq) => before.includes(seq)),
      )
      if (check.hasAny('w', ranges)) return
      check.addRanges('w', ranges)
      assert.equal(check.ranges[0]?.[1] ?? [], checkOf([...before, ...added]).ranges[0]?.[1] ?? [])
      for (const seq of [...before, ...added]) assert.not.ok(check.add('w', seq))
    }),
  )
})

test('ranges of another writer are none of this one', () => {
  const check = checkOf([1, 2, 3])
  assert.not.ok(check.hasAny('v', [1, 3]))
  check.addRanges('v', [1, 3])
  assert.equal(check.ranges, [
    ['w', [1, 3]],
    ['v', [1, 3]],
  ])
})

test.run()
