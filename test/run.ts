import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { isPure } from './runner/purity.js'
import { killAll, type Outcome, runAlone, runTogether, type TestFile } from './runner/run-files.js'

/**
 * The test runner: each test file in a process of its own, three at a time, so that a file that hangs, leaks or
 * crashes fails by itself. Pure files share a process with those of their folder, since they cannot disturb each other.
 * Files are found among the sources, so that stale build output never runs.
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

/** Files that run in one process each: the pure ones of a folder, and each other file for itself. */
function group(files: readonly string[]): string[][] {
  const groups = new Map<string, string[]>()
  for (const file of files) {
    const isShared = isPure(`test/${file.replace(/\.ts$/, '.js')}`, readBuilt)
    const name = isShared ? (file.split('/', 1)[0] as string) : file
    groups.set(name, [...(groups.get(name) ?? []), file])
  }
  return [...groups.values()]
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
  const queue = group(files)
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
