import { createRequire } from 'node:module'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { preload } from '../../src/lib/preload.js'

const canRequire = process.features.require_module === true

test('a module is loaded once, whoever loads it and in whichever way', async () => {
  preload('../../src/lib/text.js', import.meta.url)
  const imported = await import('../../src/lib/text.js')
  const loaded: Record<string, unknown> = canRequire
    ? createRequire(import.meta.url)('../../src/lib/text.js')
    : imported
  assert.ok(Object.keys(loaded).length > 0)
  assert.equal(Object.keys(loaded), Object.keys(imported))
  for (const [name, value] of Object.entries(imported)) assert.is(Reflect.get(loaded, name), value, name)
})

test('a module that is not there is an error that names it, from here or from the import that follows', async () => {
  const path = '../../src/lib/nothing.js'
  try {
    preload(path, import.meta.url)
    await import(path)
    assert.unreachable()
  } catch (error) {
    assert.match(String(error), 'nothing.js')
  }
})

test.run()
