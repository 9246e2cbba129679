import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { issueKey } from '../../../src/access/keyring.js'
import { Account, sumCharges } from '../../support/books/account.js'
import {
  BUDGETS,
  checkCommand,
  checkCounters,
  checkReplay,
  readCounters,
} from '../../support/books/budgets.js'
import { ChargingProvider } from '../../support/books/charging-provider.js'
import {
  checkLoosely,
  checkMoney,
  checkRequests,
  createBill,
  isCertain,
  SETTLED_MS,
  sumLines,
} from '../../support/books/judge.js'
import {
  addSum,
  emptySum,
  type Line,
  parseNano,
  readBooks,
  type Sum,
} from '../../support/books/ledger-sum.js'
import { createRoutes, MixedClients, type TeamKey } from '../../support/books/mixed-clients.js'
import { createPriceFile } from '../../support/books/tariff.js'
import { SEED } from '../../support/random.js'
import { clear, open, type Place, runUsage, started } from '../../support/thinwire.js'
import { until, wait } from '../../support/until.js'

/**
 * The proof of the books: what the ledger adds up to is what the provider has charged, to the last unit; and the
 * budgets, which were counted live over all kills and starts, are what the ledger adds up to.
 * A long run: `SOAK_REQUESTS=100000 SOAK_KILLS=10 TEST_SEED=7 node dist/test/wire/records/books.test.js`
 */
const REQUESTS = Number(process.env.SOAK_REQUESTS ?? 2_000)
const KILLS = Number(process.env.SOAK_KILLS ?? 2)

const CLIENTS = 24

/** Streams that are open at each kill. */
const HELD = ['held', 'held', 'held socket'] as const

const TEAMS = ['team1', 'team2', 'team3'] as const

const test = suite<Place>('books')

test.before.each(open)
test.after.each(clear)

function issueKeys(place: Place): TeamKey[] {
  const keys: TeamKey[] = []
  for (const team of TEAMS) {
    const { key } = issueKey(join(place.folder, 'data', 'keys.jsonl'), { env: 'prod', team, user: 'alice' })
    keys.push({ team, text: key })
  }
  return keys
}

/** Runs a relay under traffic until so many requests have been sent in all. @returns when it was killed */
async function live(place: Place, account: Account, keys: TeamKey[], life: number, count: number) {
  const thinwire = await started(place)
  const clients = new MixedClients(account, thinwire.port, life, keys, SEED)
  const isLast = life === KILLS
  const held = isLast ? [] : HELD.map((kind) => clients.hold(kind))
  const senders = Array.from({ length: CLIENTS }, () => clients.keepSending())
  const begun = performance.now()
  await until(() => account.sents.size >= count, `${count} requests`, 600_000)
  // The held streams have to be older than what a kill may take.
  if (!isLast) await wait(Math.max(0, 2 * SETTLED_MS - (performance.now() - begun)))
  let killedAt = Number.POSITIVE_INFINITY
  if (isLast) {
    clients.goesOn = false
    await Promise.all(senders)
    thinwire.child.kill('SIGTERM')
    assert.is(await thinwire.ended(), 0, thinwire.err)
  } else {
    killedAt = performance.now()
    // It may be behind on a busy machine: what it had to do before the kill, it has done when it answers.
    await (await fetch(`${thinwire.url}/readyz`)).text()
    clients.goesOn = false
    thinwire.child.kill('SIGKILL')
    await thinwire.ended()
    await Promise.all([...senders, ...held])
  }
  clients.close()
  assert.not.match(thinwire.out, 'could not be written')
  return killedAt
}

/** What the relay's own reports say of all records is what the other reader has summed up. */
async function checkReports(place: Place, lines: readonly Line[]): Promise<void> {
  const verified = await runUsage(place, ['verify', '--json'])
  assert.is(verified.code, 0, verified.out + verified.err)
  const sums = new Map<unknown, Line[]>([['total', [...lines]]])
  for (const line of lines) push(sums, line.fields.team, line)
  const { out } = await runUsage(place, ['report', '--by', 'team', '--json'])
  const report = JSON.parse(out) as { groups: Record<string, unknown>[]; total: Record<string, unknown> }
  assert.is(report.groups.length, sums.size - 1, out)
  for (const group of [{ ...report.total, team: 'total' }, ...report.groups]) {
    const { written: _, writtenHour: __, ...sum } = sumLines(sums.get(group.team) ?? [])
    assert.equal(readTotals(group), sum, `the report of ${group.team}`)
  }
}

function push<K>(lists: Map<K, Line[]>, key: K, line: Line): void {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [line])
  else list.push(line)
}

