import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { type BudgetSum, listBudgetSums, replayLedger } from '../../../src/limits/replay/replay.js'
import { parseSnapshot, SNAPSHOT_FILE, type Snapshot } from '../../../src/limits/snapshot/snapshot-file.js'
import { type Place, runUsage } from '../thinwire.js'
import { until } from '../until.js'
import { type Fields, type Line, readBooks } from './ledger-sum.js'

/** Amounts that no test comes to: all is counted, and nothing refused. */
const MOST = { hour: 900_000, day: 900_000, week: 900_000, month: 900_000 }
const MOST_TOKENS = { hour: 1e15, day: 1e15, week: 1e15, month: 1e15 }

/** A rule of the config, and what it says of a record in plain words. */
interface KnownRule {
  readonly entry: Readonly<Record<string, unknown>>
  readonly matches: (fields: Fields) => boolean
  readonly ownerOf: (fields: Fields) => string
}

const isChat = ({ route }: Fields): boolean => String(route).endsWith('/chat/completions')
const orDash = (value: unknown): string => (typeof value === 'string' ? value : '-')

/** Rules of all kinds. */
const KNOWN: Readonly<Record<string, KnownRule>> = {
  everyone: {
    entry: { usd: MOST, tokens: MOST_TOKENS, concurrent: 10_000 },
    matches: () => true,
    ownerOf: () => '',
  },
  teams: {
    entry: { match: { team: '*' }, per: 'team', usd: MOST, timezone: 'Europe/Berlin' },
    matches: ({ team }) => team !== null,
    ownerOf: ({ team }) => String(team),
  },
  keys: {
    entry: { per: 'key', tokens: MOST_TOKENS, tokensPerMinute: 1e12, timezone: 'Pacific/Apia' },
    matches: () => true,
    ownerOf: ({ key }) => orDash(key),
  },
  chats: {
    entry: { match: { path: '*/chat/completions' }, usd: { month: 900_000 }, tokens: { day: 1e15 } },
    matches: isChat,
    ownerOf: () => '',
  },
  tagged: {
    entry: { match: { tag: 'project=p1' }, per: 'user', usd: { week: 900_000 }, observe: true },
    matches: ({ tags }) => String(tags).split(',').includes('project=p1'),
    ownerOf: ({ key, team, user }) => (typeof key === 'string' ? `${team}/${user}` : '-'),
  },
  models: {
    entry: { match: { model: ['books-*', 'm'] }, tokens: { month: 1e15 }, timezone: 'America/Sao_Paulo' },
    matches: ({ model }) => model === 'm' || String(model).startsWith('books-'),
    ownerOf: () => '',
  },
}

/** The section `limits` of the config. */
export const BUDGETS = { rules: Object.entries(KNOWN).map(([name, { entry }]) => ({ name, ...entry })) }

/** What a relay has left of its counters; null if there is nothing. */
export function readCounters(folder: string): Snapshot | null {
  const path = join(folder, SNAPSHOT_FILE)
  if (!existsSync(path)) return null
  const snapshot = parseSnapshot(readFileSync(path, 'utf8'))
  if (typeof snapshot === 'string') throw new Error(snapshot)
  return snapshot
}

/** Waits until the relay of this process number has left counters that are so. */
export async function untilCounters(
  folder: string,
  pid: number | undefined,
  isSo: (snapshot: Snapshot) => boolean,
  what: string,
): Promise<Snapshot> {
  let found: Snapshot | null = null
  await until(() => {
    found = readCounters(folder)
    return found !== null && found.pid === pid && isSo(found)
  }, what)
  return found as unknown as Snapshot
}

