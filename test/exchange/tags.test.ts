import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseTags } from '../../src/exchange/tags.js'
import { fc } from '../support/property.js'

const CASES: readonly (readonly [header: string, tags: string | null])[] = [
  ['project=a,ticket=b', 'project=a,ticket=b'],
  ['ticket=b, project=a', 'project=a,ticket=b'],
  ['Project=A', 'project=A'],
  ['ticket=ABC-1, ', 'ticket=ABC-1'],
  ['', ''],
  [' , ', ''],
  ['url=https://host:1/x+y@z', 'url=https://host:1/x+y@z'],
  ['a=1,b=2,c=3,d=4,e=5,f=6,g=7,h=8,i=9,j=10', 'a=1,b=2,c=3,d=4,e=5,f=6,g=7,h=8,i=9,j=10'],
  ['a=1,b=2,c=3,d=4,e=5,f=6,g=7,h=8,i=9,j=10,k=11', null],
  ['a=1,A=2', null],
  ['a', null],
  ['=a', null],
  ['a=', null],
  ['1a=b', null],
  ['a=b=c', null],
  ['a=b c', null],
  ['a="b"', null],
  ['a=ü', null],
  [`${'n'.repeat(32)}=${'v'.repeat(64)}`, `${'n'.repeat(32)}=${'v'.repeat(64)}`],
  [`${'n'.repeat(33)}=v`, null],
  [`n=${'v'.repeat(65)}`, null],
]

for (const [header, tags] of CASES)
  test(`the tags of ${JSON.stringify(header.slice(0, 50))} are ${tags === null ? 'refused' : 'taken'}`, () => {
    assert.is(parseTags(header), tags)
  })

test('any text gives tags that are sorted, bounded and parsed to themselves, or none', () => {
  const pair = fc.tuple(
    fc.stringMatching(/^[a-zA-Z][a-z0-9_.-]{0,4}$/),
    fc.stringMatching(/^[\w.:/@+-]{1,5}$/),
  )
  const listed = fc
    .array(pair, { maxLength: 12 })
    .map((pairs) => pairs.map((each) => each.join('=')).join(', '))
  fc.assert(
    fc.property(fc.oneof(listed, fc.string()), (header) => {
      const tags = parseTags(header)
      if (tags === null) return
      assert.is(parseTags(tags), tags)
      const names = tags === '' ? [] : tags.split(',').map((tag) => tag.split('=')[0])
      assert.equal(names, [...new Set(names)].sort())
      assert.ok(names.length <= 10)
    }),
  )
})

test.run()
