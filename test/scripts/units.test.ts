import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const DEPLOY = fileURLToPath(new URL('../../../scripts/deploy', import.meta.url))

const isHere = spawnSync('systemd-analyze', ['--version']).status === 0
const withSystemd = isHere ? test : test.skip

withSystemd('systemd finds nothing wrong with the units', () => {
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-units-'))
  try {
    copyFileSync(join(DEPLOY, 'thinwire.socket'), join(folder, 'thinwire.socket'))
    // Only a program that exists is accepted.
    const service = readFileSync(join(DEPLOY, 'thinwire.service'), 'utf8')
    writeFileSync(
      join(folder, 'thinwire.service'),
      service.replace('ExecStart=/usr/bin/node', `ExecStart=${process.execPath}`),
    )
    const units = ['thinwire.socket', 'thinwire.service'].map((name) => join(folder, name))
    const { stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...units], {
      encoding: 'utf8',
    })
    // Units of the machine itself may have faults of their own.
    const lines = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('thinwire'))
    assert.equal(lines, [])
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test.run()
