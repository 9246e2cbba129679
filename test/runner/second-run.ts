import type { Outcome, TestFile } from './run-files.js'

/** More groups than these that fail are no chance. */
const MAX_GROUPS = 3

/** Files that run in one process, or one alone, and what came of them. */
export interface GroupRun {
  readonly files: readonly TestFile[]
  readonly outcomes: readonly Outcome[]
}

export interface SecondRun {
  readonly runs: readonly GroupRun[]
  /** Files that have failed among others, and passed when nothing else ran. */
  readonly unsteady: readonly string[]
}

/**
 * Runs the groups that have failed once more, one after another, when nothing else runs: a machine that is too busy is
 * no fault of what is tested. What comes of that counts, and a file that has passed only then is named. If more than
 * three groups have failed, none runs again.
 * @param run as the group ran before
 */
export async function runFailedAgain(
  runs: readonly GroupRun[],
  run: (files: readonly TestFile[]) => Promise<readonly Outcome[]>,
): Promise<SecondRun> {
  const failed = runs.filter(hasFailed)
  if (failed.length > MAX_GROUPS) return { runs, unsteady: [] }
  const settled: GroupRun[] = []
  const unsteady: string[] = []
  for (const before of runs) {
    if (!hasFailed(before)) {
      settled.push(before)
      continue
    }
    const again = { files: before.files, outcomes: await run(before.files) }
    if (!hasFailed(again))
      unsteady.push(...before.outcomes.filter(({ failed }) => failed > 0).map(({ file }) => file))
    settled.push(again)
  }
  return { runs: settled, unsteady }
}

function hasFailed({ outcomes }: GroupRun): boolean {
  return outcomes.some(({ failed }) => failed > 0)
}
