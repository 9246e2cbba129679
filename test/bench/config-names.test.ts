import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { renameFor } from '../../bench/config-names.js'

const root = mkdtempSync(join(tmpdir(), 'thinwire-'))
test.after(() => rmSync(root, { recursive: true }))

const SETTINGS = {
  upstreams: { up: { apis: ['chat'] } },
  limits: { maxConcurrentRequests: 1, bodyBytes: 2 },
}

test('a checkout that knows the new names of settings gets these, and an older one gets the old names', () => {
  mkdirSync(join(root, 'dist'))
  writeFileSync(join(root, 'dist', 'config.schema.json'), '{"dialects":{},"maxConcurrentRequests":{}}')
  assert.equal(renameFor(root, SETTINGS), {
    upstreams: { up: { dialects: ['chat'] } },
    limits: { maxConcurrentRequests: 1, bodyBytes: 2 },
  })
  writeFileSync(join(root, 'dist', 'config.schema.json'), '{"dialects":{},"exchanges":{}}')
  assert.equal(renameFor(root, SETTINGS), {
    upstreams: { up: { dialects: ['chat'] } },
    limits: { exchanges: 1, bodyBytes: 2 },
  })
})

test('a checkout that has no grace after SIGTERM gets no setting for it', () => {
  const settings = { ...SETTINGS, timeouts: { readyGraceMs: 0 } }
  assert.is('timeouts' in renameFor(root, settings), false)
  assert.equal(renameFor(process.cwd(), settings), settings)
})

test('the config of this checkout stays as it is', () => {
  assert.equal(renameFor(process.cwd(), SETTINGS), SETTINGS)
})

test.run()
