import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
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
  assert.is(statSync(TMPDIR).mode & 0o777, 0o755)
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

test('what a run that was killed has left behind is removed a day later, and nothing else', ({ folder }) => {
  for (const name of ['tw-abcdef', 'tw-AAAAAA', 'tw-other-', 'mine']) mkdirSync(join(folder, name))
  writeFileSync(join(folder, 'tw-abcdef', 'left'), '')
  const yesterday = Date.now() / 1_000 - 25 * 3_600
  for (const name of ['tw-abcdef', 'tw-other-', 'mine']) utimesSync(join(folder, name), yesterday, yesterday)
  openScratch({}, folder, 0)?.()
  assert.equal(readdirSync(folder).sort(), ['mine', 'tw-AAAAAA', 'tw-other-'])
})

test.run()
