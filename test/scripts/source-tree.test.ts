import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { checkSourceTree, type TreeReport, type TreeRules } from '../../scripts/source-tree.js'

const RULES: TreeRules = {
  layers: [['low'], ['left', 'right', 'third'], ['high'], ['main.ts']],
  allowedImports: [],
  allowedReadmes: [],
  allowedComments: [],
  allowedFiles: [],
}

const README = 'one\ntwo\nthree\nfour\nfive\n'

/** Checks a tree with these files, in which each folder has a README.md unless it is given. */
function check(files: Record<string, string>, rules: Partial<TreeRules> = {}): TreeReport {
  const src = mkdtempSync(join(tmpdir(), 'thinwire-tree-'))
  const readmes = Object.keys(files).filter((path) => path.includes('/'))
  const all = {
    ...Object.fromEntries(readmes.map((path) => [`${path.split('/')[0]}/README.md`, README])),
    ...files,
  }
  try {
    for (const [path, text] of Object.entries(all)) {
      mkdirSync(dirname(join(src, path)), { recursive: true })
      writeFileSync(join(src, path), text)
    }
    return checkSourceTree(src, { ...RULES, ...rules })
  } finally {
    rmSync(src, { recursive: true, force: true })
  }
}

/** What is wrong with a tree of these files. */
const problemsOf = (files: Record<string, string>, rules: Partial<TreeRules> = {}): readonly string[] =>
  check(files, rules).problems

test('imports to lower layers, and to one folder of the same layer, are no problem', () => {
  const report = check({
    'main.ts': "import { a } from './high/a.js'\n",
    'high/a.ts': "import { b } from '../left/deep/b.js'\nimport { c } from '../low/c.js'\n",
    'left/deep/b.ts': "import { d } from '../../right/d.js'\nimport { e } from './e.js'\n",
    'left/deep/e.ts': 'export const e = 1\n',
    'right/d.ts': "import { c } from '../low/c.js'\nimport { test } from 'node:test'\n",
    'low/c.ts': 'export const c = 1\n',
  })
  assert.equal(report, { problems: [], allowed: [], warnings: [] })
})

test('an import from a higher layer is reported with its place and a way out', () => {
  const [problem = '', ...rest] = problemsOf({
    'low/a.ts': "import { x } from './x.js'\nimport { b } from '../high/b.js'\n",
    'low/x.ts': 'export const x = 1\n',
    'high/b.ts': 'export const b = 1\n',
  })
  assert.match(problem, /^src\/low\/a\.ts:2 imports src\/high\/b\.ts: high is in a layer above low\. Move /)
  assert.equal(rest, [])
})

for (const [form, text] of [
  ['a type', "import type { B } from '../high/b.js'\n"],
  ['a re-export', "export { B } from '../high/b.js'\n"],
  ['an import over several lines', "import {\n  type A,\n  type B,\n} from '../high/b.js'\n"],
  ['an import for its effects', "import '../high/b.js'\n"],
  ['a dynamic import', "const b = await import('../high/b.js')\n"],
  ['a file that stands in src', "import { b } from '../main.js'\n"],
] as const) {
  test(`${form} from a higher layer is reported`, () => {
    assert.is(problemsOf({ 'low/a.ts': text, 'high/b.ts': '', 'main.ts': '' }).length, 1)
  })
}

test('a cycle of folders in one layer is reported with an import for each step', () => {
  const problems = problemsOf({
    'left/a.ts': "import { b } from '../right/b.js'\n",
    'right/b.ts': "import type { C } from '../third/c.js'\n",
    'third/c.ts': "import { d } from '../left/d.js'\n",
    'left/d.ts': 'export const d = 1\n',
  })
  assert.equal(problems, [
    'folders import each other, left -> right -> third -> left. Remove one of these: ' +
      'src/left/a.ts:1 imports src/right/b.ts; src/right/b.ts:1 imports src/third/c.ts; ' +
      'src/third/c.ts:1 imports src/left/d.ts',
  ])
})

test('a folder that is in no layer is reported', () => {
  assert.equal(problemsOf({ 'other/a.ts': '' }), [
    'src/other is in no layer: add it to LAYERS in scripts/layers.ts',
  ])
})

test('an import from outside of src is reported', () => {
  const problems = problemsOf({ 'low/a.ts': "import { x } from '../../test/x.js'\n" })
  assert.equal(problems, ['src/low/a.ts:1 imports test/x.ts: src imports nothing from outside of src'])
})

