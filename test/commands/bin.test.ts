import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const ROOT = new URL('../../../', import.meta.url)

test('the built command of the package can be run, as npx does', () => {
  const { bin, version } = JSON.parse(readFileSync(new URL('package.json', ROOT), 'utf8'))
  const { status, stdout, error } = spawnSync(fileURLToPath(new URL(bin.thinwire, ROOT)), ['--version'], {
    encoding: 'utf8',
  })
  assert.is(error, undefined)
  assert.is(status, 0)
  assert.match(stdout, version)
})

// Each command writes through the same stream; these print without any file.
for (const command of [
  '--help',
  'start',
  'keys',
  'usage',
  'limits',
  'models',
  'explain',
  'prices',
  'config',
  'doctor',
])
  test(`the reader of ${command} may close its pipe, as head does`, async () => {
    const cli = fileURLToPath(new URL('dist/src/cli.js', ROOT))
    const args = command === '--help' ? [command] : [command, '--help']
    const child = spawn(process.execPath, [cli, ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.destroy()
    let complaints = ''
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      complaints += text
    })
    const [code] = await once(child, 'close')
    assert.is(complaints, '')
    assert.is(code, 0)
  })

test.run()
