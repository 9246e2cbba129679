import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Config, loadConfig } from '../../src/config/config.js'
import { createUpstreams } from '../../src/upstream/upstream.js'

function configOf(upstreams: Record<string, Record<string, unknown>>): Config {
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-'))
  try {
    writeFileSync(join(folder, 'thinwire.json'), JSON.stringify({ upstreams }))
    return loadConfig({ env: {}, cwd: folder })
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const A = { baseUrl: 'http://127.0.0.1:1/v1' }
const B = { baseUrl: 'http://127.0.0.1:2/v1' }

test('upstreams are made in the order of the config', () => {
  const made = createUpstreams(configOf({ b: B, a: A }))
  assert.equal(
    made.map(({ name, origin }) => [name, origin]),
    [
      ['b', 'http://127.0.0.1:2'],
      ['a', 'http://127.0.0.1:1'],
    ],
  )
})

test('after a reload an upstream with the same settings is the same object, and one with others is new', () => {
  const before = createUpstreams(configOf({ a: A, b: B }))
  const after = createUpstreams(configOf({ b: B, a: { ...A, headers: { x: '1' } }, c: A }), before)
  assert.is(after[0], before[1])
  assert.is.not(after[1], before[0])
  assert.equal(
    after.map(({ name }) => name),
    ['b', 'a', 'c'],
  )
})

test.run()