test('an allowed import is no problem, whether it goes up or closes a cycle', () => {
  const report = check(
    {
      'low/a.ts': "import { b } from '../high/b.js'\n",
      'high/b.ts': '',
      'left/c.ts': "import { d } from '../right/d.js'\n",
      'right/d.ts': "import { c } from '../left/c.js'\n",
    },
    { allowedImports: ['low/a.ts -> high/b.ts', 'right/d.ts -> left/c.ts'] },
  )
  assert.equal(report, {
    problems: [],
    allowed: ['src/low/a.ts:1 imports src/high/b.ts', 'src/right/d.ts:1 imports src/left/c.ts'],
    warnings: [],
  })
})

test('an allowed import that is gone has to leave the list', () => {
  assert.equal(problemsOf({ 'low/a.ts': '' }, { allowedImports: ['low/a.ts -> high/b.ts'] }), [
    '"low/a.ts -> high/b.ts" is gone: remove it from ALLOWED_IMPORTS in scripts/layers.ts',
  ])
})

test('each folder needs a README.md of 5 to 40 lines', () => {
  const problems = problemsOf({
    'low/README.md': 'short\n',
    'left/README.md': 'long\n'.repeat(41),
    'right/README.md': 'right\n'.repeat(40),
    'high/deep/a.ts': '',
    'third/b.txt': '',
  })
  assert.equal([...problems].sort(), [
    'src/left/README.md has 41 lines: it should have 5 to 40',
    'src/low/README.md has 1 lines: it should have 5 to 40',
  ])
})

test('a folder without a README.md is reported, unless it is allowed for now', () => {
  const src = mkdtempSync(join(tmpdir(), 'thinwire-tree-'))
  try {
    mkdirSync(join(src, 'low'))
    const missing = 'src/low has no README.md: say what the folder is for, in 5 to 40 lines'
    assert.equal(checkSourceTree(src, RULES), { problems: [missing], allowed: [], warnings: [] })
    const allowed = checkSourceTree(src, { ...RULES, allowedReadmes: ['low'] })
    assert.equal(allowed, { problems: [], allowed: [missing], warnings: [] })
  } finally {
    rmSync(src, { recursive: true, force: true })
  }
})

test('a comment line beyond 120 columns is reported, and a code line is left to the formatter', () => {
  const at = (columns: number, start: string): string => `${start}${'x'.repeat(columns - start.length)}\n`
  const text = at(120, '// ') + at(121, '  // ') + at(121, '/** ') + at(121, ' * ') + at(200, 'const ')
  assert.equal(problemsOf({ 'low/a.ts': text }), [
    'src/low has 3 comment lines beyond 120 columns: wrap them (src/low/a.ts:2, src/low/a.ts:3, src/low/a.ts:4)',
  ])
})

test('a file of more than 400 lines is reported', () => {
  const files = { 'low/a.ts': '\n'.repeat(400), 'low/b.ts': '\n'.repeat(401) }
  assert.equal(problemsOf(files), ['src/low/b.ts has 401 lines: split it by noun, at most 400'])
  assert.is(check(files, { allowedFiles: ['low/b.ts'] }).problems.length, 0)
})

test('an entry of an allow-list that nothing needs any more is a warning', () => {
  const { problems, warnings } = check({ 'low/a.ts': '' }, { allowedComments: ['low'] })
  assert.equal(problems, [])
  assert.equal(warnings, ['"low" is no longer needed in ALLOWED_COMMENTS in scripts/layers.ts: remove it'])
})

test('a folder that runs elsewhere imports its own files, those that it may and its packages, and nothing imports it', () => {
  const apart = [{ folder: 'left/there', files: ['left/shapes.ts'], packages: ['lib'] }]
  const fine = {
    'left/there/a.tsx':
      "import { part } from 'lib'\nimport { b } from './b.js'\nimport { s } from '../shapes.js'\n",
    'left/there/b.ts': "export const b = 'from'\n",
    'left/shapes.ts': "import { low } from '../low/low.js'\n",
    'low/low.ts': 'export const low = 1\n',
  }
  assert.equal(problemsOf(fine, { apart }), [])
  const [lib, outward, inward, ...rest] = problemsOf(
    {
      ...fine,
      'left/there/b.ts': "import type {\n  A,\n} from 'other'\nimport { low } from '../../low/low.js'\n",
      'left/use.ts': "import { b } from './there/b.js'\n",
    },
    { apart },
  )
  assert.match(lib ?? '', /^src\/left\/there\/b\.ts imports other: left\/there has lib alone/)
  assert.match(outward ?? '', /^src\/left\/there\/b\.ts:4 imports src\/low\/low\.ts: it runs elsewhere/)
  assert.match(inward ?? '', /^src\/left\/use\.ts:1 imports src\/left\/there\/b\.ts: its code runs elsewhere/)
  assert.equal(rest, [])
})

test.run()
