import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { ListFileError, removeLeftovers, replaceFile } from '../../src/direct/list-file.js'

const test = suite<{ folder: string }>('list file')

test.before.each((place) => {
  place.folder = mkdtempSync(join(tmpdir(), 'thinwire-list-'))
})

test.after.each((place) => rmSync(place.folder, { recursive: true, force: true }))

function codeOf(act: () => void): string | null {
  try {
    act()
  } catch (error) {
    if (error instanceof ListFileError) return error.code
    throw error
  }
  return null
}

test('a file is replaced as a whole, with the permissions that were asked for, and leaves nothing beside it', ({
  folder,
}) => {
  const file = join(folder, 'list.json')
  const before = process.umask(0o077)
  try {
    replaceFile(file, 'one', 0o640)
  } finally {
    process.umask(before)
  }
  assert.is(statSync(file).mode & 0o777, 0o640)
  const { ino } = statSync(file)
  replaceFile(file, 'two', 0o600)
  assert.is(readFileSync(file, 'utf8'), 'two')
  assert.is(statSync(file).mode & 0o777, 0o600)
  assert.is.not(statSync(file).ino, ino, 'whoever reads the old one reads it to its end')
  assert.equal(readdirSync(folder), ['list.json'])
})

test('what a killed command has left behind is no obstacle, and is removed later', ({ folder }) => {
  const file = join(folder, 'list.json')
  const [old, fresh] = [join(folder, '.list.json.0a.tmp'), join(folder, '.list.json.0b.tmp')]
  for (const each of [old, fresh, join(folder, '.other.json.0a.tmp')]) writeFileSync(each, 'half')
  utimesSync(old, 1, 1)
  removeLeftovers(file)
  replaceFile(file, 'whole', 0o600)
  assert.equal(readdirSync(folder).sort(), ['.list.json.0b.tmp', '.other.json.0a.tmp', 'list.json'])
  removeLeftovers(join(folder, 'gone', 'list.json'))
})

test('a link, a folder and a missing folder are refused, and nothing is changed', ({ folder }) => {
  const victim = join(folder, 'victim')
  writeFileSync(victim, 'mine')
  symlinkSync(victim, join(folder, 'link'))
  mkdirSync(join(folder, 'sub'))
  assert.is(
    codeOf(() => replaceFile(join(folder, 'link'), 'x', 0o600)),
    'ENOTFILE',
  )
  assert.is(readFileSync(victim, 'utf8'), 'mine')
  assert.is(
    codeOf(() => replaceFile(join(folder, 'sub'), 'x', 0o600)),
    'ENOTFILE',
  )
  assert.is(
    codeOf(() => replaceFile(join(folder, 'gone', 'list'), 'x', 0o600)),
    'ENOENT',
  )
  assert.is(
    codeOf(() => replaceFile(join(victim, 'list'), 'x', 0o600)),
    'ENOTDIR',
  )
  assert.equal(readdirSync(folder).sort(), ['link', 'sub', 'victim'])
})

test('a folder that cannot be written to keeps the list before', ({ folder }) => {
  // Root may write everywhere.
  if (process.getuid?.() === 0) return
  const file = join(folder, 'list.json')
  replaceFile(file, 'before', 0o600)
  chmodSync(folder, 0o500)
  try {
    assert.is(
      codeOf(() => replaceFile(file, 'after', 0o600)),
      'EACCES',
    )
    assert.is(readFileSync(file, 'utf8'), 'before')
  } finally {
    chmodSync(folder, 0o700)
  }
})

test.run()
