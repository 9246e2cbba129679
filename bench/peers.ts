import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { BARE, type Contestant, DIRECT, NGINX, ROOT, THINWIRE, TUNNEL } from './contestants.js'
import { describeMachine } from './machine.js'
import { type Bytes, ProbeUpstream, probeBytes } from './peers/bytes.js'
import { installPeers, isThere } from './peers/install.js'
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

interface Taking {
  readonly contestant: Contestant
  readonly row: Row
}

/**
 * Measures LLM gateways beside Thinwire and prints the tables of `bench/README.md`.
 * @param all the scenarios; those in which gateways are compared are taken from them
 * @param folder where `scripts/peers.sh` has installed them or will; null for a temporary folder
 * @param out folder for the results
 */
export async function comparePeers(
  all: readonly Scenario[],
  suite: SuiteOptions,
  folder: string | null,
  out: string,
): Promise<string[]> {
  const { onProgress, placement, record, mode } = suite
  // A gateway does not see that the bench was ended: it has no channel to it. At an exit all are ended.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1))
  onProgress('installing gateways')
  const installation = installPeers(ROOT, folder)
  try {
    const skipped = new Map<string, string>()
    const taking: Taking[] = []
    for (const peer of PEERS) {
      const found = installation.peers.find(({ name }) => name === peer.name)
      if (found === undefined || !isThere(found)) {
        skipped.set(peer.title, found?.word ?? 'unknown')
        continue
      }
      onProgress(`trying ${peer.title} ${found.version}`)
      const contestant = contestantOf(peer, installation.folder)
      try {
        const bytes = await bytesOf(contestant, suite)
        // A peer that cannot be started is told by name; one that fails under load is an error.
        const { onProgress: _, ...quiet } = suite
        const missing = await runSuite([contestant], [TRIAL], { ...quiet, rounds: 1, onProgress: () => {} })
        if (missing[peer.name] !== undefined) throw new Error(missing[peer.name])
        const title = `${peer.title} (${peer.language})`
        taking.push({ contestant, row: { name: peer.name, title, version: found.version, bytes } })
      } catch (error) {
        onProgress(`${peer.title}: ${error instanceof Error ? error.message : String(error)}`)
        skipped.set(peer.title, wordOf(error))
      }
    }
    const own = await bytesOf(THINWIRE, suite)
    const failures: Failures = new Map()
    const scenarios = scenariosFor(
      all,
      taking.map(({ row }) => row.name),
      failures,
    )
    const contestants = [
      DIRECT,
      ...FLOORS.map(([contestant]) => contestant),
      ...taking.map(({ contestant }) => contestant),
      THINWIRE,
    ]
    const missing = await runSuite(contestants, scenarios, suite)
    const floors = FLOORS.filter(([{ name }]) => missing[name] === undefined).map(([{ name }, title]) => ({
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
    }
    const lines = comparisonTables(comparison)
    mkdirSync(out, { recursive: true })
    writeFileSync(join(out, 'peers.md'), `${lines.join('\n')}\n`)
    writeFileSync(
      join(out, 'peers.json'),
      `${JSON.stringify({ date, machine, series: record.series }, null, 1)}\n`,
    )
    return lines
  } finally {
    if (folder === null) rmSync(installation.folder, { recursive: true, force: true })
  }
}

/** @throws Error if it cannot be started, or does not respond as an API does */
async function bytesOf(contestant: Contestant, { placement }: SuiteOptions): Promise<Bytes> {
  const upstream = new ProbeUpstream()
  const upstreamPort = await upstream.listen()
  try {
    const running = await contestant.start({ placement, upstreamPort, upstream: null, thinwireFlags: [] })
    try {
      return await probeBytes(upstream, running)
    } finally {
      await running.stop()
    }
  } finally {
    upstream.close()
  }
}
