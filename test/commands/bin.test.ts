import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const ROOT = new URL('../../../', import.meta.url)

test('the built command of the package can be run, as npx does', () => {
  const { bin, version } = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8'))
  const { status, stdout, error } = spawnSync(fileURLToPath(new URL(bin.thinwire, ROOT)), ['--version'], {
    encoding: 'utf8',
  })
  assert.is(error, undefined)
  assert.is(status, 0)
  assert.match(stdout, version)
})

test.run()
