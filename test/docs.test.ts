import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

/** Every Markdown file of the repository. */
const PAGES = ['.', 'src', 'test', 'bench', 'scripts']
  .flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: folder !== '.', encoding: 'utf8' }).map((name) =>
      join(folder, name),
    ),
  )
  .filter((path) => path.endsWith('.md'))

test('the README has at most 150 lines', () => {
  const lines = read('README.md').trimEnd().split('\n').length
  assert.ok(lines <= 150, `${lines} lines`)
})

test('the README states seven promises, each with a link to tests that exist', () => {
  const promises = read('README.md').split('## What it promises')[1]?.split('\n## ')[0] ?? ''
  const items = promises.split(/^\d\. /m).slice(1)
  assert.is(items.length, 7)
  for (const item of items) {
    const folder = /\(\[tests\]\(([^)]+)\)\)/.exec(item)?.[1]
    assert.ok(folder !== undefined, item)
    assert.ok(
      readdirSync(join(ROOT, folder)).some((name) => name.endsWith('.test.ts')),
      folder,
    )
  }
})

test('every link from one page to another file leads to a file', () => {
  for (const page of PAGES) {
    for (const [, target = ''] of read(page).matchAll(/\]\((?!https?:|#)([^)#\s]+)(?:#[^)]*)?\)/g))
      assert.ok(existsSync(join(ROOT, dirname(page), target)), `${page} links to ${target}`)
  }
})

test('the way of one request has at most 20 stays, each in a file that has the name', () => {
  const way = read('src/README.md').split('## The way of one request')[1]?.split('\n## ')[0] ?? ''
  const stays = [...way.matchAll(/^(\d+)\. `([\w/-]+\.ts)` `(\w+)`/gm)]
  assert.equal(
    stays.map(([, number]) => Number(number)),
    stays.map((_, i) => i + 1),
  )
  assert.ok(stays.length >= 15 && stays.length <= 20, `${stays.length} stays`)
  for (const [, , file = '', name = ''] of stays)
    assert.match(read(join('src', file)), new RegExp(`export (?:class|function|interface) ${name}\\b`), file)
})

test('the layers of the page about the code are those that are checked', () => {
  const drawn = (read('src/README.md').split('```')[1] ?? '')
    .trim()
    .split('\n')
    .map((line) => (line.split(/ {3,}/)[0] ?? '').trim().split(/ +/))
  const checked = [
    ...(read('scripts/layers.ts').split('const LAYERS = [')[1]?.split('\n]')[0] ?? '').matchAll(/\[(.+)\]/g),
  ]
    .map(([, row = '']) => [...row.matchAll(/'([\w-]+)'/g)].map(([, name = '']) => name))
    .filter((row) => row.length > 0)
  const sorted = (rows: string[][]): string[] => rows.map((row) => [...row].sort().join(' '))
  assert.equal(sorted(drawn), sorted(checked))
})

test.run()
