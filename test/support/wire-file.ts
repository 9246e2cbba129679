import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import * as assert from 'uvu/assert'

/** A file that hangs fails. */
const LIMIT_MS = 240_000

/**
 * Runs a file of `test/wire` in a process of its own, in another mode. It must pass.
 * @param file its path within `wire`, without `.test.ts`
 * @param mode variables of its environment
 * @param options of Node
 */
export async function runWireFile(
  file: string,
  mode: Readonly<Record<string, string>>,
  options: readonly string[] = [],
): Promise<void> {
  const script = fileURLToPath(new URL(`../wire/${file}.test.js`, import.meta.url))
  const child = spawn(process.execPath, [...options, script], {
    env: { ...process.env, ...mode },
    stdio: 'pipe',
    timeout: LIMIT_MS,
    killSignal: 'SIGKILL',
  })
  try {
    let out = ''
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (piece: Buffer) => {
        out += piece.toString()
      })
    const code = await new Promise((resolve) => child.once('close', resolve))
    assert.is(code, 0, out)
  } finally {
    child.kill('SIGKILL')
  }
}
