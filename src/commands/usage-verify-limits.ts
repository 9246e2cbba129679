import { setTimeout as sleep } from 'node:timers/promises'
import { KeyringError } from '../access/keyring.js'
import type { LimitRule } from '../config/limit-rules.js'
import { formatNumber, toUnit } from '../limits/responses/amount-text.js'
import { type Comparison, compareWithLedger, type Drift } from '../limits/snapshot/drift.js'
import { SNAPSHOT_FILE, type Snapshot } from '../limits/snapshot/snapshot-file.js'
import { findLiveness, type Liveness, readSnapshot } from '../limits/snapshot/snapshot-reader.js'
import { describeProblems } from './limit-sources.js'
import { describeOwner, describeWhat, formatWait } from './limits-table.js'
import { DONE, type Given, readOption, UsageProblem } from './usage-common.js'
import { wrapLine } from './wrap-line.js'

const DIFFERS = 1

/** Budgets that are printed. */
const MOST_SHOWN = 20

/** A relay that runs writes its counters within this time, in milliseconds. */
const NEXT_MS = 1_200

/** Looks at a relay that runs: a request that ends at this moment is in one of the two first. */
const MOST_LOOKS = 4

/** What was compared. */
interface Found extends Comparison {
  readonly snapshot: Snapshot
  readonly liveness: Liveness
}

/** `thinwire usage verify --limits`: compares counters of budgets with the ledger. @returns the exit code */
export async function verifyLimits({ folders, values, io }: Omit<Given, 'names'>): Promise<number> {
  const rules = await readRules({ values, io })
  const found = await compare(folders, rules)
  if (values.json === true) io.out.write(formatJson(found))
  else for (const line of formatText(found)) io.out.write(line)
  for (const line of describeProblems(found.problems)) io.err.write(`thinwire usage: ${line}\n`)
  const isSure = found.snapshot.restored && found.unwritten === 0 && found.problems.length === 0
  return found.drifts.length === 0 && isSure ? DONE : DIFFERS
}

async function readRules({ values, io }: Pick<Given, 'values' | 'io'>): Promise<readonly LimitRule[]> {
  try {
    return await io.limitRules(readOption(values, 'config'))
  } catch (error) {
    if (error instanceof KeyringError) throw new UsageProblem(error.message)
    throw error
  }
}

/** A difference of a relay that runs is looked at again: only one that stays is one. */
async function compare(folders: readonly string[], rules: readonly LimitRule[]): Promise<Found> {
  for (let look = 1; ; look++) {
    const { snapshot, problem } = await readSnapshot(folders[0] ?? '')
    const file = `${folders[0]}/${SNAPSHOT_FILE}`
    if (problem !== null) throw new UsageProblem(`${file} ${problem}`)
    if (snapshot === null) throw new UsageProblem(`there is no ${file}: no relay has counted anything`)
    const liveness = findLiveness(snapshot)
    const found = { ...(await compareWithLedger(folders, snapshot, rules)), snapshot, liveness }
    const isClean = found.drifts.length === 0 && found.unwritten === 0 && snapshot.restored
    if (isClean || liveness === 'ended' || liveness === 'killed' || look === MOST_LOOKS) return found
    await sleep(NEXT_MS)
  }
}

const STATES: { readonly [state in Liveness]: string } = {
  running: 'The relay runs',
  unknown: 'The relay is on another machine or in another container',
  ended: 'The relay has ended',
  killed: 'The relay was killed',
}

function formatText(found: Found): string[] {
  const { snapshot, liveness, compared, drifts, skipped, direct, unwritten, others } = found
  const age = formatWait(Date.now() - Date.parse(snapshot.written))
  const lines = [
    wrapLine('', `${STATES[liveness]} (process ${snapshot.pid}). Its counters have last changed ${age} ago.`),
  ]
  const budgets = compared === 1 ? '1 budget' : `${compared} budgets`
  lines.push(
    drifts.length === 0
      ? `${budgets} compared with the ledger: no drift\n`
      : `${budgets} compared with the ledger, ${drifts.length} with a drift:\n`,
  )
  const counted = new Set(snapshot.states.map(({ rule }) => rule.id))
  for (const drift of drifts.slice(0, MOST_SHOWN)) {
    lines.push(formatDrift(drift))
    if (!counted.has(drift.rule.id))
      lines.push(wrapLine('    ', 'the relay has no counter of it: does it run with this rule yet?'))
  }
  const more = drifts.length - MOST_SHOWN
  if (more > 0) lines.push(`and ${more} more; --json prints all\n`)
  if (skipped > 0)
    lines.push(wrapLine('', `Not compared: ${skipped} rates and places, which the ledger does not have.`))
  if (direct > 0)
    lines.push(
      wrapLine('', `Not counted: ${direct} requests without usage, which went directly to the provider.`),
    )
  if (!snapshot.restored)
    lines.push(
      wrapLine('', 'Not sure: the relay still reads the ledger, and budgets lack what it has not read.'),
    )
  if (unwritten > 0)
    lines.push(wrapLine('', `Not sure: the last ${unwritten} records of the relay are not in the ledger.`))
  if (others.length > 0)
    lines.push(
      wrapLine('', `Other relays have used this ledger since then (${others.join(', ')}): what they have`) +
        wrapLine('', 'recorded is not in these counters.'),
    )
  return lines
}

function formatDrift(drift: Drift): string {
  const { rule, owner, budget, period, live, ledger } = drift
  const difference = BigInt(live) - BigInt(ledger)
  const format = (value: Drift['live']): string =>
    `${formatNumber(budget.unit, value)} ${budget.unit === 'usd' ? 'USD' : 'tokens'}`
  const size = format(difference < 0n ? -difference : difference)
  const whose = describeOwner({ rule, owner })
  return (
    wrapLine('  ', `${rule.name}, ${whose}, ${describeWhat({ kind: 'budget', budget })}, ${period}`) +
    wrapLine(
      '    ',
      `counter ${format(live)}, ledger ${format(ledger)}: ${size} too ${difference < 0n ? 'little' : 'much'}`,
    )
  )
}

function formatJson({ snapshot, liveness, drifts, problems, ...found }: Found): string {
  const { writer, pid, written, restored } = snapshot
  return `${JSON.stringify({
    relay: { writer, process: pid, state: liveness, written, restored },
    ...found,
    problems,
    drift: drifts.map(({ rule, owner, budget, period, live, ledger }) => ({
      rule: rule.name,
      owner: rule.per === 'pool' ? null : owner,
      unit: budget.unit,
      period: budget.period,
      period_name: period,
      live: toUnit(budget.unit, live),
      ledger: toUnit(budget.unit, ledger),
    })),
  })}\n`
}
