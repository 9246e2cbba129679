import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { hashKey, mintKey } from '../../src/access/key.js'
import { buildDirectList, type DirectList } from '../../src/direct/direct-list.js'
import {
  formatCaddy,
  formatHaproxy,
  formatJson,
  formatNginx,
  MAP_NAMES,
} from '../../src/direct/list-formats.js'
import { parsePlainKeys, selectPlainKeys } from '../../src/direct/plain-keys.js'
import { keyWith, NOW, SOURCE } from './sources.js'

const OWNER = { env: 'prod', team: 'team1', user: 'alice' }
const TEXT = mintKey(OWNER)
const UNTIL = Date.parse('2026-07-01T00:00:00Z') / 1000

/** A list with one key. */
function makeList(scope: Partial<DirectList['scope']> = {}): DirectList {
  const key = keyWith({ ...OWNER, expiresAt: '2026-07-01T00:00:00.000Z' })
  const list = buildDirectList([[hashKey(TEXT), key]], SOURCE, NOW)
  return { ...list, scope: { ...list.scope, ...scope } }
}

/** Looks a model up in `models.map`, as HAProxy does it with `map_reg`. */
function lookUp(map: string, model: string): string | undefined {
  for (const line of map.trimEnd().split('\n')) {
    const [regex = '', value] = line.split(' ')
    // HAProxy compares bytes.
    if (new RegExp(regex).test(Buffer.from(model).toString('latin1'))) return value
  }
  return undefined
}

test('the JSON list has all that DIRECT.md names, and its keys are found by their hashes', () => {
  const [file] = formatJson(makeList({ aliases: [['fast', 'gpt-5-mini']] }), NOW, 1_790_000_000)
  assert.equal(JSON.parse(file?.text ?? ''), {
    v: 1,
    made: '2026-06-01T12:00:00.500Z',
    stale_after: 1_790_000_000,
    upstream: 'openai',
    aliases: { fast: 'gpt-5-mini' },
    through: [],
    models: null,
    paths: makeList().scope.paths,
    keys: {
      [hashKey(TEXT)]: { key_id: 'k_0123456789', env: 'prod', team: 'team1', user: 'alice', until: UNTIL },
    },
  })
})

test('a list without keys is JSON, and maps and includes that fronts can read', () => {
  const empty = { ...makeList(), keys: [] }
  assert.equal(JSON.parse(formatJson(empty, NOW, null)[0]?.text ?? '').keys, {})
  assert.is(formatHaproxy(empty)[0]?.text, '')
  assert.match(
    formatNginx([])[0]?.text ?? '',
    /^#.*\nmap \$http_authorization \$thinwire_direct_key \{\n {4}default "";\n\}\n$/,
  )
})

test('names of models that objects have by themselves are aliases like all others', () => {
  const aliases = [
    ['__proto__', 'a'],
    ['constructor', 'b'],
  ] as const
  assert.match(
    formatJson(makeList({ aliases }), NOW, null)[0]?.text ?? '',
    /"aliases":\{"__proto__":"a","constructor":"b"\}/,
  )
})

test('the maps of HAProxy have a line for each key, and the first expression that matches a model decides', () => {
  const scope = {
    aliases: [
      ['fast', 'gpt-5-mini'],
      ['same', 'same'],
      ['odd name.*', 'x'],
      ['grün', 'y'],
      ['bad', 'two words'],
    ],
    through: ['claude-*'],
    models: ['gpt-*', 'o3'],
  } as const
  const files = formatHaproxy(makeList(scope))
  assert.equal(
    files.map(({ name }) => name),
    [...MAP_NAMES],
  )
  const [keys = '', models = '', paths = ''] = files.map(({ text }) => text)
  assert.is(keys, `${hashKey(TEXT)} ${UNTIL}:k_0123456789:prod:team1:alice\n`)
  for (const [model, value] of [
    ['fast', 'gpt-5-mini'],
    ['same', '='],
    ['odd name.*', 'x'],
    ['odd name', '-'],
    ['grün', 'y'],
    ['bad', '-'],
    ['claude-x', '-'],
    ['gpt-5', '='],
    ['o3', '='],
    ['o3x', '-'],
    ['xo3', '-'],
    ['', '-'],
    ['x\ngpt-5', '-'],
  ] as const)
    assert.is(lookUp(models, model), value, model)
  assert.is(lookUp(formatHaproxy(makeList({ models: null }))[1]?.text ?? '', 'anything'), '=')
  assert.ok(paths.split('\n').includes('POST:/v1/chat/completions 1'))
})

test('nginx and Caddy find a key behind Bearer in any case, and not in another case of its own', () => {
  const keys = selectPlainKeys(makeList(), parsePlainKeys(TEXT))
  for (const text of [formatNginx(keys)[0]?.text ?? '', formatCaddy(keys)[0]?.text ?? '']) {
    const [, source = '', value] = /"~(\^.*lc_.*)" "(.*)"/.exec(text) ?? []
    assert.is(value, 'k_0123456789:prod:team1:alice')
    // JavaScript has no flags within an expression.
    const regex = new RegExp(source.replace('(?i:bearer)', '[Bb][Ee][Aa][Rr][Ee][Rr]'))
    for (const scheme of ['Bearer', 'bearer', 'BEARER']) assert.ok(regex.test(`${scheme} ${TEXT}`))
    assert.not.ok(regex.test(`Bearer ${TEXT.toUpperCase()}`))
    assert.not.ok(regex.test(`Bearer ${TEXT}x`))
    assert.not.ok(regex.test(`x Bearer ${TEXT}`))
    assert.not.ok(regex.test(TEXT))
  }
})

test('a file of keys may have comments, blank lines, CRLF and a byte order mark; wrong lines are named by number', () => {
  const other = mintKey(OWNER)
  const text = `\uFEFF${TEXT}\r\n\r\n# note\r\n  ${other}  \r\nsk-live-1\r\n${TEXT.slice(0, -1)}\r\n${TEXT} ${other}\r\n${TEXT}`
  const { byHash, flawed } = parsePlainKeys(text)
  assert.equal([...byHash.values()], [TEXT, other])
  assert.equal(flawed, [5, 6, 7])
  assert.equal(
    selectPlainKeys(makeList(), { byHash, flawed }).map((key) => key.text),
    [TEXT],
  )
})

test.run()
