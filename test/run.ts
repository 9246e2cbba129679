import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'

/**
 * The test runner: each test file in a process of its own, two at a time, so that a file that hangs, leaks or
 * crashes fails by itself. Files are found among the sources, so that stale build output never runs.
 *
 * Arguments select files by a part of their path. The last line is `N passed, N failed`, in tests.
 */

const AT_ONCE = 2
const LIMIT_MS = 300_000

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

interface Outcome {
  readonly file: string
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly seconds: number
  readonly output: string
}

/** The groups of processes that run now, by their leader. */
const running = new Set<ChildProcess>()

function findFiles(wanted: readonly string[]): string[] {
  return readdirSync(`${ROOT}test`, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.test.ts'))
    .filter((file) => wanted.length === 0 || wanted.some((part) => file.includes(part)))
    .sort()
}

function runFile(file: string): Promise<Outcome> {
  const script = `${ROOT}dist/test/${file.replace(/\.ts$/, '.js')}`
  const startedAt = performance.now()
  return new Promise((resolve) => {
    if (!existsSync(script)) {
      resolve({ file, passed: 0, failed: 1, skipped: 0, seconds: 0, output: 'was not built: npm run build' })
      return
    }
    const { FORCE_COLOR: _, ...env } = process.env
    // A group of its own: what a test has started ends with it, else it would hold the output open, and the run up.
    const child = spawn(process.execPath, ['--enable-source-maps', script], {
      env,
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    running.add(child)
    let output = ''
    // Counted apart, since nothing says in which order what was written to the two is read.
    let stdout = ''
    const hear = (text: string): void => {
      output += text
    }
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text
      hear(text)
    })
    child.stderr.setEncoding('utf8').on('data', hear)
    let late = false
    const timer = setTimeout(() => {
      late = true
      killGroup(child)
    }, LIMIT_MS)
    child.on('error', (error) => hear(`\n${error.message}\n`))
    child.on('exit', () => killGroup(child))
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      running.delete(child)
      if (late) hear(`\nstill ran after ${LIMIT_MS / 1000} s and was killed\n`)
      else if (signal !== null) hear(`\nwas ended by ${signal}\n`)
      const seconds = (performance.now() - startedAt) / 1000
      resolve({ file, ...count(stdout, code), seconds, output })
    })
  })
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, 'SIGKILL')
  } catch {
    // There is nobody left in it.
  }
}

/**
 * Tests as uvu counts them in its closing lines. Its exit code alone will not do: a `before` hook that throws leaves it
 * at 0 with tests that never ran. Nor will the lines: a file may fail after them.
 */
function count(stdout: string, code: number | null): Pick<Outcome, 'passed' | 'failed' | 'skipped'> {
  const closing = /^ {2}Total: +(\d+)\n {2}Passed: +(\d+)\n {2}Skipped: +(\d+)$/gm
  const [, total = 0, passed = 0, skipped = 0] =
    [...stripVTControlCharacters(stdout).matchAll(closing)].at(-1)?.map(Number) ?? []
  const failed = total - passed
  return { passed, skipped, failed: failed === 0 && (code !== 0 || total === 0) ? 1 : failed }
}

async function main(): Promise<void> {
  const files = findFiles(process.argv.slice(2))
  const outcomes: Outcome[] = []
  const queue = [...files]
  const say = (text: string): boolean => process.stdout.write(`${text}\n`)
  const work = async (): Promise<void> => {
    for (let file = queue.shift(); file !== undefined; file = queue.shift()) {
      const outcome = await runFile(file)
      outcomes.push(outcome)
      const mark = outcome.failed > 0 ? 'FAIL' : 'ok  '
      say(`${mark} ${file.padEnd(50)} ${outcome.passed} in ${outcome.seconds.toFixed(1)} s`)
      if (outcome.failed > 0) say(`${outcome.output}\n`)
    }
  }
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      for (const child of running) killGroup(child)
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
