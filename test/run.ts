import { spawn } from 'node:child_process'
import { existsSync, readdirSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/**
 * The test runner: each test file in a process of its own, two at a time, so that a file that hangs, leaks or
 * crashes fails by itself. Files are found among the sources, so that stale build output never runs.
 *
 * Arguments select files by a part of their path. The last line is `N passed, N failed`, in tests.
 */

const AT_ONCE = 2
const LIMIT_MS = 120_000

const ROOT = fileURLToPath(new URL('../../', import.meta.url))

interface Outcome {
  readonly file: string
  readonly passed: number
  readonly failed: number
  readonly skipped: number
  readonly seconds: number
  readonly output: string
}

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
    const child = spawn(process.execPath, ['--enable-source-maps', script], {
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    let output = ''
    let late = false
    child.stdout.on('data', (text) => {
      output += text
    })
    child.stderr.on('data', (text) => {
      output += text
    })
    const timer = setTimeout(() => {
      late = true
      child.kill('SIGKILL')
    }, LIMIT_MS)
    child.on('close', (code) => {
      clearTimeout(timer)
      if (late) output += `\nstill ran after ${LIMIT_MS / 1000} s and was killed`
      const seconds = (performance.now() - startedAt) / 1000
      resolve({ file, ...count(output, code), seconds, output })
    })
  })
}

/**
 * Tests as uvu counts them in its closing lines. Its exit code alone will not do: a `before` hook that throws leaves it
 * at 0 with tests that never ran.
 */
function count(output: string, code: number | null): Pick<Outcome, 'passed' | 'failed' | 'skipped'> {
  const number = (label: string): number =>
    Number(new RegExp(`^ {2}${label}: +(\\d+)`, 'm').exec(output)?.[1] ?? 0)
  const total = number('Total')
  const passed = number('Passed')
  const failed = total - passed
  return {
    passed,
    skipped: number('Skipped'),
    failed: failed === 0 && (code !== 0 || total === 0) ? 1 : failed,
  }
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
      const notes = outcome.skipped > 0 ? `, ${outcome.skipped} SKIPPED` : ''
      const mark = outcome.failed > 0 ? 'FAIL' : 'ok  '
      say(`${mark} ${file.padEnd(52)} ${outcome.passed} in ${outcome.seconds.toFixed(1)} s${notes}`)
      if (outcome.failed > 0) say(`${outcome.output}\n`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, work))

  const failing = outcomes.filter((outcome) => outcome.failed > 0)
  const sum = (pick: (outcome: Outcome) => number): number =>
    outcomes.reduce((all, outcome) => all + pick(outcome), 0)
  say('')
  if (files.length === 0) say('no test file was found')
  for (const outcome of failing) say(`failed: ${outcome.file}`)
  say(`${files.length} files`)
  const failed = sum((outcome) => outcome.failed) + (files.length === 0 ? 1 : 0)
  say(`${sum((outcome) => outcome.passed)} passed, ${failed} failed`)
  process.exitCode = failed > 0 ? 1 : 0
}

await main()
