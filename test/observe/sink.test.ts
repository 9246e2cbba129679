import { spawn } from 'node:child_process'
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { SEED } from '../support/random.js'

const SINK = new URL('../../src/observe/sink.js', import.meta.url).href

const RANDOM = new URL('../support/random.js', import.meta.url).href

/** Runs a script that writes to a sink, with standard output being a file or a pipe. Resolves to its exit code. */
function run(
  script: string,
  stdout: number | 'pipe',
  onOutput: (bytes: Buffer) => void = () => {},
): Promise<number | null> {
  const child = spawn(
    process.execPath,
    ['--input-type=module', '-e', `import { openSink } from '${SINK}'; const sink = openSink(); ${script}`],
    { stdio: ['ignore', stdout, 'inherit'], timeout: 20_000 },
  )
  child.stdout?.on('data', onOutput)
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

/**
 * Writes numbers: alone, while lines are held, while a write is under way, and in another turn. Each comes once, and in
 * its order, and none waits for one that follows.
 */
const MIXED = `
  import { randomFrom } from '${RANDOM}'
  const random = randomFrom(SEED_HERE)
  const turn = () => new Promise((resolve) => setImmediate(resolve))
  const later = () => new Promise((resolve) => setTimeout(resolve, 1 + random() * 8))
  let n = 0
  const some = () => { for (let i = random() * 5; i > 0; i--) sink.write(n++ + 'é\\n') }
  for (let i = 0; i < 300; i++) {
    some()
    const isHeld = random() < 0.6
    if (isHeld) sink.startBatch()
    some()
    if (random() < 0.3) await turn()
    some()
    if (random() < 0.1) await later()
    if (isHeld) sink.endBatch()
    some()
    if (random() < 0.3) await turn()
    if (random() < 0.1) await later()
  }
  while (sink.queued > 0) await later()
`

for (const isShared of [null, false, true]) {
  const kind = isShared === null ? 'file' : isShared ? 'shared pipe' : 'pipe'
  test(`lines that come alone, and between others that are held, come once and in order: ${kind}`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'thinwire-'))
    const fd = isShared === null ? openSync(join(folder, 'log'), 'a') : 'pipe'
    const share = isShared === null ? '' : `sink.share(${isShared});`
    const chunks: Buffer[] = []
    // The last two are held at the exit.
    const code = await run(
      `${share}${MIXED.replace('SEED_HERE', String(SEED))}
       sink.startBatch(); sink.write(n++ + 'é\\n'); sink.write(n++ + 'é\\n'); process.exit(7)`,
      fd,
      (bytes) => chunks.push(bytes),
    )
    if (typeof fd === 'number') closeSync(fd)
    assert.is(code, 7)
    const text =
      isShared === null ? readFileSync(join(folder, 'log'), 'utf8') : Buffer.concat(chunks).toString()
    const lines = text.trimEnd().split('\n')
    assert.ok(lines.length > 1_000)
    assert.equal(
      lines,
      lines.map((_, i) => `${i}é`),
    )
    rmSync(folder, { recursive: true })
  })
}

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
