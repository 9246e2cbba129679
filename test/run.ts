import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { groupFiles, type Lane, openLanes, takeNext } from './runner/groups.js'
import { killAll, type Outcome, runAlone, runTogether, type TestFile } from './runner/run-files.js'
import { openScratch } from './runner/scratch.js'
import { type GroupRun, runFailedAgain } from './runner/second-run.js'
import { mayShare } from './runner/sharing.js'

/**
 * The test runner: processes of test files, three at a time. Files that start processes, or change or measure their own,
 * have one for themselves; the others share one with a few of their folder, and must leave nothing behind in it. Files are
 * found among the sources, so that stale build output never runs.
 *
 * What fails runs once more when nothing else runs (`runner/second-run.ts`).
 *
 * Arguments select files by a part of their path. The last line is `N passed, N failed`, in tests.
 */

const LAST_LINES = 30
const LONGEST_LINE = 400

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

/** Runs files in one process, or one alone, and says what came of them. */
async function runGroup(files: readonly TestFile[], say: (text: string) => void): Promise<Outcome[]> {
  const [first, ...others] = files
  if (first === undefined) return []
  const outcomes = others.length === 0 ? [await runAlone(first)] : await runTogether(files)
  for (const { file, passed, failed, seconds, output } of outcomes) {
    const mark = failed > 0 ? 'FAIL' : 'ok  '
    say(`${mark} ${file.padEnd(50)} ${passed} in ${seconds.toFixed(1)} s`)
    if (failed > 0) say(`${output}\n`)
  }
  return outcomes
}

/** The last lines of what a failed file wrote: whoever sees only the end of a long log knows what happened. */
function endOf(output: string): string {
  const lines = output.split('\n').filter((line) => line.trim() !== '')
  return lines
    .slice(-LAST_LINES)
    .map((line) => `  ${line.slice(0, LONGEST_LINE)}`)
    .join('\n')
}

async function main(): Promise<void> {
  const files = findFiles(process.argv.slice(2))
  const closeScratch = openScratch(process.env)
  const firstRuns: GroupRun[] = []
  const groups = groupFiles(files, (file) => mayShare(`test/${file.replace(/\.ts$/, '.js')}`, readBuilt))
  const say = (text: string): boolean => process.stdout.write(`${text}\n`)
  const work = async (lane: Lane): Promise<void> => {
    for (let group = takeNext(lane); group !== undefined; group = takeNext(lane)) {
      const files = group.map(toTestFile)
      firstRuns.push({ files, outcomes: await runGroup(files, say) })
    }
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      killAll()
      closeScratch?.()
      process.kill(process.pid, signal)
    })
  }
  await Promise.all(openLanes(groups).map(work))
  const { runs, unsteady } = await runFailedAgain(firstRuns, (files) => runGroup(files, say))
  closeScratch?.()
  const outcomes = runs.flatMap((run) => run.outcomes)

  const sum = (pick: (outcome: Outcome) => number): number =>
    outcomes.reduce((all, outcome) => all + pick(outcome), 0)
  const passed = sum((outcome) => outcome.passed)
  const failed = sum((outcome) => outcome.failed) + (files.length === 0 ? 1 : 0)
  say('')
  if (files.length === 0) say('no test file was found')
  for (const { file, skipped } of outcomes) if (skipped > 0) say(`warning: ${skipped} skipped in ${file}`)
  for (const file of unsteady) say(`warning: ${file} failed, and passed when nothing else ran`)
  for (const { file, failed, output } of outcomes) if (failed > 0) say(`failed: ${file}\n${endOf(output)}`)
  say(`${files.length} files, ${passed + failed} tests`)
  say(`${passed} passed, ${failed} failed`)
  process.exitCode = failed > 0 ? 1 : 0
}

await main()
