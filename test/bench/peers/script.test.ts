import { spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ROOT } from '../../../bench/contestants.js'
import { isThere, readInstallation } from '../../../bench/peers/install.js'
import { PEERS } from '../../../bench/peers/list.js'

const SCRIPT = join(ROOT, 'scripts', 'peers.sh')

/** Runs the script with programs of this test first on PATH, so that it reaches no network. */
function run(
  args: readonly string[],
  programs: Readonly<Record<string, string>> = {},
): { status: number | null; stdout: string; stderr: string; bin: string } {
  const bin = mkdtempSync(join(tmpdir(), 'thinwire-test-'))
  for (const [name, script] of Object.entries(programs)) {
    writeFileSync(join(bin, name), `#!/bin/bash\n${script}\n`)
    chmodSync(join(bin, name), 0o755)
  }
  const env = { ...process.env, PATH: `${bin}:/usr/bin:/bin` }
  return { ...spawnSync('bash', [SCRIPT, ...args], { encoding: 'utf8', env }), bin }
}

function folder(): string {
  return mkdtempSync(join(tmpdir(), 'thinwire-test-'))
}

test('the script is well-formed, says what it does, and refuses what it does not know', () => {
  assert.is(spawnSync('bash', ['-n', SCRIPT]).status, 0)
  assert.match(run(['--help']).stdout, /unpublished {2}no package registry has it/)
  assert.is(run(['--nonsense']).status, 2)
  const unknown = run([folder(), 'nobody'])
  assert.is(unknown.status, 2)
  assert.match(unknown.stderr, /no gateway nobody/)
})

test('--list has every gateway of the bench, with its version where a registry has it', () => {
  const rows = run(['--list'])
    .stdout.trim()
    .split('\n')
    .map((line) => line.split('\t'))
  assert.equal(rows.map(([name]) => name).sort(), PEERS.map(({ name }) => name).sort())
  for (const row of rows) {
    assert.is(row.length, 4, row.join())
    const [, registry = '', name = '', version = ''] = row
    assert.ok(['pip', 'npm', 'go', 'none'].includes(registry), registry)
    assert.is(registry === 'none', name === '-')
    assert.ok(registry === 'none' ? version === '-' : /^v?\d+\.\d+\.\d+$/.test(version), version)
  }
})

test('what is installed once in its version is there the next time', () => {
  const own = folder()
  const npm = 'mkdir -p node_modules; echo "$@" >node_modules/asked'
  const first = run([own, 'portkey'], { npm })
  assert.equal(readInstallation(first.stdout), {
    folder: own,
    peers: [{ name: 'portkey', version: '1.15.2', word: 'installed' }],
  })
  assert.match(
    readFileSync(join(own, 'portkey', 'node_modules', 'asked'), 'utf8'),
    /--ignore-scripts --save-exact @portkey-ai\/gateway@1\.15\.2/,
  )
  const again = run([own, 'portkey'], { npm: 'exit 1' })
  assert.equal(readInstallation(again.stdout).peers[0]?.word, 'present')
})

test('what cannot be had is skipped with a word, and leaves nothing that looks installed', () => {
  const own = folder()
  const go = `case "$*" in *olla*) echo "reading list: 403 Forbidden" >&2 ;; *) echo "pattern ui: no files" >&2 ;; esac; exit 1`
  const { status, stdout } = run([own, 'olla', 'bifrost', 'busbar'], { go })
  assert.is(status, 0)
  const { peers } = readInstallation(stdout)
  assert.equal(
    peers.map(({ name, version, word }) => [name, version, word]),
    [
      ['bifrost', '-', 'unbuilt'],
      ['olla', '-', 'refused'],
      ['busbar', '-', 'unpublished'],
    ],
  )
  assert.not.ok(peers.some(isThere))
  for (const name of ['olla', 'bifrost', 'busbar']) assert.not.ok(existsSync(join(own, name)))
})

test('a program on PATH is found, and says its version', () => {
  const own = folder()
  const { stdout, bin } = run([own, 'busbar', 'bifrost'], {
    busbar: 'echo "busbar 1.6.2 (abc)"',
    'bifrost-http': 'exit 3',
  })
  assert.equal(
    readInstallation(stdout).peers.map(({ name, version, word }) => [name, version, word]),
    [
      ['bifrost', '-', 'found'],
      ['busbar', '1.6.2', 'found'],
    ],
  )
  assert.is(readlinkSync(join(own, 'busbar', 'busbar')), join(bin, 'busbar'))
})

test.run()
