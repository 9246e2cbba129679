import { createHash } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import { brotliDecompressSync, gunzipSync } from 'node:zlib'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const ASSETS = new URL('../../src/page/assets/', import.meta.url)

const read = (file: string): Buffer => readFileSync(new URL(file, ASSETS))

interface Manifest {
  readonly index: string
  readonly files: Readonly<Record<string, { file: string; type: string; br: boolean; gz: boolean }>>
}

const MANIFEST = JSON.parse(read('manifest.json').toString()) as Manifest
const FILES = Object.entries(MANIFEST.files)

test('all that the page loads has less than 150 KB over the wire', () => {
  const sizes = FILES.map(([, { file }]) => read(`${file}.br`).length)
  const sum = sizes.reduce((all, size) => all + size, read(MANIFEST.index).length)
  assert.ok(sum < 150_000, `${sum} bytes`)
})

test('each file has the hash of its content in its name, and is there compressed', () => {
  assert.ok(FILES.length >= 6)
  for (const [path, { file, br, gz }] of FILES) {
    const bytes = read(file)
    assert.is(path, `/assets/${file}`)
    assert.ok(file.includes(createHash('sha256').update(bytes).digest('hex').slice(0, 12)), file)
    assert.ok(br && gz)
    assert.ok(brotliDecompressSync(read(`${file}.br`)).equals(bytes), file)
    assert.ok(gunzipSync(read(`${file}.gz`)).equals(bytes), file)
  }
  const known = FILES.flatMap(([, { file }]) => [file, `${file}.br`, `${file}.gz`])
  assert.equal(readdirSync(ASSETS).sort(), [...known, 'index.html', 'manifest.json'].sort())
})

test('the page has nothing inline, and loads nothing but these files', () => {
  const html = read(MANIFEST.index).toString()
  assert.not.match(html, /<style|\sstyle=|\son\w+=|<script(?![^>]*\ssrc=)|javascript:/)
  const loaded = [...html.matchAll(/(?:src|href)="([^"]*)"/g)].map(([, path = '']) => path)
  for (const path of loaded) assert.ok(path === '/sign-in' || path in MANIFEST.files, path)
  const scripts = FILES.filter(([, { type }]) => type === 'text/javascript').map(([path]) => path)
  for (const path of scripts) assert.match(html, new RegExp(`<link rel="modulepreload" href="${path}">`))
})

test('modules import each other by their names with hashes alone', () => {
  for (const [, { file, type }] of FILES) {
    if (type !== 'text/javascript') continue
    const text = read(file).toString()
    for (const [, from = ''] of text.matchAll(/\b(?:import|export)\b[^;"'()]*\bfrom\s*"([^"\n]+)"/g))
      assert.ok(
        from.startsWith('./') && `/assets/${from.slice(2)}` in MANIFEST.files,
        `${file} imports ${from}`,
      )
  }
})

test('code of others has its licence with it', () => {
  for (const name of ['preact', 'hooks', 'jsx', 'uplot']) {
    const [, { file = '' } = {}] = FILES.find(([path]) => path.startsWith(`/assets/${name}-`)) ?? []
    assert.match(read(file).toString(), /^\/\*! \w+\n[\s\S]*MIT[\s\S]*Copyright/i, name)
  }
})

test.run()
