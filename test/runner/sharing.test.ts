import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { mayShare } from './sharing.js'

const BARE = "import { test } from 'uvu'\nimport * as assert from 'uvu/assert'\n"

/** Whether a test with this text may share a process. @param others the other files, by their paths */
function shares(text: string, others: Readonly<Record<string, string>> = {}): boolean {
  const files: Readonly<Record<string, string>> = { 'test/lib/a.test.js': BARE + text, ...others }
  return mayShare('test/lib/a.test.js', (path) => files[path] ?? null)
}

for (const [what, text] of [
  ['tests values', "test('1 + 1', () => assert.is(1 + 1, 2))\ntest.run()"],
  ['opens sockets and files', "import net from 'node:net'\nimport { readFileSync } from 'node:fs'"],
  ['waits', "setTimeout(() => {}, 1)\nsetInterval(() => {}, 1)\nimport { wait } from 'node:timers/promises'"],
  ['asks a server', "await fetch('http://127.0.0.1:1')"],
  ['uses a package', "import OpenAI from 'openai'"],
  ['reads the environment', "if (process.env.THINWIRE_TEST_TLS === '1' || process.env['A'] == null) run()"],
  ['cleans up at the end of the process', "process.on('exit', () => rmSync(folder))"],
  ['stops a clock', 'performance.now = () => 1; Date.now = now'],
  ['has code as a string', "const bytes = Buffer.from('node:child_process')"],
  ['speaks of it in lines of comment', "/**\n * Unlike process.kill.\n */\n// import { a } from 'node:v8'"],
  ['compares prototypes', 'assert.is(Object.getPrototypeOf(a), Error.prototype)'],
  ['changes an object of its own', "Object.defineProperty(record, '__proto__', { value: 1 })"],
  ['has globals in words', "assert.is(location, 'global')\nassert.match(text, 'eval')"],
] as const) {
  test(`a file that ${what} may share a process`, () => {
    assert.ok(shares(`${text}\n`))
  })
}

for (const name of [
  'child_process',
  'worker_threads',
  'cluster',
  'v8',
  'vm',
  'inspector',
  'inspector/promises',
]) {
  test(`a file that imports node:${name} is alone, however it does so`, () => {
    assert.not(shares(`import { a } from 'node:${name}'\n`))
    assert.not(shares(`import a from "node:${name}"\n`))
    assert.not(shares(`import {\n  a,\n  b,\n} from 'node:${name}'\n`))
    assert.not(shares(`import 'node:${name}'\n`))
    assert.not(shares(`export * from 'node:${name}'\n`))
    assert.not(shares(`const a = await import('node:${name}')\n`))
  })
}

for (const [what, text] of [
  ['an import by a name that is not written out', 'await import(name)'],
  ['an import by a template string', 'await import(`./a.js`)'],
  ['require', "createRequire(import.meta.url)('x'); require('x')"],
  ['a signal', "process.kill(process.pid, 'SIGTERM')"],
  ['a listener of the process', "process.on('SIGTERM', stop)"],
  ['one that listens once', "process.once('warning', note)"],
  ['the environment', "process.env.TZ = 'UTC'"],
  ['the environment by a name in brackets', "process.env['TZ'] = 'UTC'"],
  ['a variable of the environment that is removed', 'delete process.env.TZ'],
  ['the end of the process', 'process.exit(1)'],
  ['its exit code', 'process.exitCode = 1'],
  ['its folder', "process.chdir('/')"],
  ['its mask', 'process.umask(0o077)'],
  ['its memory', 'process.memoryUsage().heapUsed'],
  ['its processor time', 'process.cpuUsage()'],
  ['its open handles', 'process.getActiveResourcesInfo()'],
  ['its files', "readdirSync('/proc/self/fd')"],
  ['the garbage collector', 'new WeakRef(a)'],
  ['a changed prototype', 'Array.prototype.at = () => 1'],
  ['a property of a global', "Object.defineProperty(Date, 'now', { value: () => 1 })"],
  ['globals by their object', "globalThis['x'] = 1"],
] as const) {
  test(`alone: ${what}`, () => {
    assert.not(shares(`${text}\n`))
    assert.not(shares("import { b } from './b.js'\n", { 'test/lib/b.js': text }))
  })
}

test('what is imported counts as well, over any number of files and in any folder of tests, benches and scripts', () => {
  const text = "import { b } from '../support/b.js'\n"
  const b = "import { c } from '../../bench/c.js'\nexport const b = c\n"
  assert.ok(shares(text, { 'test/support/b.js': b, 'bench/c.js': 'export const c = 1\n' }))
  assert.not(
    shares(text, { 'test/support/b.js': b, 'bench/c.js': "import { spawn } from 'node:child_process'\n" }),
  )
})

test("the relay's own code does not count: it does nothing before it is told to", () => {
  assert.ok(shares("import { c } from '../../src/c.js'\n"))
})

test('a test of the doctor, which judges when bytes arrive, is alone', () => {
  assert.not(shares("import { runDoctor } from '../../src/doctor/doctor.js'\n"))
})

test('files that import each other are read once', () => {
  const b = "import './c.js'\n"
  assert.ok(shares("import './b.js'\n", { 'test/lib/b.js': b, 'test/lib/c.js': "import './b.js'\n" }))
})

test('a file that cannot be read is alone', () => {
  assert.not(shares("import { b } from './b.js'\n"))
  assert.not(mayShare('test/lib/a.test.js', () => null))
})

test.run()
