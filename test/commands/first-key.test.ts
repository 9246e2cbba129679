import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { App } from '../../src/app/app.js'
import { issueFirstKey } from '../../src/commands/first-key.js'
import { configure, status } from '../support/start.js'
import { clear, KEY, open, type Place, run, started } from '../support/thinwire.js'

const test = suite<Place>('the first key')

test.before.each(open)
test.after.each(clear)

const HAS_CURL = spawnSync('curl', ['--version']).status === 0
if (!HAS_CURL) process.stderr.write('curl is not there: the command of the banner is not tested\n')
const withCurl = HAS_CURL ? test : test.skip
const IS_ROOT = process.getuid?.() === 0
if (IS_ROOT) process.stderr.write('root may write anywhere: a folder that refuses a key is not tested\n')
const unlessRoot = IS_ROOT ? test.skip : test

/** What `issueFirstKey` needs of an app without keys. */
const bare = (file: string): App =>
  ({ keyring: { size: 0 }, config: { keys: { file } }, reloadKeys: () => {} }) as unknown as App

test('outside of a terminal the first key is in no output, but in a file for its owner alone', async (place) => {
  const thinwire = await started(place)
  assert.not.match(thinwire.err, KEY)
  assert.not.match(thinwire.out, KEY)
  const file = join(place.folder, 'data', 'first-key')
  assert.is(statSync(file).mode & 0o777, 0o600)
  const text = readFileSync(file, 'utf8')
  assert.match(text, /^lc_dev_default_\S+\n$/)
  assert.is(await status(thinwire, text.trim()), 200)
  assert.match(thinwire.err, 'cat data/first-key')
  for (const line of thinwire.err.split('\n'))
    assert.ok(line.length <= 80 || line.includes(thinwire.url), `too wide: ${line}`)
  assert.equal(
    readdirSync(join(place.folder, 'data')).filter((name) => name.includes('first-key')),
    ['first-key'],
  )
})

withCurl('the curl command of the banner reads the key from the file, as a shell runs it', async (place) => {
  const thinwire = await started(place)
  const command = /^ +(curl -N .*?)\n\n/ms.exec(thinwire.err)?.[1] ?? ''
  const answer = execFileSync('sh', ['-c', command], { cwd: place.folder, encoding: 'utf8', stdio: 'pipe' })
  assert.match(answer, /data: \[DONE\]\n\n$/)
})

test('the file is named by the place of the key file, wherever that is', async (place) => {
  configure(place, { keys: { file: 'our keys/k.jsonl' } })
  const thinwire = await started(place)
  assert.match(thinwire.err, "cat 'our keys/first-key'")
  assert.match(readFileSync(join(place.folder, 'our keys', 'first-key'), 'utf8'), KEY)
})

test('--first-key show prints the key and writes no file', async (place) => {
  const thinwire = await started(place, ['--first-key', 'show'])
  assert.match(thinwire.err, KEY)
  assert.not(existsSync(join(place.folder, 'data', 'first-key')))
})

test('a second start leaves the file as it is', async (place) => {
  const first = await started(place)
  const { key } = first
  first.child.kill('SIGTERM')
  assert.is(await first.ended(), 0)
  const second = await started(place)
  assert.not.match(second.err, 'first-key')
  assert.is(await status(second, key), 200)
})

test('a file that was left by other keys, or a link in its place, is replaced and not followed', (place) => {
  const file = join(place.folder, 'first-key')
  const other = join(place.folder, 'other')
  writeFileSync(other, 'not to be touched')
  symlinkSync(other, file)
  writeFileSync(`${file}.${process.pid}`, 'left by a relay that was killed')
  const first = issueFirstKey(bare(join(place.folder, 'keys.jsonl')), 'file')
  assert.is(first?.file, file)
  assert.is(readFileSync(file, 'utf8'), `${first?.key}\n`)
  assert.is(statSync(file).mode & 0o777, 0o600)
  assert.is(readFileSync(other, 'utf8'), 'not to be touched')
  assert.not(existsSync(`${file}.${process.pid}`))
})

test('where the file cannot be written no key is issued, and the error says what to do', (place) => {
  const file = join(place.folder, 'first-key')
  mkdirSync(join(`${file}.${process.pid}`, 'taken'), { recursive: true })
  assert.throws(
    () => issueFirstKey(bare(join(place.folder, 'keys.jsonl')), 'file'),
    /^cannot write the first key to \S+first-key \(\w+\): make its folder writable, or issue a key by hand: npx /,
  )
  assert.not(existsSync(join(place.folder, 'keys.jsonl')))
})

test('a folder in the place of the file: no key is issued that nobody gets to know', (place) => {
  const file = join(place.folder, 'first-key')
  mkdirSync(file)
  const app = bare(join(place.folder, 'keys.jsonl'))
  assert.throws(
    () => issueFirstKey(app, 'file'),
    /^cannot write the first key to \S+first-key \(EISDIR\): remove the folder of that name, or issue a key by/,
  )
  assert.not(existsSync(join(place.folder, 'keys.jsonl')))
  rmdirSync(file)
  assert.match(issueFirstKey(app, 'file')?.key ?? '', KEY)
})

test('a key that the key file does not take is in no file', (place) => {
  const folder = join(place.folder, 'data')
  mkdirSync(join(folder, 'keys.jsonl'), { recursive: true })
  assert.throws(() => issueFirstKey(bare(join(folder, 'keys.jsonl')), 'file'), /name a file, not a folder/)
  assert.equal(readdirSync(folder), ['keys.jsonl'])
})

for (const way of ['file', 'show'] as const)
  test(`of two relays that start with one key file, one issues the first key (${way})`, (place) => {
    const file = join(place.folder, 'keys.jsonl')
    // Both have read the key file before either has issued a key.
    const both = [bare(file), bare(file)]
    const [first, second] = both.map((app) => issueFirstKey(app, way))
    assert.match(first?.key ?? '', KEY)
    assert.is(second, null)
    assert.is(readFileSync(file, 'utf8').trim().split('\n').length, 1)
    if (way === 'file') assert.is(readFileSync(join(place.folder, 'first-key'), 'utf8'), `${first?.key}\n`)
  })

unlessRoot('a start whose folder for the key cannot be written ends with a clear error', async (place) => {
  mkdirSync(join(place.folder, 'data'))
  chmodSync(join(place.folder, 'data'), 0o500)
  const { code, err } = await run(place, ['start', '--listen', '127.0.0.1:0'])
  assert.is(code, 1)
  assert.match(err, 'cannot write the first key')
})

test.run()
