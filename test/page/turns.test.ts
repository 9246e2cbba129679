import { setImmediate as nextTurn } from 'node:timers/promises'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { hashKey } from '../../src/access/key.js'
import type { StoredKey } from '../../src/access/key-lines.js'
import type { LimitState } from '../../src/limits/counters/store.js'
import { answerApi, findPlace } from '../../src/page/api/api.js'
import { formatLargeJson } from '../../src/page/large-body.js'
import { createPageSource } from '../../src/page/relay-parts.js'
import type { PageSource } from '../../src/page/source.js'
import { RecentRequests } from '../../src/rollups/recent-requests.js'
import { Rollups } from '../../src/rollups/rollups.js'
import { recordOf } from '../support/ledger.js'
import { fc } from '../support/property.js'

// The page is answered by the thread that forwards streams: what it does is divided into short turns.

const KEYS = 20_000
const SERIES = 2_000
const TAGS = 20_000
const COUNTERS = 20_000
const RULES = 5_000
const REQUESTS = 2_000

interface Scene {
  readonly source: PageSource
}

const test = suite<Scene>('turns of the page')

test.before((scene) => {
  Object.assign(scene, { source: createLargeSource() })
})

test.after.each(() => {
  // That of its prototype is there again.
  Reflect.deleteProperty(performance, 'now')
})

/**
 * Turns of the event loop that each answer is divided into at least, if the time of a turn is up at each look at the
 * clock: between two looks no more than some hundred rows are read, or some ten kilobytes written.
 */
const QUESTIONS: ReadonlyArray<readonly [path: string, turns: number]> = [
  ['keys', KEYS / 100],
  ['keys.csv', KEYS / 100],
  ['requests?limit=200&model=none', REQUESTS / 20],
  ['requests.csv?limit=200&model=none&before=tw-1', REQUESTS / 10],
  ['requests/tw-0', REQUESTS / 20],
  ['limits', COUNTERS / 500],
  ['limits.csv', COUNTERS / 500],
  ['refusals?range=90d', 100],
  ['refusals.csv?range=90d&table=rules', 100],
  ['spend', TAGS / 100],
  ['spend.csv', TAGS / 100],
  ['series?range=90d&by=key', 500],
  ['series.csv?range=90d&by=key', 500],
  ['totals?range=90d&by=key', SERIES / 10],
  ['totals.csv?range=90d&by=key', SERIES / 10],
  ['upstreams?range=90d', 500],
]
for (const [path, most] of QUESTIONS)
  test(`${path} is answered in short turns`, async ({ source }) => {
    let clock = 0
    performance.now = () => (clock += 100)
    let turns = 0
    let isOver = false
    const count = async (): Promise<void> => {
      for (; !isOver; turns++) await nextTurn()
    }
    const counted = count()
    const body = await ask(source, path)
    isOver = true
    await counted
    assert.ok(turns >= most, `${turns} turns`)
    assert.ok(body.length > 0)
  })

test('a large body is what it would be if it was made at once', async ({ source }) => {
  const { keys } = JSON.parse(await ask(source, 'keys')) as { keys: { id: string }[] }
  assert.is(keys.length, KEYS)
  await fc.assert(
    fc.asyncProperty(fc.jsonValue(), fc.integer({ min: 1, max: 400 }), async (value, times) => {
      const large = {
        a: Array.from({ length: times }, () => value),
        b: { c: [value], d: { e: value } },
        value,
      }
      for (const one of [value, large, [large], { none: undefined, ...large }])
        assert.is((await formatLargeJson(one)).toString(), JSON.stringify(one))
    }),
    { numRuns: 50 },
  )
})

async function ask(source: PageSource, path: string): Promise<string> {
  const [name = '', query = ''] = path.split('?')
  const session = { name: 'someone', key: null }
  const log = { info() {}, warn() {} }
  const asker = { isAction: false, session, source, query: new URLSearchParams(query), address: null, log }
  return String((await answerApi(findPlace(name), asker, null)).body)
}

/** A relay of which the page shows as much as it can. */
function createLargeSource(): PageSource {
  const keys = Array.from({ length: KEYS }, (_, i) => createKey(i))
  const claims = Array.from({ length: COUNTERS }, (_, i) => ({ i }))
  const recent = new RecentRequests()
  for (let i = 0; i < REQUESTS; i++) recent.add(recordOf({ id: `tw-${i}`, seq: i, model: 'some' }))
  const limiter = {
    listClaims: () => claims,
    readClaims: (some: typeof claims) => some.map(({ i }) => createState(i)),
    refusals: Array.from({ length: RULES }, (_, i) => ({
      ...{ rule: `a rule with a name ${i}`, kind: 'budget', count: i, observed: false },
    })),
  }
  return createPageSource({
    config: { workers: 1, keys: { file: '' } } as never,
    isDemo: false,
    rollups: { rollups: createRollups(keys), recent },
    keyring: { find: () => undefined, list: () => keys },
    reloadKeys() {},
    limiter: limiter as never,
    look: async () => ({ all: null, byKey: {}, targets: {} }),
  })
}

function createRollups(keys: readonly StoredKey[]): Rollups {
  const rollups = new Rollups({ zone: 'UTC', sharedMs: 0 })
  const now = Date.now()
  for (let hour = 0; hour < 24 * 90; hour += 12) {
    const at = now - hour * 3_600_000
    const minute = at - (at % 60_000)
    const rows = Array.from({ length: SERIES }, (_, i) => ({
      names: ['team', 'user', keys[i]?.id ?? '', `model${i % 30}`, 'up', 'done'],
      ...{ minute, lastAt: at, pairs: [0, 1 + (i % 9)], codes: [] },
      tags: Array.from({ length: hour === 0 ? TAGS / SERIES : 0 }, (_, n) => ({
        ...{ tags: `ticket=${i}-${n}`, costNano: 5, tokens: 10, requests: 1 },
      })),
    })).filter((_, i) => hour === 0 || i % 12 === hour % 11)
    rollups.add({ second: at, rows })
  }
  return rollups
}

function createKey(i: number): StoredKey {
  const hash = hashKey(`key ${i}`)
  return {
    ...{ id: `k_${hash.slice(0, 10)}`, env: 'prod', team: `team${i % 300}`, user: `user${i}` },
    ...{ issuedAt: '2026-01-31T09:00:00.000Z', revokedAt: null, expiresAt: null, models: ['gpt-*'] },
    ...{ addresses: null, limits: null, ruleEntries: null, replaces: null, rotatedTo: null },
  }
}

function createState(i: number): LimitState {
  const rule = { name: `rule${i % RULES}`, observe: false } as LimitState['rule']
  return {
    ...{ rule, owner: `owner${i}`, kind: 'budget', period: '2026-11@UTC', limit: 50e9, used: i, held: 0 },
    ...{ budget: { unit: 'usd', period: 'month', amount: 50e9 }, resetMs: 5 },
  }
}

test.run()
