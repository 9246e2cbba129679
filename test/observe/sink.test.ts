import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'

const SINK = new URL('../../src/observe/sink.js', import.meta.url).href

/** Runs a script that writes to a sink, with standard output being a file. Resolves to its exit code. */
function run(script: string, stdout: number): Promise<number | null> {
  const child = spawn(
    process.execPath,
    ['--input-type=module', '-e', `import { openSink } from '${SINK}'; const sink = openSink(); ${script}`],
    { stdio: ['ignore', stdout, 'inherit'], timeout: 20_000 },
  )
  return new Promise((resolve) => child.on('close', resolve))
}

test('a file gets whole lines, also those from just before the exit', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-'))
  const fd = openSync(join(folder, 'log'), 'a')
  const code = await run(
    `for (let i = 0; i < 2000; i++) sink.write(i + 'é\\n')
     setTimeout(() => { for (let i = 2000; i < 3000; i++) sink.write(i + 'é\\n'); process.exit(0) }, 50)`,
    fd,
  )
  closeSync(fd)
  assert.is(code, 0)
  const lines = readFileSync(join(folder, 'log'), 'utf8').trimEnd().split('\n')
  // What is being written when the process ends may come after what is written at its very end.
  assert.equal(
    lines.sort((a, b) => Number.parseInt(a, 10) - Number.parseInt(b, 10)),
    Array.from({ length: 3000 }, (_, i) => `${i}é`),
  )
  rmSync(folder, { recursive: true })
})

test('lines that were gathered by another are written at once, and those after them, too', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-'))
  const fd = openSync(join(folder, 'log'), 'a')
  // A clock of the sink would not run within one turn.
  const code = await run(
    `sink.startBatch(); sink.write('a\\n'); sink.write('b\\n'); const gathered = sink.queued
     sink.endBatch(); sink.write('c\\n'); sink.startBatch(); sink.write('d\\n'); sink.endBatch()
     const { readFileSync } = await import('node:fs')
     while (readFileSync('${join(folder, 'log')}', 'utf8') === '') {}
     if (gathered !== 4 || readFileSync('${join(folder, 'log')}', 'utf8') !== 'a\\nb\\n') process.exit(1)`,
    fd,
  )
  closeSync(fd)
  assert.is(code, 0)
  assert.is(readFileSync(join(folder, 'log'), 'utf8'), 'a\nb\nc\nd\n')
  rmSync(folder, { recursive: true })
})

test('a full disk neither ends nor delays the process', async () => {
  // A device that takes no byte, on Linux.
  if (!existsSync('/dev/full')) return
  const fd = openSync('/dev/full', 'w')
  const code = await run(
    `let left = 20
     const timer = setInterval(() => { sink.write('line\\n'); if (left-- === 0) { clearInterval(timer); sink.write('last\\n'); process.exit(7) } }, 5)`,
    fd,
  )
  closeSync(fd)
  assert.is(code, 7)
})

test('the backlog is bounded', async () => {
  if (!existsSync('/dev/full')) return
  const fd = openSync('/dev/full', 'w')
  // All in one turn: nothing can be written meanwhile.
  const code = await run(
    `const line = 'x'.repeat(1024 * 1024)
     for (let i = 0; i < 64; i++) sink.write(line)
     process.exit(sink.queued <= 8 * 1024 * 1024 ? 7 : 1)`,
    fd,
  )
  closeSync(fd)
  assert.is(code, 7)
})

test.run()
