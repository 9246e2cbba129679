import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Watch } from './busyness.js'
import type { Child } from './child.js'
import {
  BARE,
  type Contestant,
  DIRECT,
  NGINX,
  ROOT,
  type Surroundings,
  THINWIRE,
  TUNNEL,
} from './contestants.js'
import { describeMachine } from './machine.js'
import { type Bytes, ProbeUpstream, probeBytes } from './peers/bytes.js'
import { type Installation, installPeers, isThere } from './peers/install.js'
import { PEERS } from './peers/list.js'
import { contestantOf } from './peers/peer.js'
import { type Failures, scenariosFor, wordOf } from './peers/scenarios.js'
import { type Comparison, comparisonTables, type Row } from './peers/table.js'
import type { Scenario } from './scenario.js'
import { ROUNDS, runSuite, type SuiteOptions } from './suite.js'

/** What is no gateway, beside the gateways. */
const FLOORS: readonly (readonly [Contestant, string])[] = [
  [TUNNEL, '`node:net` tunnel'],
  [NGINX, 'nginx'],
  [BARE, 'bare `node:http` + undici'],
]

/** It only shows that a gateway takes the load of the warm-up. */
const TRIAL: Scenario = {
  name: 'trial',
  about: 'a trial of each gateway',
  baselines: null,
  fresh: false,
  loaded: null,
  rounds: { whole: 1, quick: 1, smoke: 1 },
  measure: async () => {},
}

/** Longest time for the start and the warm-up of all: gateways that need longer hang. */
const PATIENCE_MS = 240_000

interface Taking {
  readonly contestant: Contestant
  readonly row: Row
}

/**
 * Measures LLM gateways beside Thinwire and prints the tables of `bench/README.md`.
 * @param all the scenarios; those in which gateways are compared are taken from them
 * @param folder where `scripts/peers.sh` has installed them or will; null for a temporary folder
 * @param out folder for the results
 * @returns also why there is no verdict, on a busy machine
 */
export async function comparePeers(
  all: readonly Scenario[],
  suite: SuiteOptions,
  folder: string | null,
  out: string,
): Promise<{ readonly lines: readonly string[]; readonly busy: string | null }> {
  const { onProgress, placement, record, mode } = suite
  // A gateway does not see that the bench was ended: it has no channel to it. At an exit all are ended.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  onProgress('installing gateways')
  const installation = installPeers(ROOT, folder)
  try {
    const skipped = new Map<string, string>()
    let taking = await tryAll(installation, suite, skipped)
    const own = await bytesOf(THINWIRE, suite)
    const failures: Failures = new Map()
    const watch = await Watch.begin(placement)
    for (;;) {
      const measured = await measure(all, taking, failures, suite)
      if (!('lost' in measured)) break
      // Nothing has been recorded yet.
      skipped.set(measured.lost.row.title, measured.word)
      taking = taking.filter((one) => one !== measured.lost)
    }
    const busy = watch.whyBusy()
    const floors = FLOORS.filter(([{ name }]) =>
      record.series.some(({ contestant }) => contestant === name),
    ).map(([{ name }, title]) => ({
      name,
      title,
      version: null,
      bytes: null,
    }))
    const machine = describeMachine(placement)
    const date = new Date().toISOString().slice(0, 10)
    const comparison: Comparison = {
      date,
      machine,
      rounds: suite.rounds ?? ROUNDS[mode],
      rows: [
        ...floors,
        ...taking.map(({ row }) => row),
        { name: 'thinwire', title: '**Thinwire**', version: machine.commit ?? '', bytes: own },
      ],
      series: record.series,
      failures,
      skipped,
      busy,
    }
    const lines = comparisonTables(comparison)
    mkdirSync(out, { recursive: true })
    writeFileSync(join(out, 'peers.md'), `${lines.join('\n')}\n`)
    writeFileSync(
      join(out, 'peers.json'),
      `${JSON.stringify({ date, machine, series: record.series }, null, 1)}\n`,
    )
    return { lines, busy }
  } finally {
    if (folder === null) rmSync(installation.folder, { recursive: true, force: true })
  }
}