/** The sums of a report, without what it does not tell. */
function readTotals(totals: Readonly<Record<string, unknown>>): Partial<Sum> {
  const count = (name: string): bigint => BigInt(Number(totals[name] ?? 0))
  return {
    requests: Number(totals.requests),
    prompt: count('prompt_tokens'),
    cached: count('cached_tokens'),
    completion: count('completion_tokens'),
    reasoning: count('reasoning_tokens'),
    searches: count('searches'),
    cost: totals.cost_usd === null ? 0n : parseNano(String(totals.cost_usd)),
  }
}

test('the ledger adds up to what the provider has charged, over all kinds of requests and kills', async (place) => {
  const account = new Account()
  const provider = await ChargingProvider.start(account)
  try {
    writeFileSync(join(place.folder, 'prices.json'), JSON.stringify(createPriceFile()))
    const settings = { ledger: { prices: 'prices.json', rotateBytes: 1024 * 1024 }, limits: BUDGETS }
    const routes = createRoutes((name) => provider.urlOf(name))
    writeFileSync(join(place.folder, 'thinwire.json'), JSON.stringify(Object.assign(settings, routes)))
    const keys = issueKeys(place)
    const kills: number[] = []
    for (let life = 0; life <= KILLS; life++)
      kills.push(await live(place, account, keys, life, (REQUESTS * (life + 1)) / (KILLS + 1)))
    assert.is(provider.failure, null, String(provider.failure))

    const { lines, torn } = readBooks(join(place.folder, 'data'))
    assert.ok(torn <= KILLS, `${torn} torn lines`)
    const byTrace = new Map<string, Line[]>()
    for (const line of lines) {
      const trace = String(line.fields.trace_id)
      if (!account.sents.has(trace)) assert.unreachable(`nobody has sent ${JSON.stringify(line.fields)}`)
      push(byTrace, trace, line)
    }
    const charged = emptySum()
    const booked: Line[] = []
    const kinds = new Map<string, number>()
    const failures: string[] = []
    for (const group of account.groups) {
      const own = group.sents.flatMap(({ trace }) => byTrace.get(trace) ?? [])
      const bill = isCertain(group, kills) ? createBill(group, own) : null
      try {
        checkRequests(group, byTrace, kills)
        if (bill === null) checkLoosely(group, own)
        else checkMoney(group, bill)
      } catch (error) {
        failures.push(`${group.kind}: ${(error as Error).message}`)
      }
      if (bill === null) continue
      booked.push(...bill.lines)
      addSum(charged, sumCharges(bill.charges, bill.lines.length))
      kinds.set(group.kind, (kinds.get(group.kind) ?? 0) + 1)
    }
    // All of them are judged, as a long run is not soon repeated.
    if (failures.length > 0)
      assert.unreachable(`${failures.length} groups are wrong, such as\n${failures.slice(0, 5).join('\n')}`)
    assert.equal(sumLines(booked), charged)
    await checkReports(place, lines)
    const folder = join(place.folder, 'data')
    const snapshot = readCounters(folder)
    assert.ok(snapshot?.ended && snapshot.restored)
    const { counters } = checkCounters(folder, snapshot)
    await checkReplay(folder, snapshot)
    await checkCommand(place)

    const count = (name: string, value: (field: unknown) => boolean): number =>
      lines.filter(({ fields }) => value(fields[name])).length
    const seen = {
      crashed: count('end', (end) => end === 'crashed'),
      failedAttempts: count('failed_attempts', (failed) => failed !== null),
      hits: count('cache', (cache) => cache === 'hit'),
      joined: count('cache', (cache) => cache === 'joined'),
    }
    assert.ok(seen.crashed >= KILLS * (HELD.length + 1), JSON.stringify(seen))
    for (const [what, times] of Object.entries(seen)) assert.ok(times > 0 || KILLS === 0, `never ${what}`)
    const overtaken = count('overtaken', (targets) => targets !== undefined)
    const kindsSeen = [...kinds].map(([kind, times]) => `${kind} ${times}`).join(', ')
    process.stdout.write(
      `${account.sents.size} requests, ${lines.length} records, ${torn} torn lines, ${KILLS} kills; ` +
        `${JSON.stringify(Object.assign(seen, { overtaken }))}; groups: ${kindsSeen}; ${booked.length} records add up ` +
        `to ${charged.prompt}+${charged.completion} tokens and ${charged.cost} nano-dollars, as do ${counters} budgets\n`,
    )
  } finally {
    provider.close()
  }
})

test.run()
