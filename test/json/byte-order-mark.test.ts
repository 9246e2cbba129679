import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { applyEdits, createModelEdits } from '../../src/json/edits.js'
import { findEvery, parseOutline } from '../../src/json/outline.js'
import { Peeker, peekFields } from '../../src/json/peek.js'
import { parseJson } from '../../src/json/values.js'

const MARK = '\ufeff'
const BODY = ' {"model":"alias","stream":true,"messages":[]}'

test('the fields of a body behind a byte order mark are found, wherever it is cut into chunks', () => {
  const bytes = Buffer.from(MARK + BODY)
  const plain = peekFields(Buffer.from(BODY))
  const wanted = peekFields(bytes)
  assert.is(wanted.model?.value, 'alias')
  assert.is(wanted.model?.start, (plain.model?.start ?? 0) + 3)
  assert.is(wanted.objectStart, (plain.objectStart ?? 0) + 3)
  for (let a = 0; a <= bytes.length; a++)
    for (const b of [a, a + 1, a + 2]) {
      const peeker = new Peeker()
      for (const chunk of [bytes.subarray(0, a), bytes.subarray(a, b), bytes.subarray(b)]) peeker.push(chunk)
      assert.equal(peeker.found, wanted, `${a} ${b}`)
    }
  const edits = createModelEdits(wanted, 'real')
  assert.is(Buffer.concat(applyEdits([bytes], edits)).toString(), (MARK + BODY).replace('alias', 'real'))
})

test('an outline and a parser see the same with a byte order mark as without', () => {
  const outline = parseOutline(Buffer.from(MARK + BODY), findEvery())
  assert.equal(
    outline?.members?.map(({ key }) => key),
    ['model', 'stream', 'messages'],
  )
  assert.equal(parseJson(MARK + BODY), JSON.parse(BODY))
})

test('a part of a mark, two of them, or one in another place is no JSON', () => {
  const mark = Buffer.from(MARK)
  for (const ahead of [
    mark.subarray(0, 1),
    mark.subarray(0, 2),
    mark.subarray(1),
    Buffer.concat([mark, mark]),
    Buffer.from(` ${MARK}`),
    Buffer.from([0xfe, 0xff]),
  ]) {
    const bytes = Buffer.concat([ahead, Buffer.from(BODY)])
    assert.is(peekFields(bytes).model, null)
    assert.is(parseOutline(bytes, findEvery()), null)
  }
})

test.run()
