import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Outcome, TestFile } from './run-files.js'
import { type GroupRun, runFailedAgain } from './second-run.js'

const outcome = (file: string, failed: number): Outcome => ({
  ...{ file, failed, passed: 2 - failed, skipped: 0, seconds: 1, output: '' },
})

/** A run of groups, by the failures of each of their files. */
function runsOf(groups: readonly (readonly number[])[]): GroupRun[] {
  return groups.map((failures, group) => ({
    files: failures.map((_, n) => ({ name: `${group}.${n}`, script: '' })),
    outcomes: failures.map((failed, n) => outcome(`${group}.${n}`, failed)),
  }))
}

/** Runs what failed again, and says which groups these were. */
async function runAgain(groups: readonly (readonly number[])[], failuresThen: number) {
  const seen: string[] = []
  const again = async (files: readonly TestFile[]): Promise<Outcome[]> => {
    seen.push(files.map(({ name }) => name).join(' '))
    return files.map(({ name }, n) => outcome(name, n === 0 ? failuresThen : 0))
  }
  const { runs, unsteady } = await runFailedAgain(runsOf(groups), again)
  const failed = runs.flatMap(({ outcomes }) => outcomes).reduce((sum, each) => sum + each.failed, 0)
  return { seen, unsteady, failed, groups: runs.length }
}

test('what passes does not run again', async () => {
  assert.equal(await runAgain([[0], [0, 0]], 1), { seen: [], unsteady: [], failed: 0, groups: 2 })
})

test('a group that failed runs again as it was, and the file that failed is named', async () => {
  const { seen, unsteady, failed } = await runAgain([[0], [0, 1, 0], [2]], 0)
  assert.equal(seen, ['1.0 1.1 1.2', '2.0'])
  assert.equal(unsteady, ['1.1', '2.0'])
  assert.is(failed, 0)
})

test('what fails twice has failed', async () => {
  assert.equal(await runAgain([[1], [0]], 1), { seen: ['0.0'], unsteady: [], failed: 1, groups: 2 })
})

test('where many fail, none gets a second run', async () => {
  assert.equal(await runAgain([[1], [1], [1], [1]], 0), { seen: [], unsteady: [], failed: 4, groups: 4 })
})

test.run()
