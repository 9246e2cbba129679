import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { BEGIN, readSections } from './sections.js'

/** A file that runs for longer hangs. */
const LIMIT_MS = 300_000

const MANY = fileURLToPath(new URL('many.js', import.meta.url))

/** A file of tests. */
export interface TestFile {
  /** As it is shown. */
  readonly name: string
  /** Its built script, with its whole path. */
  readonly script: string
}

export interface Outcome {
  readonly file: string
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly seconds: number
  readonly output: string
}

interface Ended {
  readonly code: number | null
  readonly stdout: string
  /** Of stdout and stderr. */
  readonly output: string
  readonly isLate: boolean
  readonly seconds: number
}

/** The groups of processes that run now, by their leader. */
const running = new Set<ChildProcess>()

/** Ends all files that run now. */
export function killAll(): void {
  for (const child of running) killGroup(child)
}

/** Runs a file in a process of its own, so that if it hangs, leaks or crashes it fails by itself. */
export async function runAlone({ name, script }: TestFile): Promise<Outcome> {
  if (!existsSync(script)) return failure(name, 'was not built: npm run build')
  const { code, stdout, output, seconds } = await run([script], LIMIT_MS)
  return { file: name, ...countTests(stdout, code), seconds, output }
}

/**
 * Runs files in one process. If anything is wrong with it, each of them runs again in a process of its own, and what
 * comes of that is what counts: so the failure is told of the right file, and the others have run. A failure that is
 * then gone is still a failure, of the file at which it was seen first; and so is what a file has left behind.
 */
export async function runTogether(files: readonly TestFile[], limitMs = LIMIT_MS): Promise<Outcome[]> {
  const { code, stdout, output, isLate } = await run([MANY, ...files.map(({ script }) => script)], limitMs)
  const sections = readSections(stdout)
  const together = files.map(({ name, script }) => {
    const { output = '', seconds = null } = sections.get(script) ?? {}
    if (seconds === null) return failure(name, output)
    return { file: name, ...countTests(output, 0), seconds, output }
  })
  const firstFailed = together.findIndex(({ failed }) => failed > 0)
  const isWell = code === 0 && firstFailed === -1
  // If all have ended well, only then did the process fail: which of them did it cannot be seen.
  const seenAt = firstFailed === -1 ? files.length - 1 : firstFailed
  const outcomes = isWell ? together : await runAgain(files, seenAt, output, isLate)
  return outcomes.map((outcome, i) => {
    const leftovers = sections.get(files[i]?.script ?? '')?.leftovers ?? []
    if (leftovers.length === 0) return outcome
    const lines = ['left something behind in a process that it shares:', ...leftovers, outcome.output]
    return { ...outcome, failed: Math.max(outcome.failed, 1), output: lines.join('\n') }
  })
}

/** @param seenAt which of the files seems to have failed in one process with the others, which wrote `output` */
async function runAgain(
  files: readonly TestFile[],
  seenAt: number,
  output: string,
  isLate: boolean,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (const [i, file] of files.entries()) {
    // One that hangs is not waited for twice.
    if (isLate && i === seenAt) outcomes.push(failure(file.name, output))
    else outcomes.push(await runAlone(file))
  }
  if (outcomes.every(({ failed }) => failed === 0)) {
    const text = `passes by itself, but failed in one process with others of its folder:\n${output}`
    outcomes[seenAt] = { ...(outcomes[seenAt] as Outcome), failed: 1, output: text }
  }
  return outcomes
}

function failure(file: string, output: string): Outcome {
  return { file, passed: 0, failed: 1, skipped: 0, seconds: 0, output }
}

function run(args: readonly string[], limitMs: number): Promise<Ended> {
  const startedAt = performance.now()
  return new Promise((resolve) => {
    const { FORCE_COLOR: _, ...env } = process.env
    // A group of its own: what a test has started ends with it, else it would hold the output open, and the run up.
    const child = spawn(process.execPath, ['--enable-source-maps', ...args], {
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
      // The limit is for each file of several.
      if (text.includes(BEGIN)) timer.refresh()
      stdout += text
      hear(text)
    })
    child.stderr.setEncoding('utf8').on('data', hear)
    let isLate = false
    const timer = setTimeout(() => {
      isLate = true
      killGroup(child)
    }, limitMs)
    child.on('error', (error) => hear(`\n${error.message}\n`))
    child.on('exit', () => killGroup(child))
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      running.delete(child)
      if (isLate) hear(`\nstill ran after ${limitMs / 1000} s and was killed\n`)
      else if (signal !== null) hear(`\nwas ended by ${signal}\n`)
      resolve({ code, stdout, output, isLate, seconds: (performance.now() - startedAt) / 1000 })
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
export function countTests(
  stdout: string,
  code: number | null,
): Pick<Outcome, 'passed' | 'failed' | 'skipped'> {
  const closing = /^ {2}Total: +(\d+)\n {2}Passed: +(\d+)\n {2}Skipped: +(\d+)$/gm
  const [, total = 0, passed = 0, skipped = 0] =
    [...stripVTControlCharacters(stdout).matchAll(closing)].at(-1)?.map(Number) ?? []
  const failed = total - passed
  return { passed, skipped, failed: failed === 0 && (code !== 0 || total + skipped === 0) ? 1 : failed }
}
