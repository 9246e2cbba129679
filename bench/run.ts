import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Checkout, checkOut, comparison, newestTag } from './against.js'
import { judge, readBudgets } from './budgets.js'
import { Watch } from './busyness.js'
import { measureCapacity } from './capacity.js'
import { CONTESTANTS, type Contestant, DIRECT, lastRelease, ROOT, THINWIRE, thinwire } from './contestants.js'
import { describeMachine, placeProcesses } from './machine.js'
import { LONG } from './micro/pairs.js'
import { runMicro } from './micro/run.js'
import { HELP, type Options, readOptions } from './options.js'
import { comparePeers } from './peers.js'
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
const NO_VERDICT = 3

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
  if (options.capacity) {
    for (const line of await measureCapacity(suite, options.out)) print(line)
    return HELD
  }
  if (options.profile) return profile(scenarios, suite, options.out)
  if (options.against !== null) return compare(scenarios, suite, options.against)
  if (!options.peers) return holdBudgets(scenarios, micro, [], suite, options)
  const { lines, busy } = await comparePeers(scenarios, suite, options.peersIn, options.out)
  for (const line of lines) print(line)
  return busy === null || mode === 'smoke' ? HELD : NO_VERDICT
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
  const watch = await Watch.begin(suite.placement)
  try {
    await runSuite([DIRECT, thinwire('before', before.root), THINWIRE], comparable, suite)
  } finally {
    before.remove()
  }
  const busy = watch.whyBusy()
  for (const line of comparison(suite.record.series)) print(line)
  if (busy === null || suite.mode === 'smoke') return HELD
  print(`no verdict: ${busy}`)
  return NO_VERDICT
}

/** The last release for `holdBudgets`, built; or the reason why it takes no part. A smoke run builds only one that is named. */
function buildLast(named: string | null, mode: Options['mode']): Checkout | string {
  const ref = named ?? (mode === 'smoke' ? null : newestTag(ROOT))
  if (ref === null) return 'there is no tag, and none was named by --last'
  progress(`building ${ref}`)
  if (named !== null) return checkOut(ref, ROOT)
  try {
    return checkOut(ref, ROOT)
  } catch (error) {
    return (error as Error).message
  }
}

async function holdBudgets(
  scenarios: readonly Scenario[],
  micro: boolean,
  further: readonly Contestant[],
  suite: SuiteOptions,
  { last: named, out }: Options,
): Promise<number> {
  const { record, mode, placement } = suite
  const rounds = suite.rounds ?? sized(mode, ROUNDS)
  const watch = await Watch.begin(placement, mode === 'smoke' ? 0 : undefined)
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
  const missing: Record<string, string> = {}
  if (scenarios.length > 0) {
    const last = buildLast(named, mode)
    const others = [...further]
    if (typeof last === 'string') missing.last = last
    else others.push(lastRelease(last.root))
    // Thinwire stays the last, because it is measured against the others.
    const all = [...CONTESTANTS.slice(0, -1), ...others, ...CONTESTANTS.slice(-1)]
    try {
      Object.assign(missing, await runSuite(all, scenarios, suite))
    } finally {
      if (typeof last !== 'string') last.remove()
    }
  }
  const busy = watch.whyBusy()
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
    noVerdict: mode === 'smoke' ? null : busy,
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
  for (const line of verdictTable(results.verdicts, results.noVerdict !== null)) print(line)
  print('')
  const broken = breaches(results.verdicts)
  if (results.noVerdict === null) for (const line of broken) print(line)
  else print(`no verdict: ${results.noVerdict}`)
  print(`${join(out, 'report.html')} has the plots, ${join(out, 'results.json')} all figures`)
  if (results.noVerdict !== null) return NO_VERDICT
  return broken.length > 0 && mode !== 'smoke' ? BROKEN : HELD
}

process.exitCode = await main().catch((error: unknown) => {
  progress(`bench: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  return CANNOT
})
