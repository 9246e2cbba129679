import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { createCallIds, createChatCallIds } from '../../../src/translate/repair/call-ids.js'
import { fc } from '../../support/property.js'

const FORMS = { any: /^[A-Za-z0-9_-]{1,64}$/, nine: /^[A-Za-z0-9]{9}$/ } as const

test('an id that the target takes stays, and any other gets a valid one', () => {
  const rows: readonly (readonly [kind: 'any' | 'nine', id: string, stays: boolean])[] = [
    ['any', 'call_1', true],
    ['any', 'x'.repeat(64), true],
    ['any', 'x'.repeat(65), false],
    ['any', 'functions.read:0', false],
    ['any', '', false],
    ['any', 'call_1\n', false],
    ['nine', 'abcDEF123', true],
    ['nine', 'call_1', false],
    ['nine', 'abcDEF1234', false],
  ]
  for (const [kind, id, stays] of rows) {
    const made = createCallIds(kind).idFor(id)
    assert.is(made === id, stays, id)
    assert.match(made, FORMS[kind])
  }
})

test('a target of chat completions gets any id that is not too long as it is', () => {
  const rows: readonly (readonly [kind: 'any' | 'nine', id: string, stays: boolean])[] = [
    ['any', 'functions.read:0', true],
    ['any', 'a b\n', true],
    ['any', 'x'.repeat(40), true],
    ['any', 'x'.repeat(41), false],
    ['any', '', false],
    ['nine', 'abcDEF123', true],
    ['nine', 'functions.read:0', false],
  ]
  for (const [kind, id, stays] of rows) {
    const made = createChatCallIds(kind).idFor(id)
    assert.is(made === id, stays, id)
    assert.ok(stays || (FORMS[kind].test(made) && made.length <= 40), made)
  }
})

test('the same id gets the same one in all requests, and other ids get others', () => {
  fc.assert(
    fc.property(
      fc.constantFrom('any' as const, 'nine' as const),
      fc.uniqueArray(fc.string({ unit: 'binary' })),
      (kind, ids) => {
        const first = createCallIds(kind)
        const made = ids.map((id) => first.idFor(id))
        const second = createCallIds(kind)
        assert.equal(
          [...ids]
            .reverse()
            .map((id) => second.idFor(id))
            .reverse(),
          made,
        )
        assert.is(new Set(made).size, ids.length)
        for (const each of made) assert.match(each, FORMS[kind])
      },
    ),
  )
})

test.run()
