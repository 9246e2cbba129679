import { spawnSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { randomBytes } from './random.js'

const MODULE = new URL('./random.js', import.meta.url).href

/** What a process prints that takes random numbers and ends so. */
function printed(exitCode: number, env: Record<string, string>): string {
  const script = `import(${JSON.stringify(MODULE)}).then(() => { process.exitCode = ${exitCode} })`
  return spawnSync(process.execPath, ['-e', script], { env, encoding: 'utf8' }).stderr
}

test('the seed is printed where a test fails, and can be set', () => {
  assert.match(printed(1, {}), /TEST_SEED=1\n/)
  assert.match(printed(1, { TEST_SEED: '7' }), /TEST_SEED=7\n/)
  assert.is(printed(0, {}), '')
})

test('random bytes are the same in each run, and as many as were asked for', () => {
  assert.is(randomBytes(5).length, 5)
  assert.equal(randomBytes(9), randomBytes(9))
})

test('no test takes random numbers that cannot be had again', () => {
  const folder = fileURLToPath(new URL('../../../test/', import.meta.url))
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  )
  assert.ok(files.length > 100)
  const unseeded = /Math\.random\(|^import .* from 'fast-check'|^import .*random.* from 'node:crypto'/m
  const found = files.filter((file) => unseeded.test(readFileSync(folder + file, 'utf8')))
  assert.equal(found, ['support/property.ts'])
})

test.run()
