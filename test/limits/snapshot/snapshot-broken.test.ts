import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { formatCounters, formatCountersJson } from '../../../src/commands/limits-table.js'
import { LimitClaim } from '../../../src/exchange/limit-ticket.js'
import { isObject } from '../../../src/json/values.js'
import { markProcess } from '../../../src/ledger/starts.js'
import { MemoryLimitStore } from '../../../src/limits/counters/memory-store.js'
import { compareWithLedger } from '../../../src/limits/snapshot/drift.js'
import { readOverview } from '../../../src/limits/snapshot/overview.js'
import { formatEnd, formatOwner, SliceFormatter } from '../../../src/limits/snapshot/snapshot-file.js'
import { makeRule } from '../../support/limit-rules.js'

const NOW = Date.parse('2026-11-20T12:00:00Z')
const ODD = [
  null,
  -1,
  0,
  1.5,
  1e300,
  9e15,
  Number.MAX_SAFE_INTEGER,
  '',
  'x',
  'Mars/Olympus',
  '99999999999999999999',
  [],
  {},
  true,
]

const LIVE = { writers: new Map([['w-2', 5]]), ids: new Set(['tw-1']) }

/** The file of a relay that runs, with a counter of each kind. @param isPrimary that of a relay of several workers */
function createSnapshot(isPrimary: boolean): unknown {
  const rule = makeRule({
    name: 'r',
    per: 'team',
    match: { model: ['gpt-*'] },
    requestsPerMinute: 60,
    tokensPerMinute: 6_000,
    concurrent: 3,
    usd: { day: 5 },
    tokens: { month: 9 },
    timezone: 'Europe/Berlin',
  })
  const store = new MemoryLimitStore()
  const claim = new LimitClaim(rule, 'team1')
  store.check([claim], { tokens: 5, nano: 5 }, 0, NOW)
  store.settle(null, [claim], { tokens: 5, nano: 5 }, 0, NOW)
  const slices = new SliceFormatter()
  for (const state of store.read(claim, 0, NOW)) slices.add(state)
  const owner = { writer: 'w-1', started: '2026-11-20T11:00:00.000Z', ...markProcess() }
  const written = { written: new Date(NOW).toISOString(), ended: false, restored: true }
  const end = isPrimary ? formatEnd(written, ['w-1', 'w-2']) : formatEnd(written)
  return JSON.parse(formatOwner(owner, isPrimary) + slices.take(isPrimary ? LIVE : 1, NOW) + end)
}

/** Calls back with the path of each value. */
function walk(value: unknown, path: (string | number)[], visit: (path: (string | number)[]) => void): void {
  if (path.length > 0) visit(path)
  const entries = Array.isArray(value) ? [...value.entries()] : isObject(value) ? Object.entries(value) : []
  for (const [name, each] of entries) walk(each, [...path, name], visit)
}

function replace(root: unknown, path: readonly (string | number)[], value: unknown): unknown {
  const copy = structuredClone(root)
  let at = copy as Record<string | number, unknown>
  for (const part of path.slice(0, -1)) at = at[part] as typeof at
  at[path.at(-1) as string | number] = value
  return copy
}

for (const isPrimary of [false, true])
  test(`a file${isPrimary ? ' of a primary' : ''} with any value replaced by an odd one is shown and compared, or refused, and nothing is thrown`, async () => {
    const root = mkdtempSync(join(tmpdir(), 'broken-'))
    const folder = join(root, 'data')
    mkdirSync(folder)
    const whole = createSnapshot(isPrimary)
    const paths: (string | number)[][] = []
    walk(whole, [], (path) => paths.push(path))
    const outcomes = { shown: 0, refused: 0 }
    try {
      for (const path of paths)
        for (const odd of ODD) {
          writeFileSync(join(folder, 'limits.json'), JSON.stringify(replace(whole, path, odd)))
          const name = `${path.join('.')} = ${JSON.stringify(odd)}`
          try {
            const overview = await readOverview([folder], [], NOW)
            formatCounters(overview.counters, NOW)
            formatCountersJson(overview, overview.counters, NOW)
            if (overview.snapshot === null) outcomes.refused++
            else {
              outcomes.shown++
              await compareWithLedger([folder], overview.snapshot, [])
            }
          } catch (error) {
            throw new Error(name, { cause: error })
          }
        }
    } finally {
      rmSync(root, { recursive: true, force: true })
    }
    assert.ok(outcomes.shown > 100 && outcomes.refused > 100, JSON.stringify(outcomes))
  })

test.run()
