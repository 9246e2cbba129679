import { readFileSync } from 'node:fs'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { readLock } from '../../scripts/release/lock.js'
import { checkLock, OLDEST_NODE } from '../../scripts/release/lock-rules.js'
import { isInNodeRange } from '../../scripts/release/node-range.js'

const TEXT = readFileSync('package-lock.json', 'utf8')
const PACKAGE = JSON.parse(readFileSync('package.json', 'utf8')) as {
  dependencies: Record<string, string>
  engines: { node: string }
}
const UNDICI = PACKAGE.dependencies.undici ?? ''

type Entries = Record<string, Record<string, unknown>>

/** The problems of the lock file after a change. */
function problemsAfter(change: (packages: Entries) => void): string[] {
  const lock = JSON.parse(TEXT) as { packages: Entries }
  change(lock.packages)
  return checkLock(readLock(JSON.stringify(lock)), UNDICI)
}

/** Sets fields of one package. */
const setting =
  (path: string, fields: Record<string, unknown>) =>
  (packages: Entries): void => {
    const entry = packages[path]
    assert.ok(entry, path)
    Object.assign(entry, fields)
  }

test('the lock file has no install script, one undici, known licences, a hash for each package, and no address', () => {
  assert.equal(
    problemsAfter(() => {}),
    [],
  )
  assert.match(UNDICI, /^\d+\.\d+\.\d+$/, 'package.json names one version')
  assert.is(PACKAGE.engines.node, `>=${OLDEST_NODE}`)
})

test('what package.json needs at run time is there, and the packages that a release has are few', () => {
  const { production } = readLock(TEXT)
  for (const name of Object.keys(PACKAGE.dependencies))
    assert.ok(
      production.some((each) => each.path === `node_modules/${name}`),
      name,
    )
  assert.ok(production.length <= 40, `${production.length} packages`)
})

const UNDICI_PATH = 'node_modules/undici'

for (const [fault, change, problem] of [
  [
    'an install script',
    setting('node_modules/pino', { hasInstallScript: true }),
    /^node_modules\/pino: runs a program/,
  ],
  [
    'an install script of a tool',
    setting('node_modules/c8', { hasInstallScript: true }),
    /^node_modules\/c8: runs/,
  ],
  [
    'an address',
    setting('node_modules/zod', { resolved: 'https://packages.example/zod.tgz' }),
    /zod: has an address/,
  ],
  ['no hash', setting('node_modules/zod', { integrity: undefined }), /zod: has no SHA-512/],
  [
    'a weak hash',
    setting('node_modules/zod', { integrity: 'sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=' }),
    /no SHA-512/,
  ],
  ['half a hash', setting('node_modules/zod', { integrity: 'sha512-abc' }), /no SHA-512/],
  ['no licence', setting('node_modules/pino', { license: undefined }), /pino: has the licence ""/],
  [
    'a licence that is not known',
    setting('node_modules/pino', { license: 'GPL-3.0-only' }),
    /"GPL-3\.0-only"/,
  ],
  [
    'two licences at once, one of them unknown',
    setting('node_modules/pino', { license: '(MIT AND SSPL-1.0)' }),
    /SSPL/,
  ],
  ['a licence for tools alone', setting('node_modules/pino', { license: 'Unlicense' }), /"Unlicense"/],
  [
    'a tool with a licence that is not known',
    setting('node_modules/c8', { license: 'UNLICENSED' }),
    /c8: has the/,
  ],
  [
    'a package for newer Nodes',
    setting('node_modules/pino', { engines: { node: '>=22' } }),
    /pino: wants Node >=22/,
  ],
  [
    'a range that cannot be read',
    setting('node_modules/pino', { engines: { node: '18 - 20' } }),
    /wants Node 18 - 20/,
  ],
  [
    'another undici',
    setting(UNDICI_PATH, { version: '7.30.1' }),
    /^node_modules\/undici: is 7\.30\.1, and package/,
  ],
  [
    'a second undici',
    (packages: Entries) => {
      packages['node_modules/openai/node_modules/undici'] = { ...packages[UNDICI_PATH], dev: true }
    },
    /^undici: there are 2, and there must be one$/,
  ],
  [
    'no undici',
    (packages: Entries) => {
      delete packages[UNDICI_PATH]
    },
    /^undici: there are 0/,
  ],
] as const)
  test(`the check of the lock file finds ${fault}`, () => {
    const problems = problemsAfter(change)
    assert.is(problems.length, 1, problems.join('\n'))
    assert.match(problems[0] ?? '', problem)
  })

test('one of two licences is enough where a package gives the choice', () => {
  assert.equal(problemsAfter(setting('node_modules/pino', { license: '(GPL-2.0-only OR MIT)' })), [])
})

test('a lock file of another version, or with a link to a folder, is refused', () => {
  assert.throws(() => readLock(TEXT.replace('"lockfileVersion": 3', '"lockfileVersion": 2')), /must be 3/)
  assert.throws(
    () => problemsAfter(setting('node_modules/zod', { link: true })),
    /node_modules\/zod is a link to a folder/,
  )
})

for (const [range, isIn] of [
  ['*', true],
  ['', true],
  ['>=20.18.1', true],
  ['>=20.18.2', false],
  ['>=20', true],
  ['>20', false],
  ['>20.17', true],
  ['>= 10.x', true],
  ['20', true],
  ['20.x', true],
  ['20 || >=22', true],
  ['^16 || ^18 || >=20', true],
  ['^18 || ^22', false],
  ['^20.19.0', false],
  ['^20.9', true],
  ['~20.18', true],
  ['~20.17.0', false],
  ['~20', true],
  ['>=18 <20', false],
  ['>=18 <21', true],
  ['<=20.18', true],
  ['=20.18.1', true],
  ['v20.18.1', true],
  ['18 - 20', null],
  ['>=20.18.1-beta', null],
  ['new', null],
] as const)
  test(`Node 20.18.1 ${isIn === null ? 'cannot be compared with' : isIn ? 'is in' : 'is not in'} ${JSON.stringify(range)}`, () => {
    assert.is(isInNodeRange('20.18.1', range), isIn)
  })

test.run()
