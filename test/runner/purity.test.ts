import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { isPure } from './purity.js'

const BARE = "import { test } from 'uvu'\nimport * as assert from 'uvu/assert'\n"

/** Whether a test with this text is pure. @param others the other files, by their paths */
function pure(text: string, others: Readonly<Record<string, string>> = {}): boolean {
  const files: Readonly<Record<string, string>> = { 'test/lib/a.test.js': BARE + text, ...others }
  return isPure('test/lib/a.test.js', (path) => files[path] ?? null)
}

test('a test of values is pure', () => {
  assert.ok(pure("test('1 + 1', () => assert.is(1 + 1, 2))\ntest.run()\n"))
  assert.ok(pure("import { createHash } from 'node:crypto'\nconst bytes = Buffer.from('node:http')\n"))
})

for (const name of ['node:http', 'node:net', 'node:child_process', 'node:fs', 'node:worker_threads', 'ws']) {
  test(`a test that imports ${name} is not pure, however it does so`, () => {
    assert.not(pure(`import { a } from '${name}'\n`))
    assert.not(pure(`import a from "${name}"\n`))
    assert.not(pure(`import {\n  a,\n  b,\n} from '${name}'\n`))
    assert.not(pure(`import '${name}'\n`))
    assert.not(pure(`export * from '${name}'\n`))
    assert.not(pure(`const a = await import('${name}')\n`))
  })
}

test('a package that is not known is not pure', () => {
  assert.not(pure("import { a } from 'node:something-new'\n"))
  assert.not(pure("import { a } from 'a-package'\n"))
})

test('what is imported counts as well, over any number of files and in any folder', () => {
  const text = "import { b } from '../support/b.js'\n"
  const b = "import { c } from '../../src/c.js'\nexport const b = c\n"
  assert.ok(pure(text, { 'test/support/b.js': b, 'src/c.js': 'export const c = 1\n' }))
  assert.not(pure(text, { 'test/support/b.js': b, 'src/c.js': "import { readFileSync } from 'node:fs'\n" }))
  assert.not(pure(text, { 'test/support/b.js': b, 'src/c.js': 'export const c = setTimeout(() => {}, 1)\n' }))
})

test('files that import each other are read once', () => {
  const b = "import './c.js'\n"
  assert.ok(pure("import './b.js'\n", { 'test/lib/b.js': b, 'test/lib/c.js': "import './b.js'\n" }))
})

test('a file that cannot be read is not pure', () => {
  assert.not(pure("import { b } from './b.js'\n"))
  assert.not(isPure('test/lib/a.test.js', () => null))
})

for (const [what, text] of [
  ['an import by a name that is not written out', 'await import(name)'],
  ['an import by a template string', 'await import(`./a.js`)'],
  ['require', "createRequire(import.meta.url)('x'); require('x')"],
  ['a timer', 'setInterval(() => {}, 1)'],
  ['a request', "await fetch('http://127.0.0.1')"],
  ['a signal', "process.kill(process.pid, 'SIGTERM')"],
  ['a listener of the process', "process.on('SIGTERM', stop)"],
  ['the environment', "process.env.TZ = 'UTC'"],
  ['a variable of the environment that is removed', 'delete process.env.TZ'],
  ['the end of the process', 'process.exit(1)'],
  ['a changed prototype', 'Array.prototype.at = () => 1'],
  ['a prototype by another name', 'Object.getPrototypeOf([]).at; Object.setPrototypeOf(a, {})'],
  ['a property of a global', "Object.defineProperty(Date, 'now', { value: () => 1 })"],
  ['a stopped clock', 'performance.now = () => 1'],
  ['a replaced function', 'Date.now = () => 1'],
  ['a replaced function of an object', 'process.stderr.write = () => true'],
  ['a counter that others see', 'Counter.made++'],
  ['globals by their object', "globalThis['x'] = 1"],
] as const) {
  test(`not pure: ${what}`, () => {
    assert.not(pure(`${text}\n`))
  })
}

test('what stands in a line of comment does not count', () => {
  assert.ok(pure("/**\n * Unlike setTimeout, or process.kill.\n */\n// import { a } from 'node:fs'\n"))
  assert.not(pure('const a = 1 // fine\nsetTimeout(() => {}, 1) // not so\n'))
})

test('a comparison changes nothing', () => {
  assert.ok(pure('assert.ok(Status.ok === 1 || Status.ok == 1 || Status.ok <= 2 || Status.ok != 3)\n'))
})

test.run()
