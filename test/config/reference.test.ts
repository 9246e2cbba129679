import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { updateConfigReadme } from '../../scripts/config-reference.js'
import { PRESET_NAMES, PRESETS } from '../../src/api/presets.js'
import { loadConfig } from '../../src/config/config.js'
import type { SchemaNode } from '../../src/config/json-schema.js'
import { buildConfigJsonSchema } from '../../src/config/schema.js'

const folder = mkdtempSync(join(tmpdir(), 'thinwire-'))
test.after(() => rmSync(folder, { recursive: true }))

const ROOT = new URL('../../../', import.meta.url)
const readme = readFileSync(new URL('README.md', ROOT), 'utf8')
const reference = readFileSync(new URL('src/config/README.md', ROOT), 'utf8')
const clouds = readFileSync(new URL('src/config/CLOUDS.md', ROOT), 'utf8')

test('the reference of the settings is up to date with the schema (npm run docs)', () => {
  assert.ok(updateConfigReadme(reference) === reference, 'run: npm run docs')
})

test('a page without the marks of the generated part is not overwritten', () => {
  assert.throws(() => updateConfigReadme('# Configuration\n'), /needs a line/)
})

/** The settings of the schema, found without the code that writes the reference. */
function settingsOf(node: SchemaNode, path: string): string[] {
  if (node.deprecated) return []
  const members = (inner: SchemaNode, prefix: string): string[] =>
    Object.entries(inner.properties ?? {}).flatMap(([name, setting]) =>
      settingsOf(setting, `${prefix}.${name}`),
    )
  if (node.properties !== undefined) return members(node, path)
  // An object by names of the user's own is no setting itself, and neither is the list of routes.
  if (path === '.upstreams') return members(node.additionalProperties as SchemaNode, `${path}.NAME`)
  if (path === '.models') return members(node.additionalProperties as SchemaNode, `${path}.ALIAS`)
  if (path === '.routes' || path === '.modelTraits') return members(node.items as SchemaNode, `${path}[]`)
  // Either a text or an object.
  if (path === '.listen') return [path, ...(node.anyOf ?? []).flatMap((form) => members(form, path))]
  return node.items === undefined ? [path] : [path, ...members(node.items, `${path}[]`)]
}

test('the reference has every setting and no other, each with a type, a default and a meaning', () => {
  const rows = [...reference.matchAll(/^\| `([^`]+)` \|(.*)\|$/gm)].filter(
    (row) => row[2]?.split('|').length === 4,
  )
  const settings = settingsOf(buildConfigJsonSchema(), '').map((path) => path.slice(1))
  assert.equal(rows.map((row) => row[1] ?? '').sort(), settings.filter((name) => name !== '$schema').sort())
  for (const [, name = '', cells = ''] of rows) {
    const [type, byDefault, unit, meaning] = cells.split('|').map((cell) => cell.trim())
    assert.ok(type && byDefault && meaning, name)
    assert.is(unit, /ms$/i.test(name) ? 'ms' : /bytes$/i.test(name) ? 'bytes' : '', name)
  }
})

test('the reference has every preset, each with its environment variables', () => {
  const section = reference.slice(reference.indexOf('### Presets'), reference.indexOf('### Old names'))
  const named = [...section.matchAll(/^\| `([a-z-]+)` \|.*$/gm)]
  assert.equal(named.map((row) => row[1] ?? '').sort(), [...PRESET_NAMES].sort())
  for (const [row, name = ''] of named) {
    const { keyEnv, headers } = PRESETS[name as keyof typeof PRESETS]
    for (const variable of [keyEnv, ...Object.values(headers).map(({ env }) => env)]) {
      if (variable !== null) assert.ok(row.includes(`\`${variable}\``), name)
    }
  }
})

/** The configs among the examples of a page: those that name upstreams. */
function examplesOf(page: string): string[] {
  return [...page.matchAll(/^( *)```json\n([\s\S]*?)```/gm)]
    .map(([, indent = '', text = '']) => text.replaceAll(new RegExp(`^${indent}`, 'gm'), ''))
    .filter((text) => text.includes('"upstreams"'))
}

test('each config in the READMEs loads without a warning', () => {
  const examples = [...examplesOf(readme), ...examplesOf(reference), ...examplesOf(clouds)]
  for (const page of [reference, clouds]) assert.ok(examplesOf(page).length > 0)
  const file = join(folder, 'thinwire.json')
  for (const text of examples) {
    writeFileSync(file, text)
    const env = { OPENAI_API_KEY: 'sk-1', ANTHROPIC_API_KEY: 'sk-2', AZURE_OPENAI_API_KEY: 'sk-3' }
    const config = loadConfig({ file, env, cwd: folder })
    assert.equal(config.warnings, [])
    assert.ok(config.upstreams.length > 0 && config.aliases.length > 0)
  }
})

test.run()
