import * as assert from 'uvu/assert'
import { until } from '../until.js'
import type { Outcome } from './front-client.js'
import type { LoadOptions } from './load.js'
import { countOutcomes, Load } from './load.js'
import type { FrontProvider } from './provider.js'
import type { RelaySet } from './relay-set.js'

/** What happened while a front was under load. */
export interface FailoverReport {
  readonly outcomes: readonly Outcome[]
  /** `performance.now()` when the fault began, and when everything was healthy again. */
  readonly faultAt: number
  readonly healedAt: number
  readonly load: Load
}

/** Clients before, during and after a fault. */
export async function runUnderLoad(
  options: LoadOptions,
  fault: (load: Load) => Promise<void>,
): Promise<FailoverReport> {
  const load = new Load(options)
  try {
    await load.passes(20)
    const faultAt = performance.now()
    await fault(load)
    const healedAt = performance.now()
    await load.passes(20)
    const isBack = ({ from, ended, isDirect }: Outcome): boolean =>
      from >= healedAt && ended === 'whole' && !isDirect
    await until(() => load.outcomes.some(isBack), 'the relays to serve again')
    return { outcomes: await load.stop(), faultAt, healedAt, load }
  } catch (error) {
    await load.stop()
    throw error
  }
}

/** Those that did not get their whole answer. */
export function lostOf(outcomes: readonly Outcome[]): Outcome[] {
  return outcomes.filter(({ ended }) => ended !== 'whole')
}

/** Requests that were open when the fault began may be lost with the relay that had them: they were sent. */
export function assertOnlyOpenOnesLost({ outcomes, faultAt }: FailoverReport, until = faultAt): void {
  assert.equal(
    lostOf(outcomes).filter(({ from, to }) => from > until || to < faultAt),
    [],
    'lost, although a healthy way could have served them',
  )
}

/**
 * While a relay can take requests, none goes direct. The fronts look whether a relay answers within two seconds: where
 * a request took longer than half of that, this machine is too busy to tell.
 */
export function assertNoneDirect({ outcomes }: FailoverReport): void {
  const slowest = Math.max(
    ...outcomes.filter(({ ended }) => ended === 'whole').map(({ from, to }) => to - from),
  )
  const direct = outcomes.filter(({ isDirect }) => isDirect)
  if (slowest > 1_000 && direct.length > 0)
    process.stdout.write(
      `${direct.length} requests went direct: too busy a machine, the slowest took ${slowest.toFixed(0)} ms\n`,
    )
  else assert.equal(direct, [])
}

/**
 * Kills one relay, then both, each time under load: what they had open may be lost, and nothing after. Without any
 * relay, requests go direct; with one, none does.
 */
export async function tryKills(
  set: RelaySet,
  tryFault: (part: number, name: string, fault: (load: Load) => Promise<void>) => Promise<FailoverReport>,
): Promise<void> {
  let goneAt = 0
  const one = await tryFault(1, 'one relay killed', async (load) => {
    goneAt = await set.first.kill()
    await load.passes(40)
    await set.first.start()
  })
  assertOnlyOpenOnesLost(one, goneAt)
  assert.not.ok(one.outcomes.some(({ isDirect }) => isDirect))
  const both = await tryFault(2, 'both relays killed', async (load) => {
    goneAt = await set.killAll()
    await load.passes(60)
    await set.startAll()
  })
  assertOnlyOpenOnesLost(both, goneAt)
  assert.ok(both.outcomes.some(({ isDirect }) => isDirect))
}

/** What must hold whatever happened: nothing sent twice, and no part of an answer that looks whole. */
export function assertCounts(outcomes: readonly Outcome[], provider: FrontProvider): void {
  assert.equal(provider.twice.slice(0, 5), [], 'requests that the provider got twice')
  assert.equal(
    outcomes.filter(({ ended }) => ended === 'false-whole'),
    [],
    'answers that looked whole',
  )
}

/** One line for the record of a run: how clients fared, and how long it took until the other way served. */
export function describeRun(name: string, { outcomes, faultAt, healedAt }: FailoverReport): string {
  const counts = countOutcomes(outcomes)
  const after = outcomes.filter(({ from, ended }) => from >= faultAt && ended === 'whole')
  const switched = Math.min(...after.map(({ to }) => to)) - faultAt
  const back = Math.min(
    ...outcomes.filter(({ from, isDirect }) => from >= healedAt && !isDirect).map(({ to }) => to),
  )
  const slowest = Math.max(...after.map(({ from, to }) => to - from))
  const words = Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([ended, count]) => `${count} ${ended}`)
  return `${name}: ${outcomes.length} requests, ${words.join(', ')}; first answer after ${switched.toFixed(0)} ms, back after ${(back - healedAt).toFixed(0)} ms, slowest ${slowest.toFixed(0)} ms\n`
}
