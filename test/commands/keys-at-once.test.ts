import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { loadAudit } from '../../src/access/audit.js'
import { compareWithAudit } from '../../src/access/audit-check.js'
import { issueKey } from '../../src/access/key-changes.js'
import { parseKeyFile } from '../../src/access/key-lines.js'

const CLI = fileURLToPath(new URL('../../src/cli.js', import.meta.url))

function run(folder: string, ...args: string[]): Promise<{ code: number | null; err: string }> {
  const child = spawn(process.execPath, [CLI, 'keys', ...args], { cwd: folder })
  let err = ''
  child.stderr.on('data', (data: Buffer) => {
    err += data
  })
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, err })))
}

test('commands that run at one time change the key file one after another, and the chain of the audit holds', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'at-once-'))
  try {
    const file = join(folder, 'data', 'keys.jsonl')
    const { id } = issueKey(file, { env: 'prod', team: 'team1', user: 'alice' }).record
    const adds = ['a', 'b', 'c'].map((user) =>
      run(folder, 'add', '--env', 'prod', '--team', 't', '--user', user),
    )
    const rotations = [1, 2, 3].map(() => run(folder, 'rotate', id))
    assert.equal(
      (await Promise.all(adds)).map(({ code }) => code),
      [0, 0, 0],
    )
    // One of them comes first; the others see that, and issue no key.
    const results = await Promise.all(rotations)
    assert.equal(results.map(({ code }) => code).sort(), [0, 1, 1])
    for (const { code, err } of results) if (code === 1) assert.match(err, 'is rotated to')
    const text = readFileSync(file, 'utf8')
    const { entries, flaws } = loadAudit(file)
    assert.equal(flaws, [])
    assert.is(parseKeyFile(text).byId.size, 5)
    assert.equal(compareWithAudit(text, entries), { older: 0, unaudited: [], missing: [] })
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

test.run()
