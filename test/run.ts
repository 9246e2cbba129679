import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { groupFiles } from './runner/groups.js'
import { killAll, type Outcome, runAlone, runTogether, type TestFile } from './runner/run-files.js'
import { mayShare } from './runner/sharing.js'

/**
 * The test runner: processes of test files, three at a time. Files that start processes, or change or measure their own,
 * have one for themselves; the others share one with a few of their folder, and must leave nothing behind in it. Files are
 * found among the sources, so that stale build output never runs.
 *
 * Arguments select files by a part of their path. The last line is `N passed, N failed`, in tests.
 */

/** More than there are cores where the suite is meant to run (two): half of their time, tests wait. */
const AT_ONCE = 3

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

function findFiles(wanted: readonly string[]): string[] {
  return readdirSync(`${ROOT}test`, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
    .sort()
}

/** A built file, by its path in `dist`; null if there is none. */
function readBuilt(path: string): string | null {
  try {
    return readFileSync(`${ROOT}dist/${path}`, 'utf8')
  } catch {
    return null
  }
}

function toTestFile(file: string): TestFile {
  return { name: file, script: `${ROOT}dist/test/${file.replace(/\.ts$/, '.js')}` }
}

async function main(): Promise<void> {
  const files = findFiles(process.argv.slice(2))
  const outcomes: Outcome[] = []
  const queue = groupFiles(files, (file) => mayShare(`test/${file.replace(/\.ts$/, '.js')}`, readBuilt))
  const say = (text: string): boolean => process.stdout.write(`${text}\n`)
  const work = async (): Promise<void> => {
    for (let group = queue.shift(); group !== undefined; group = queue.shift()) {
      const [first, ...others] = group.map(toTestFile)
      if (first === undefined) continue
      for (const outcome of others.length === 0
        ? [await runAlone(first)]
        : await runTogether([first, ...others])) {
        outcomes.push(outcome)
        const mark = outcome.failed > 0 ? 'FAIL' : 'ok  '
        say(`${mark} ${outcome.file.padEnd(50)} ${outcome.passed} in ${outcome.seconds.toFixed(1)} s`)
        if (outcome.failed > 0) say(`${outcome.output}\n`)
      }
    }
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      killAll()
      process.kill(process.pid, signal)
    })
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))

  const sum = (pick: (outcome: Outcome) => number): number =>
    outcomes.reduce((all, outcome) => all + pick(outcome), 0)
  const passed = sum((outcome) => outcome.passed)
  const failed = sum((outcome) => outcome.failed) + (files.length === 0 ? 1 : 0)
  say('')
  if (files.length === 0) say('no test file was found')
  for (const { file, skipped } of outcomes) if (skipped > 0) say(`warning: ${skipped} skipped in ${file}`)
  for (const outcome of outcomes) if (outcome.failed > 0) say(`failed: ${outcome.file}`)
  say(`${files.length} files, ${passed + failed} tests`)
  say(`${passed} passed, ${failed} failed`)
  process.exitCode = failed > 0 ? 1 : 0
}

await main()