/** Starts each gateway that is installed, looks at its bytes, and gives it some load. @param skipped gets the others */
async function tryAll(
  { folder, peers }: Installation,
  suite: SuiteOptions,
  skipped: Map<string, string>,
): Promise<readonly Taking[]> {
  const taking: Taking[] = []
  for (const peer of PEERS) {
    const found = peers.find(({ name }) => name === peer.name)
    if (found === undefined || !isThere(found)) {
      skipped.set(peer.title, found?.word ?? 'unknown')
      continue
    }
    suite.onProgress(`trying ${peer.title} ${found.version}`)
    const contestant = contestantOf(peer, folder)
    try {
      const bytes = await bytesOf(contestant, suite)
      const trial: SuiteOptions = { ...suite, rounds: 1, onProgress: () => {} }
      const missing = await withPatience([contestant], (watched) => runSuite(watched, [TRIAL], trial))
      if (missing[peer.name] !== undefined) throw new Error(missing[peer.name])
      const title = `${peer.title} (${peer.language})`
      taking.push({ contestant, row: { name: peer.name, title, version: found.version, bytes } })
    } catch (error) {
      suite.onProgress(`${peer.title}: ${messageOf(error)}`)
      skipped.set(peer.title, wordOf(error))
    }
  }
  return taking
}

/** @returns a gateway that failed before the first round, so that nothing was measured */
async function measure(
  all: readonly Scenario[],
  taking: readonly Taking[],
  failures: Failures,
  suite: SuiteOptions,
): Promise<{ readonly lost: Taking; readonly word: string } | { readonly done: true }> {
  const names = taking.map(({ row }) => row.name)
  const gateways = taking.map(({ contestant }) => contestant)
  const scenarios = scenariosFor(all, names, failures)
  try {
    await withPatience(gateways, (watched, begun) => {
      const contestants = [DIRECT, ...FLOORS.map(([floor]) => floor), ...watched, THINWIRE]
      const onProgress = (text: string): void => {
        if (text.startsWith('round')) begun()
        suite.onProgress(text)
      }
      return runSuite(contestants, scenarios, { ...suite, onProgress })
    })
    return { done: true }
  } catch (error) {
    const lost = taking.find(({ row }) => messageOf(error).startsWith(`${row.name}: `))
    if (lost === undefined || suite.record.series.length > 0) throw error
    suite.onProgress(messageOf(error))
    return { lost, word: wordOf(error) }
  }
}

/**
 * Ends gateways that hang before anything is measured: whatever waits for one then fails, with its name.
 * @param work gets the gateways, whose processes are watched, and a function that ends the watch
 */
async function withPatience<T>(
  gateways: readonly Contestant[],
  work: (watched: readonly Contestant[], begun: () => void) => Promise<T>,
): Promise<T> {
  const children: Child[] = []
  const timer = setTimeout(() => {
    for (const child of children) child.process.kill('SIGKILL')
  }, PATIENCE_MS)
  const watched = gateways.map((gateway) => ({
    ...gateway,
    start: async (surroundings: Surroundings) => {
      const running = await gateway.start(surroundings)
      children.push(running.child)
      return running
    },
  }))
  try {
    return await work(watched, () => clearTimeout(timer))
  } finally {
    clearTimeout(timer)
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** @throws Error if it cannot be started, or does not respond as an API does */
async function bytesOf(contestant: Contestant, { placement }: SuiteOptions): Promise<Bytes> {
  const upstream = new ProbeUpstream()
  const upstreamPort = await upstream.listen()
  try {
    const running = await contestant.start({
      placement,
      upstreamPort,
      upstream: null,
      secure: null,
      thinwireFlags: [],
    })
    try {
      return await probeBytes(upstream, running)
    } finally {
      await running.stop()
    }
  } finally {
    upstream.close()
  }
}
