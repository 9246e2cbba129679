import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { openScratch } from './scratch.js'

const test = suite<{ folder: string }>('scratch')
test.before.each((context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'thinwire-scratch-'))
})
test.after.each(({ folder }) => rmSync(folder, { recursive: true }))

test('tests have a folder of their own, which is gone with all that is in it', ({ folder }) => {
  const env: NodeJS.ProcessEnv = {}
  const close = openScratch(env, folder, 0)
  const { TMPDIR = '' } = env
  assert.equal(readdirSync(folder), [TMPDIR.slice(folder.length + 1)])
  writeFileSync(join(TMPDIR, 'left'), '')
  close?.()
  assert.not(existsSync(TMPDIR))
  assert.equal(env, {})
})

test('a folder that somebody has named is kept; so is the usual one where there is no room, or no memory', ({
  folder,
}) => {
  const env = { TMPDIR: folder }
  assert.is(openScratch(env, folder, 0), null)
  assert.equal(env, { TMPDIR: folder })
  assert.is(openScratch({}, folder, Number.POSITIVE_INFINITY), null)
  assert.is(openScratch({}, join(folder, 'nothing'), 0), null)
  assert.equal(readdirSync(folder), [])
})

test.run()
