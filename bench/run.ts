import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { checkOut, comparison } from './against.js'
import { judge, readBudgets } from './budgets.js'
import { CONTESTANTS, type Contestant, DIRECT, ROOT, THINWIRE, thinwire } from './contestants.js'
import { describeMachine, placeProcesses } from './machine.js'
import { LONG } from './micro/pairs.js'
import { runMicro } from './micro/run.js'
import { HELP, type Options, readOptions } from './options.js'
import { installPortkey } from './peers.js'
import { profileFlags, topFunctions } from './profile.js'
import { Recorder } from './recorder.js'
import { report } from './report.js'
import type { Results } from './results.js'
import { type BySize, type Scenario, sized } from './scenario.js'
import { SCENARIOS } from './scenarios.js'
import { ROUNDS, runSuite, type SuiteOptions } from './suite.js'
import { breaches, figureTable, verdictTable } from './table.js'

const HELD = 0
const BROKEN = 1
const CANNOT = 2

/** Few rounds are enough, because these figures vary little. */
const MICRO_ROUNDS: BySize<number> = { whole: 3, quick: 2, smoke: 1 }

const print = (line: string): boolean => process.stdout.write(`${line}\n`)
const progress = (line: string): boolean => process.stderr.write(`${line}\n`)

async function main(): Promise<number> {
  let options: Options | 'help'
  try {
    options = readOptions(process.argv.slice(2))
  } catch (error) {
    progress(`bench: ${(error as Error).message}`)
    return CANNOT
  }
  if (options === 'help') {
    process.stdout.write(HELP)
    return HELD
  }
  const { mode, only } = options
  const scenarios = SCENARIOS.filter((scenario) => only.length === 0 || only.includes(scenario.name))
  const micro = only.length === 0 || only.includes('micro')
  const unknown = only.find(
    (name) => name !== 'micro' && !SCENARIOS.some((scenario) => scenario.name === name),
  )
  if (unknown !== undefined) {
    progress(
      `bench: no scenario ${unknown}; there are micro, ${SCENARIOS.map((scenario) => scenario.name).join(', ')}`,
    )
    return CANNOT
  }
  if (scenarios.length === 0 && (options.profile || options.against !== null)) {
    progress('bench: --profile and --against are for scenarios with processes, which micro has not')
    return CANNOT
  }
  const suite: SuiteOptions = {
    record: new Recorder(),
    mode,
    rounds: options.rounds,
    placement: placeProcesses(),
    thinwireFlags: [],
    onProgress: progress,
  }
  if (options.profile) return profile(scenarios, suite, options.out)
  if (options.against !== null) return compare(scenarios, suite, options.against)
  if (!options.peers) return holdBudgets(scenarios, micro, CONTESTANTS, suite, options.out)
  progress('installing peers')
  const { contestant, remove } = installPortkey()
  // Thinwire stays last, because it is measured against the others.
  const all = [...CONTESTANTS.slice(0, -1), contestant, ...CONTESTANTS.slice(-1)]
  return holdBudgets(scenarios, micro, all, suite, options.out).finally(remove)
}

async function profile(scenarios: readonly Scenario[], suite: SuiteOptions, out: string): Promise<number> {
  // Absolute, because the relay runs in another folder. Profiles of earlier runs are removed.
  const folder = resolve(out, 'profiles')
  rmSync(folder, { recursive: true, force: true })
  await runSuite([THINWIRE], scenarios, { ...suite, thinwireFlags: profileFlags(folder) })
  for (const line of topFunctions(folder)) print(line)
  return HELD
}

async function compare(scenarios: readonly Scenario[], suite: SuiteOptions, ref: string): Promise<number> {
  progress(`building ${ref}`)
  // A scenario that loads code into Thinwire cannot run with another checkout: the code imports modules of this one.
  const comparable = scenarios.filter((scenario) => scenario.loaded === null)
  const before = checkOut(ref, ROOT)
  try {
    await runSuite([DIRECT, thinwire('before', before.root), THINWIRE], comparable, suite)
  } finally {
    before.remove()
  }
  for (const line of comparison(suite.record.series)) print(line)
  return HELD
}

async function holdBudgets(
  scenarios: readonly Scenario[],
  micro: boolean,
  contestants: readonly Contestant[],
  suite: SuiteOptions,
  out: string,
): Promise<number> {
  const { record, mode, placement } = suite
  const rounds = suite.rounds ?? sized(mode, ROUNDS)
  if (micro) {
    progress('micro: parts of the way of a request, beside the usual way to do them')
    await runMicro(
      record,
      Math.min(rounds, sized(mode, MICRO_ROUNDS)),
      sized(mode, { whole: 300, quick: 80, smoke: 1 }),
      sized(mode, { whole: 64, quick: 64, smoke: 1 }),
      sized(mode, { whole: LONG, quick: LONG, smoke: { bytes: 30_000, turns: 12 } }),
    )
  }
  const missing = scenarios.length === 0 ? {} : await runSuite(contestants, scenarios, suite)
  const measured = new Set(scenarios.map((scenario) => scenario.name))
  if (micro) measured.add('micro')
  const budgets = readBudgets(new URL('../../bench/budgets.json', import.meta.url))
  const results: Results = {
    v: 1,
    takenAt: new Date().toISOString(),
    mode,
    machine: describeMachine(placement),
    rounds,
    missing,
    series: record.series,
    distributions: record.distributions,
    verdicts: judge(
      budgets.filter((budget) => measured.has(budget.scenario)),
      record.series,
      missing,
    ),
  }
  mkdirSync(out, { recursive: true })
  writeFileSync(join(out, 'results.json'), `${JSON.stringify(results, null, 1)}\n`)
  writeFileSync(join(out, 'report.html'), report(results))

  for (const line of figureTable(results)) print(line)
  print('')
  for (const line of verdictTable(results.verdicts)) print(line)
  print('')
  const broken = breaches(results.verdicts)
  for (const line of broken) print(line)
  print(`${join(out, 'report.html')} has the plots, ${join(out, 'results.json')} all figures`)
  return broken.length > 0 && mode !== 'smoke' ? BROKEN : HELD
}

process.exitCode = await main().catch((error: unknown) => {
  progress(`bench: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  return CANNOT
})
