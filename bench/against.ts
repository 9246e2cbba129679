import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Series } from './results.js'
import { median, ratioOfMedians } from './statistics.js'
import { align, digits, show } from './table.js'

/** A commit, checked out and built beside this checkout. */
export interface Checkout {
  readonly root: string
  remove(): void
}

/**
 * Checks a commit out into a folder of its own and builds it. Packages are this checkout's where both lock the same
 * ones, else they are installed.
 * @throws Error if there is no such commit, or it cannot be built
 */
export function checkOut(ref: string, here: string): Checkout {
  const root = join(mkdtempSync(join(tmpdir(), 'thinwire-before-')), 'checkout')
  const run = (command: string, args: readonly string[], cwd: string): string | null => {
    const { status, stdout, stderr, error } = spawnSync(command, args, { cwd, encoding: 'utf8' })
    return status === 0 ? null : (error?.message ?? `${stderr}${stdout}`.trim().split('\n')[0] ?? 'failed')
  }
  const remove = (): void => {
    rmSync(join(root, '..'), { recursive: true, force: true })
    run('git', ['worktree', 'prune'], here)
  }
  const problem = run('git', ['worktree', 'add', '--detach', root, ref], here)
  if (problem !== null) {
    remove()
    throw new Error(`cannot check out ${ref}: ${problem}`)
  }
  const lock = (folder: string): string => readFileSync(join(folder, 'package-lock.json'), 'utf8')
  let failed: string | null = null
  if (lock(root) === lock(here)) symlinkSync(join(here, 'node_modules'), join(root, 'node_modules'))
  else failed = run('npm', ['ci', '--no-audit', '--no-fund'], root)
  failed ??= run('npm', ['run', 'build'], root)
  if (failed !== null || !existsSync(join(root, 'dist', 'src', 'cli.js'))) {
    remove()
    throw new Error(`cannot build ${ref}: ${failed ?? 'it makes no dist/src/cli.js'}`)
  }
  return { root, remove }
}

/** The newest tag among the ancestors of this checkout's commit; null if there is none. */
export function newestTag(here: string): string | null {
  const { status, stdout } = spawnSync('git', ['describe', '--tags', '--abbrev=0'], {
    cwd: here,
    encoding: 'utf8',
  })
  return status === 0 ? stdout.trim() : null
}

/** Each figure of both, their ratio, and its 95 % interval. An interval that does not contain 1 is marked. */
export function comparison(series: readonly Series[]): string[] {
  const rows = [['figure', 'before', 'now', 'ratio', '95 % interval', '']]
  for (const now of series) {
    if (now.contestant !== 'thinwire') continue
    const before = series.find(
      (one) => one.contestant === 'before' && one.scenario === now.scenario && one.figure === now.figure,
    )
    if (before === undefined) continue
    const { ratio, low, high } = ratioOfMedians(now.values, before.values)
    rows.push([
      `${now.scenario} ${now.figure}`,
      show(median(before.values), now.unit),
      show(median(now.values), now.unit),
      `${digits(ratio)}x`,
      `${digits(low)} .. ${digits(high)}`,
      low > 1 || high < 1 ? '*' : '',
    ])
  }
  return align(rows)
}
