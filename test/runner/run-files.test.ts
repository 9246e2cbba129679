import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Outcome, runAlone, runTogether, type TestFile } from './run-files.js'

const UVU = import.meta.resolve('uvu')

const PASSES = 'test("a", () => {}); test("b", () => {}); test.run()'
const FAILS = 'test("a", () => {}); test("b", () => { throw new Error("b is wrong") }); test.run()'
const HANGS = 'test("a", async () => { for (;;) {} }); test.run()'

/** Runs files with these texts, in which `test` is uvu's, and gives their outcomes by their names. */
async function together(
  texts: Readonly<Record<string, string>>,
  limitMs?: number,
): Promise<Record<string, Outcome>> {
  const folder = mkdtempSync(join(tmpdir(), 'thinwire-runner-'))
  try {
    const files: TestFile[] = Object.entries(texts).map(([name, text]) => {
      const script = join(folder, `${name}.mjs`)
      writeFileSync(script, `import { test } from '${UVU}'\n${text}\n`)
      return { name, script }
    })
    const outcomes = await runTogether(files, limitMs)
    return Object.fromEntries(outcomes.map((outcome) => [outcome.file, outcome]))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function counts(
  outcomes: Record<string, Outcome>,
): Record<string, readonly [passed: number, failed: number]> {
  return Object.fromEntries(
    Object.entries(outcomes).map(([file, { passed, failed }]) => [file, [passed, failed]]),
  )
}

test('files in one process are counted apart', async () => {
  const skips = 'test("a", () => {}); test.skip("b", () => {}); test.run()'
  const outcomes = await together({ first: PASSES, second: skips, third: `${PASSES}; ${PASSES}` })
  assert.equal(counts(outcomes), { first: [2, 0], second: [1, 0], third: [4, 0] })
  assert.is(outcomes.second?.skipped, 1)
})

test('a file whose tests are all skipped has not failed', async () => {
  const skips = 'test.skip("a", () => {}); test.skip("b", () => {}); test.run()'
  const outcomes = await together({ first: skips, second: PASSES })
  assert.equal(counts(outcomes), { first: [0, 0], second: [2, 0] })
  assert.is(outcomes.first?.skipped, 2)
})

test('they do share a process', async () => {
  const writes = 'test("a", () => { console.log("process " + process.pid) }); test.run()'
  const { first, second } = await together({ first: writes, second: writes })
  const pid = /^process \d+$/m.exec(first?.output ?? '')?.[0]
  assert.ok(pid)
  assert.match(second?.output ?? '', pid)
})

for (const [what, text, failed] of [
  ['a failed test', FAILS, 1],
  ['a hook that throws', `test.before(() => { throw new Error("no") }); ${PASSES}`, 2],
  ['a file that cannot be loaded', 'throw new Error("b is wrong")', 1],
  ['a file that runs no test', 'test("a", () => {})', 1],
  ['a file that ends the process', `test("a", () => process.exit(0)); ${PASSES}`, 1],
  ['a file that never settles', 'test("a", () => new Promise(() => {})); test.run()', 1],
  ['an error that nobody handles', `setTimeout(() => { throw new Error("b is wrong") }); ${PASSES}`, 1],
] as const) {
  test(`${what} is told of its file, and the others are counted`, async () => {
    const outcomes = await together({ first: text, second: PASSES })
    const { first, second } = counts(outcomes)
    assert.equal(second, [2, 0])
    assert.is(first?.[1], failed)
    if (text.includes('b is wrong')) assert.match(outcomes.first?.output ?? '', 'b is wrong')
  })
}

test('a file that hangs is killed, named, and not waited for again', async () => {
  const outcomes = await together({ first: HANGS, second: PASSES }, 1000)
  assert.equal(counts(outcomes), { first: [0, 1], second: [2, 0] })
  assert.match(outcomes.first?.output ?? '', 'still ran after 1 s and was killed')
})

test('the time that a file may take is its own, however many share the process', async () => {
  const waits = 'test("a", () => new Promise((resolve) => setTimeout(resolve, 2_000))); test.run()'
  const outcomes = await together({ first: waits, second: waits, third: waits, fourth: waits }, 6_000)
  assert.equal(counts(outcomes), { first: [1, 0], second: [1, 0], third: [1, 0], fourth: [1, 0] })
})

test('a failure that a file has only among others is a failure', async () => {
  const outcomes = await together({
    first: `globalThis.__changed = true; ${PASSES}`,
    second: 'test("a", () => { if (globalThis.__changed) throw new Error("was changed") }); test.run()',
    third: PASSES,
  })
  assert.equal(counts(outcomes), { first: [2, 0], second: [1, 1], third: [2, 0] })
  assert.match(outcomes.second?.output ?? '', /^passes by itself, but failed in one process with others.*\n/)
  assert.match(outcomes.second?.output ?? '', 'was changed')
})

test('a file that leaves something behind has failed, and the next one is not blamed for it', async () => {
  const leaves = `process.env.LEFT = 'secret'; ${PASSES}`
  const outcomes = await together({ first: PASSES, second: leaves, third: PASSES })
  assert.equal(counts(outcomes), { first: [2, 0], second: [2, 1], third: [2, 0] })
  assert.match(outcomes.second?.output ?? '', 'left something behind in a process that it shares:')
  assert.match(outcomes.second?.output ?? '', 'a variable of the environment has changed: LEFT\n')
  assert.not.match(outcomes.second?.output ?? '', 'secret')
})

test('what a file has left behind is reported also if another one makes all of them run again', async () => {
  const leaves = `process.env.LEFT = 'secret'; ${PASSES}`
  const outcomes = await together({ first: leaves, second: FAILS })
  assert.equal(counts(outcomes), { first: [2, 1], second: [1, 1] })
  assert.match(outcomes.first?.output ?? '', 'a variable of the environment has changed: LEFT\n')
})

test('a process that fails when all of its files have ended well has failed', async () => {
  const exits = 'process.on("exit", () => { if (process.argv.length > 2) process.exitCode = 3 })'
  assert.equal(counts(await together({ first: `${exits}; ${PASSES}`, second: PASSES })), {
    first: [2, 0],
    second: [2, 1],
  })
})

test('a file that was not built has failed', async () => {
  const { failed, output } = await runAlone({ name: 'a', script: '/there/is/no/such/file.js' })
  assert.is(failed, 1)
  assert.match(output, 'was not built')
})

test.run()
