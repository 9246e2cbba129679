import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'
import { countTests } from '../runner/run-files.js'
import { readSections } from '../runner/sections.js'

/** Files of which one hangs fail. */
const LIMIT_MS = 240_000

const MANY = fileURLToPath(new URL('../runner/many.js', import.meta.url))

/**
 * Runs files of `test/wire` in a process of their own, in another mode, one after another: to start a process for each
 * of them takes longer than most of them. Each must pass.
 * @param files their paths within `wire`, without `.test.ts`
 * @param mode variables of their environment
 * @param options of Node
 */
export async function runWireFiles(
  files: readonly string[],
  mode: Readonly<Record<string, string>>,
  options: readonly string[] = [],
): Promise<void> {
  const scripts = files.map((file) => fileURLToPath(new URL(`../wire/${file}.test.js`, import.meta.url)))
  const child = spawn(process.execPath, [...options, MANY, ...scripts], {
    env: { ...process.env, ...mode },
    stdio: 'pipe',
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  })
  try {
    let out = ''
    let err = ''
    child.stdout.on('data', (piece: Buffer) => {
      out += piece.toString()
    })
    child.stderr.on('data', (piece: Buffer) => {
      err += piece.toString()
    })
    const code = await new Promise((resolve) => child.once('close', resolve))
    const sections = readSections(out)
    for (const script of scripts) {
      const { output = '', seconds = null } = sections.get(script) ?? {}
      assert.ok(seconds !== null, `${script} did not come to its end: ${output}\n${err}`)
      const { passed, failed } = countTests(output, 0)
      assert.ok(passed > 0 && failed === 0, `${script} has failed: ${output}\n${err}`)
    }
    assert.is(code, 0, out + err)
  } finally {
    child.kill('SIGKILL')
  }
}