/** What tells the period of a moment from any other one of its kind. */
function labelOf(period: string, timeZone: string, at: number): string {
  const parts = { year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit' } as const
  const text = new Intl.DateTimeFormat('sv-SE', { timeZone, ...parts, hourCycle: 'h23' }).format(at)
  const day = text.slice(0, 10)
  if (period === 'hour') return text
  if (period !== 'week') return day.slice(0, period === 'day' ? 10 : 7)
  const monday = new Date(`${day}T00:00:00Z`)
  monday.setUTCDate(monday.getUTCDate() - ((monday.getUTCDay() + 6) % 7))
  return monday.toISOString().slice(0, 10)
}

function assumedOf({ fields }: Line): bigint {
  return BigInt(Math.round(Number(fields.assumed_usd ?? 0) * 1e9))
}

/**
 * The counters have to the last unit what the records of the ledger say, and nothing is in flight or held.
 * @param folder of the ledger
 * @returns how many counters of budgets were compared, and how many records
 */
export function checkCounters(
  folder: string,
  snapshot: Snapshot,
): { readonly counters: number; readonly records: number } {
  const { lines } = readBooks(folder)
  const found = new Map<string, bigint>()
  const expected = new Map<string, bigint>()
  const budgets = new Map<string, { rule: KnownRule; name: string; unit: string; period: string }>()
  const at = Date.parse(snapshot.written)
  for (const { rule, owner, kind, budget, used, held } of snapshot.states) {
    assert.is(held, 0, `${rule.name} holds ${held} for ${owner}`)
    if (kind === 'concurrent') assert.is(used, 0, `${rule.name} has ${used} in flight`)
    if (budget !== null && used > 0)
      found.set(`${rule.name} ${budget.unit} ${budget.period} ${owner}`, BigInt(used))
  }
  for (const [name, rule] of Object.entries(KNOWN))
    for (const unit of ['usd', 'tokens'])
      for (const period of Object.keys((rule.entry[unit] as object | undefined) ?? {}))
        budgets.set(`${name} ${unit} ${period}`, { rule, name, unit, period })
  for (const line of lines) {
    const { fields } = line
    const tokens = BigInt(Number(fields.prompt_tokens ?? 0)) + BigInt(Number(fields.completion_tokens ?? 0))
    const nano = line.cost ?? assumedOf(line)
    for (const [id, { rule, unit, period }] of budgets) {
      const added = unit === 'usd' ? nano : tokens
      if (added === 0n || !rule.matches(fields)) continue
      const zone = String(rule.entry.timezone ?? 'UTC')
      if (labelOf(period, zone, Date.parse(String(fields.ts))) !== labelOf(period, zone, at)) continue
      const counter = `${id} ${rule.ownerOf(fields)}`
      expected.set(counter, (expected.get(counter) ?? 0n) + added)
    }
  }
  const sorted = (sums: Map<string, bigint>): string[] =>
    [...sums].map(([name, sum]) => `${name} ${sum}`).sort()
  assert.equal(sorted(found), sorted(expected))
  return { counters: found.size, records: lines.length }
}

/** A replay of the ledger, up to the last record that the counters have, comes to the same sums. */
export async function checkReplay(folder: string, snapshot: Snapshot): Promise<void> {
  const { states, writer, written } = snapshot
  const upTo = Math.max(...states.map(({ seq }) => seq))
  const rules = [...new Set(states.map(({ rule }) => rule))].map((rule) => ({ rule, upTo }))
  const at = Date.parse(written)
  const { sums, problems } = await replayLedger({ folders: [folder], rules, writer, at, usesRollups: true })
  // A kill may tear the line that is being written.
  for (const { path, kind } of problems) assert.is(kind, 'torn', path)
  const format = ({ rule, owner, period, budget, used }: Omit<BudgetSum, 'period'> & { period: unknown }) =>
    `${rule.name} ${owner} ${period} ${budget.unit} ${used}`
  const counted: string[] = []
  for (const { rule, owner, period, budget, used } of states)
    if (budget !== null && used > 0) counted.push(format({ rule, owner, period, budget, used }))
  assert.equal(listBudgetSums(rules, sums.list(), at).map(format).sort(), counted.sort())
}

/** The command for it finds no drift either, while the relay runs and after its end. */
export async function checkCommand(place: Place): Promise<void> {
  const { out, err } = await runUsage(place, ['verify', '--limits', '--json'])
  const { drift, compared, relay } = JSON.parse(out) as {
    readonly drift: readonly unknown[]
    readonly compared: number
    readonly relay: { readonly restored: boolean }
  }
  assert.equal(drift, [], err)
  assert.ok(relay.restored)
  assert.ok(compared > 10, out)
}
