import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { joinModules } from '../../scripts/page-modules.js'

/** Joins modules of these texts, and runs them: what `main.js` exports as `result`. */
async function run(texts: Readonly<Record<string, string>>): Promise<unknown> {
  const text = join(texts, ['result'])
  const { result } = await import(`data:text/javascript,${encodeURIComponent(text)}`)
  return result
}

function join(texts: Readonly<Record<string, string>>, exports: readonly string[] = []): string {
  const read = (path: string): string => {
    const text = texts[path]
    if (text === undefined) throw new Error(`there is no ${path}`)
    return text
  }
  return joinModules({ entry: 'main.js', read, packages: { lib: './lib-1.js', own: 'own.js' }, exports })
}

test('modules that import each other are joined, each once, and names do not meet', async () => {
  const result = await run({
    'main.js': `import { a, twice as double } from './deep/a.js';\nimport { b } from './b.js';\nconst own = 'main';\nexport const result = [a, double(2), b, own];\n`,
    'deep/a.js': `import { b } from '../b.js';\nconst own = 'a';\nexport const a = own + b;\nexport function twice(n) { return 2 * n }\n`,
    'b.js': `const own = 'b';\nexport { own as b };\nexport class C {}\n`,
  })
  assert.equal(result, ['ab', 4, 'b', 'main'])
})

test('what a module passes on, and a package that stands for a module of our own, are found', async () => {
  const result = await run({
    'main.js': `import { b, c } from './pass.js';\nimport { name } from 'own';\nexport const result = [b, c, name];\n`,
    'pass.js': `export { x as b, c } from './x.js';\n`,
    'x.js': `export const x = 1, y = 2;\nexport const c = 3;\n`,
    'own.js': `export const name = 'own';\n`,
  })
  assert.equal(result, [1, 3, 'own'])
})

test('a package is imported once, from its file', () => {
  const text = join({
    'main.js': `import whole from 'lib';\nimport { a } from './a.js';\nwhole(a);\n`,
    'a.js': `import { part } from 'lib';\nexport const a = part;\n`,
  })
  assert.is(text.match(/^import /gm)?.length, 1)
  assert.match(text, /^import \* as outside0 from "\.\/lib-1\.js";$/m)
  assert.match(text, /const whole = outside0\.default;/)
})

for (const [fault, texts, problem] of [
  [
    'a package that is not there',
    { 'main.js': `import x from 'fs';\n` },
    /main\.js imports fs, which is not there/,
  ],
  ['a missing file', { 'main.js': `import { x } from './x.js';\n` }, /there is no x\.js/],
  [
    'a name that is not exported',
    { 'main.js': `import { x } from './x.js';\n`, 'x.js': `export const y = 1;\n` },
    /x\.js does not export x/,
  ],
  [
    'a circle',
    {
      'main.js': `import { x } from './x.js';\nexport const m = 1;\n`,
      'x.js': `import { m } from './main.js';\nexport const x = 1;\n`,
    },
    /main\.js is imported in a circle/,
  ],
  ['export *', { 'main.js': `export * from './x.js';\n` }, /cannot be joined: export \*/],
  ['export default', { 'main.js': `export default 1;\n` }, /cannot be joined: export default/],
  ['export let', { 'main.js': `export let x = 1;\n` }, /cannot be joined: export let/],
  ['an import for its effects', { 'main.js': `import './x.js';\n` }, /cannot be joined: import/],
  ['a namespace', { 'main.js': `import * as x from './x.js';\n` }, /cannot be joined: import \*/],
  ['import()', { 'main.js': `const x = import('./x.js');\n` }, /import\(\)/],
] as const) {
  test(`${fault} is refused when modules are joined`, () => {
    assert.throws(() => join(texts), problem)
  })
}

test.run()
