import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { NODE_FLOOR } from '../../src/node-floor.js'

const CLI = new URL('../../src/cli.js', import.meta.url)

/** Runs thinwire on this Node, which says that it is another one. */
function runAs(
  version: string,
  ...args: string[]
): { status: number | null; stdout: string; stderr: string } {
  const claim = `Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '${version}' } })
    Object.defineProperty(process, 'version', { value: 'v${version}' })`
  const preload = `data:text/javascript,${encodeURIComponent(claim)}`
  const options = { encoding: 'utf8' } as const
  return spawnSync(process.execPath, ['--import', preload, fileURLToPath(CLI), ...args], options)
}

test('an older Node ends with one line that says what thinwire needs, whatever the command', () => {
  for (const version of ['14.8.0', '18.20.8', '20.9.0', '20.18.0']) {
    for (const args of [['start'], ['keys', 'list'], ['--version'], []]) {
      const { status, stdout, stderr } = runAs(version, ...args)
      assert.is(stderr, `thinwire needs Node 20.18.1 or newer; this is v${version}\n`)
      assert.is(stdout, '')
      assert.is(status, 1)
    }
  }
})

test('the oldest one that will do, and newer ones, run it', () => {
  for (const version of ['20.18.1', '20.19.0', '21.0.0', '22.1.0', '26.0.0-nightly', '100.0.0']) {
    const { status, stderr } = runAs(version, '--version')
    assert.is(stderr, '')
    assert.is(status, 0)
  }
})

test('it is the one that package.json names', () => {
  const manifest = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'))
  assert.is(manifest.engines.node, `>=${NODE_FLOOR}`)
})

test('what is loaded before it is asked imports nothing but files that an older Node can load', () => {
  const seen = new Map<string, string[]>()
  const walk = (file: URL): void => {
    if (seen.has(file.href)) return
    const imports = [
      ...readFileSync(file, 'utf8').matchAll(/^(?:import|export) (?:.* from )?'([^' ]+)';?$/gm),
    ]
    const names = imports.map((match) => match[1] as string)
    seen.set(file.href, names)
    for (const name of names) if (name.startsWith('.')) walk(new URL(name, file))
  }
  walk(CLI)
  assert.is(seen.get(CLI.href)?.[0], './node-floor.js')
  const others = [...seen.values()].flat().filter((name) => !name.startsWith('.'))
  // Without names that came later.
  assert.equal(others, ['node:fs'])
})

test.run()
