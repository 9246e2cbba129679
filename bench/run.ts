import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { type Checkout, checkOut, comparison } from './against.js'
import { judge, readBudgets } from './budgets.js'
import { CONTESTANTS, DIRECT, ROOT, THINWIRE, thinwire } from './contestants.js'
import { describeMachine, placeProcesses } from './machine.js'
import { runMicro } from './micro/run.js'
import { HELP, type Options, readOptions } from './options.js'
import { profileFlags, topFunctions } from './profile.js'
import { Recorder } from './recorder.js'
import type { Results } from './results.js'
import { sized } from './scenario.js'
import { SCENARIOS } from './scenarios.js'
import { runSuite } from './suite.js'
import { breaches, figureTable, verdictTable } from './table.js'

const HELD = 0
const BROKEN = 1
const CANNOT = 2

const say = (line: string): boolean => process.stdout.write(`${line}\n`)
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
  const placement = placeProcesses()
  const rounds = options.rounds ?? sized(mode, { whole: 7, quick: 3, smoke: 1 })
  const record = new Recorder()
  const suite = { record, mode, rounds, placement, thinwireFlags: [], onProgress: progress }
  if (options.profile) {
    // Not below the process's own folder, which goes with it.
    const folder = resolve(options.out, 'profiles')
    await runSuite([THINWIRE], scenarios, { ...suite, thinwireFlags: profileFlags(folder) })
    for (const line of topFunctions(folder)) say(line)
    return HELD
  }
  if (options.against !== null) {
    progress(`building ${options.against}`)
    const before: Checkout = checkOut(options.against, ROOT)
    try {
      await runSuite([DIRECT, thinwire('before', before.root), THINWIRE], scenarios, suite)
    } finally {
      before.remove()
    }
    for (const line of comparison(record.series)) say(line)
    return HELD
  }
  if (micro) {
    progress('micro: parts of the way of a request, beside the usual way to do them')
    await runMicro(record, Math.min(rounds, 3), sized(mode, { whole: 300, quick: 80, smoke: 20 }))
  }
  const { missing } = await runSuite(scenarios.length === 0 ? [] : CONTESTANTS, scenarios, suite)
  record.deriveAdded('first_byte', 'first_byte_p50', 'first_byte_added_p50')
  record.deriveAdded('first_byte', 'first_byte_p99', 'first_byte_added_p99')
  record.deriveAdded('prompts', 'first_byte_100k_p50', 'first_byte_100k_added_p50')
  record.deriveAdded('prompts', 'first_byte_1m_p50', 'first_byte_1m_added_p50')

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
  mkdirSync(options.out, { recursive: true })
  writeFileSync(join(options.out, 'results.json'), `${JSON.stringify(results, null, 1)}\n`)

  for (const line of figureTable(results)) say(line)
  say('')
  for (const line of verdictTable(results.verdicts)) say(line)
  say('')
  const broken = breaches(results.verdicts)
  for (const line of broken) say(line)
  return broken.length > 0 && mode !== 'smoke' ? BROKEN : HELD
}

process.exitCode = await main().catch((error: unknown) => {
  progress(`bench: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
  return CANNOT
})
