import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadModule } from '../../src/lib/load-module.js'

const PATH = '../../src/lib/text.js'

test('a module is loaded once, whoever loads it and in whichever way', async () => {
  const loaded = await loadModule(PATH, import.meta.url, () => import('../../src/lib/text.js'))
  const imported = await import('../../src/lib/text.js')
  assert.ok(Object.keys(loaded).length > 0)
  assert.equal(Object.keys(loaded), Object.keys(imported))
  for (const [name, value] of Object.entries(imported)) assert.is(Reflect.get(loaded, name), value, name)
})

test('a module that is not there is an error that names it', async () => {
  try {
    const path = '../../src/lib/nothing.js'
    await loadModule(path, import.meta.url, () => Promise.reject(new Error(path)))
    assert.unreachable()
  } catch (error) {
    assert.match(String(error), 'nothing.js')
  }
})

test.run()
