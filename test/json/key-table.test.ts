import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { equalsString, KeyTable } from '../../src/json/key-table.js'

/** The value that a table has for the only key of a JSON object. */
function find(table: KeyTable<number>, object: string): number | null {
  const bytes = Buffer.from(object)
  return table.find(bytes, 2, bytes.indexOf('":'))?.value ?? null
}

const TABLE = new KeyTable({ model: 1, stream: 2, tools: 3, t: 4 })

test('a key is found by its bytes, and no other key is', () => {
  const found: Readonly<Record<string, number | null>> = {
    '{"model":0}': 1,
    '{"tools":0}': 3,
    '{"t":0}': 4,
    '{"":0}': null,
    '{"Model":0}': null,
    '{"mode":0}': null,
    '{"models":0}': null,
    '{"toString":0}': null,
    '{"modèl":0}': null,
  }
  for (const [object, value] of Object.entries(found)) assert.is(find(TABLE, object), value, object)
})

test('a key is found with any of its letters escaped', () => {
  assert.is(find(TABLE, '{"\\u006dodel":0}'), 1)
  assert.is(find(TABLE, '{"\\u0074":0}'), 4)
  assert.is(find(TABLE, '{"\\u0073\\u0074\\u0072\\u0065\\u0061\\u006d":0}'), 2)
  assert.is(find(TABLE, '{"\\u006dodels":0}'), null)
  assert.is(find(TABLE, '{"\\u00":0}'), null)
})

test('a table without keys finds none', () => {
  assert.is(find(new KeyTable<number>({}), '{"a":0}'), null)
  assert.is(find(new KeyTable<number>({}), '{"":0}'), null)
})

test('a string equals its text, with or without escapes', () => {
  const equals = (string: string, text: string): boolean => {
    const bytes = Buffer.from(string)
    return equalsString(bytes, 1, bytes.length - 1, text)
  }
  assert.ok(equals('"tool"', 'tool'))
  assert.ok(equals('"t\\u006f\\u006fl"', 'tool'))
  assert.ok(equals('""', ''))
  assert.not.ok(equals('"tools"', 'tool'))
  assert.not.ok(equals('"too"', 'tool'))
  assert.not.ok(equals('"to\\\\ol"', 'tool'))
})

test.run()
