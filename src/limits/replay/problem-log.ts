import type { Log } from '../../observe/log.js'
import { describeProblem, type ReplayProblem } from './replay.js'

/** Most files that are reported one by one. */
const MOST_REPORTED = 20

/** Logs what of the ledger could not be read. */
export function reportProblems(problems: readonly ReplayProblem[], log: Pick<Log, 'warn'>): void {
  for (const problem of problems.slice(0, MOST_REPORTED)) {
    const { path, kind, detail } = problem
    log.warn(
      { file: path, problem: kind, detail },
      `budgets count what is there: ${describeProblem(problem)}`,
    )
  }
  const others = problems.length - MOST_REPORTED
  if (others > 0) log.warn({ files: others }, `budgets count what is there: ${others} more files have faults`)
}
