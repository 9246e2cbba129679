import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { LimitRule } from '../../../src/config/limit-rules.js'
import { LimitClaim } from '../../../src/exchange/limit-ticket.js'
import { formatJournalName, formatMark } from '../../../src/ledger/journal.js'
import { addWhole, type Whole } from '../../../src/ledger/read/whole.js'
import { markProcess } from '../../../src/ledger/starts.js'
import { MemoryLimitStore } from '../../../src/limits/counters/memory-store.js'
import type { LimitCrossing } from '../../../src/limits/counters/store.js'
import { type ReplayTask, replayLedger } from '../../../src/limits/replay/replay.js'
import { type ReplayResult, replayInThread } from '../../../src/limits/replay/replay-thread.js'
import { LimitRestorer } from '../../../src/limits/replay/restorer.js'
import { recordOf } from '../../support/ledger.js'
import { makeRule } from '../../support/limit-rules.js'
import { fc } from '../../support/property.js'
import { until, wait } from '../../support/until.js'

interface Place {
  root: string
}

const test = suite<Place>('restore')

test.before.each((place) => {
  place.root = mkdtempSync(join(tmpdir(), 'thinwire-restore-'))
})
test.after.each(({ root }) => rmSync(root, { recursive: true, force: true }))

const NOW = Date.parse('2026-11-20T12:30:00Z')
const TS = '2026-11-20T12:29:00.000Z'

/** The keys that requests come with; the owner of a counter is the team. */
const KEYS = ['a', 'b'].map((team) => ({ key: `k_${team}`, env: 'prod', team, user: 'alice' }))

interface Use {
  readonly owner: number
  readonly tokens: number
  readonly nano: number
}

/** A relay, as far as budgets know it: it counts what is used, makes records of it, and writes them later. */
class Scene {
  readonly store = new MemoryLimitStore()
  readonly crossed: LimitCrossing[] = []
  readonly logged: string[] = []
  /** What each record of any writer says. */
  readonly uses: Use[] = []
  /** Faults of the next replays. */
  faults = 0
  /** Epoch milliseconds. */
  clock = NOW
  readonly restorer: LimitRestorer
  readonly ledger: { writer: string; lastSeq: number; writtenSeq: number; folders: string[] }
  private rules: readonly LimitRule[] = []
  private unwritten: string[] = []

  constructor(folder: string, replay?: typeof replayInThread) {
    mkdirSync(folder, { recursive: true })
    this.ledger = { writer: 'w-live', lastSeq: 0, writtenSeq: 0, folders: [folder, join(folder, 'spare')] }
    this.restorer = new LimitRestorer({
      store: this.store,
      ledger: this.ledger,
      log: {
        info: (_: unknown, text: string) => void this.logged.push(`info ${text}`),
        warn: (_: unknown, text: string) => void this.logged.push(`warn ${text}`),
      },
      onCrossed: (crossings) => void this.crossed.push(...crossings),
      replay: replay ?? ((task) => this.replayHere(task)),
      pauses: { lookMs: 1, othersMs: 1, retryMs: 1 },
      now: () => this.clock,
    })
  }

  /** Records of an earlier start. */
  earlier(uses: readonly Use[]): void {
    this.uses.push(...uses)
    this.append(uses.map((use, i) => this.format('w-old', i + 1, use)))
  }

  /** A record of another relay. */
  other(writer: string, seq: number, use: Use): void {
    this.uses.push(use)
    this.append([this.format(writer, seq, use)])
  }

  get isRight(): boolean {
    try {
      this.compare()
      return true
    } catch {
      return false
    }
  }

  follow(rules: readonly LimitRule[]): void {
    this.rules = rules
    this.restorer.follow(rules)
  }

  request(use: Use): void {
    const claims = this.rules.map((rule) => this.claimOf(rule, use.owner))
    this.crossed.push(...this.restorer.defer(this.store.settle(null, claims, use, 0, Date.parse(TS))))
    this.uses.push(use)
    this.ledger.lastSeq++
    this.unwritten.push(this.format('w-live', this.ledger.lastSeq, use))
  }

  write(count: number): void {
    const lines = this.unwritten.splice(0, count)
    this.append(lines)
    this.ledger.writtenSeq += lines.length
  }

  async settled(): Promise<void> {
    this.write(Number.POSITIVE_INFINITY)
    await until(() => this.restorer.isRestored, 'the budgets to be restored')
  }

  /** What is used of each budget, by its counter and by the records. */
  compare(): void {
    for (const rule of this.rules) {
      for (const owner of KEYS.keys()) {
        const claim = this.claimOf(rule, owner)
        const states = this.store.read(claim, 0, NOW).filter(({ kind }) => kind === 'budget')
        assert.is(states.length, rule.budgets.length)
        for (const { budget, used, held } of states) {
          let sum: Whole = 0
          for (const use of this.uses)
            if (rule.per === 'pool' || use.owner === owner)
              sum = addWhole(sum, budget?.unit === 'usd' ? use.nano : use.tokens) ?? 0
          assert.is(used, sum, `${rule.name} ${budget?.unit} ${budget?.period} of ${claim.owner}`)
          assert.is(held, 0)
        }
      }
    }
  }

  claimOf(rule: LimitRule, owner: number): LimitClaim {
    return new LimitClaim(rule, rule.per === 'pool' ? '' : (KEYS[owner]?.team ?? ''))
  }

  private async replayHere(task: ReplayTask): Promise<ReplayResult> {
    if (this.faults > 0) {
      this.faults--
      throw new Error('no thread')
    }
    const { sums, problems, running } = await replayLedger(task)
    return { uses: [...sums.list()], problems, running, ranges: sums.ranges }
  }

  private format(writer: string, seq: number, { owner, tokens, nano }: Use): string {
    const used = { prompt_tokens: tokens, cost_usd: nano / 1e9 }
    return recordOf({ writer, seq, ts: TS, ...KEYS[owner], ...used })
  }

  private append(lines: readonly string[]): void {
    appendFileSync(join(this.ledger.folders[0] ?? '', 'usage-2026-11-20.jsonl'), lines.join(''))
  }
}

const ALL = { hour: 1, day: 1, week: 1, month: 1 }
const EVERYONE = { name: 'everyone', match: {}, per: 'pool' }

/** Lists of rules that follow each other: rules come and go, and come again, get other budgets and other amounts. */
const RULES = [
  [],
  [{ ...EVERYONE, usd: { month: 1 } }],
  [{ ...EVERYONE, usd: { month: 2 } }],
  [{ ...EVERYONE, usd: { month: 2, day: 1 }, tokens: { month: 5 } }],
  [
    { ...EVERYONE, usd: ALL, tokens: ALL },
    { name: 'teams', match: { team: '*' }, per: 'team', usd: { day: 1 } },
  ],
  [{ name: 'teams', match: { team: '*' }, per: 'team', tokens: { week: 1, day: 1 } }],
].map((entries) => entries.map(makeRule))
// The same objects beside others, as the rules of a key are when another key has changed.
RULES.push([...(RULES[3] ?? []), ...(RULES[5] ?? [])])

const use = fc.record({
  owner: fc.nat(KEYS.length - 1),
  tokens: fc.nat(1_000),
  nano: fc.nat(1_000_000),
})

const step = fc.oneof(
  { weight: 5, arbitrary: use.map((used) => (scene: Scene) => scene.request(used)) },
  {
    weight: 2,
    arbitrary: fc.integer({ min: 1, max: 5 }).map((count) => (scene: Scene) => scene.write(count)),
  },
  { weight: 3, arbitrary: fc.constantFrom(...RULES).map((rules) => (scene: Scene) => scene.follow(rules)) },
  {
    weight: 2,
    arbitrary: fc.integer({ min: 1, max: 6 }).map((turns) => async () => {
      for (let i = 0; i < turns; i++) await new Promise((resolve) => setImmediate(resolve))
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constant((scene: Scene) => {
      scene.faults++
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(0, 2, 30, 24 * 40, -24 * 40).map((hours) => (scene: Scene) => {
      scene.clock = NOW + hours * 3_600_000
      scene.restorer.tick(scene.clock)
    }),
  },
)

test('while requests go on and rules change, each record counts once, live or from the ledger', async ({
  root,
}) => {
  let n = 0
  let budgets = 0
  await fc.assert(
    fc.asyncProperty(
      fc.array(use, { maxLength: 10 }),
      fc.array(step, { minLength: 5, maxLength: 40 }),
      async (before, steps) => {
        const scene = new Scene(join(root, String(n++)))
        scene.earlier(before)
        for (const take of steps) await take(scene)
        await scene.settled()
        // Clocks are put right in the end.
        scene.clock = NOW
        scene.restorer.tick(NOW)
        await scene.settled()
        scene.compare()
        budgets += scene.logged.filter((text) => text.startsWith('info ')).length
        scene.restorer.close()
      },
    ),
    { numRuns: 300 },
  )
  assert.ok(budgets > 200, `${budgets}`)
})

test('what seems to be crossed while budgets are restored is reported when all is counted', async ({
  root,
}) => {
  const rule = makeRule({ ...EVERYONE, usd: { month: 1 } })
  const scene = new Scene(root)
  scene.earlier([{ owner: 0, tokens: 0, nano: 700_000_000 }])
  scene.follow([rule])
  // By itself that would be from 0 to 0.05, and on to 0.15: shares that were crossed long ago.
  scene.request({ owner: 0, tokens: 0, nano: 50_000_000 })
  scene.request({ owner: 1, tokens: 0, nano: 100_000_000 })
  assert.equal(scene.crossed, [])
  await scene.settled()
  const [first, ...others] = scene.crossed
  assert.equal(others, [])
  assert.is(first?.before, 700_000_000)
  assert.is(first?.after, 850_000_000)
  scene.request({ owner: 1, tokens: 0, nano: 1 })
  assert.is(scene.crossed.at(-1)?.before, 850_000_000)
  scene.compare()
})

test('what was reached before the start is not reported again', async ({ root }) => {
  const scene = new Scene(root)
  scene.earlier([{ owner: 0, tokens: 0, nano: 900_000_000 }])
  scene.follow([makeRule({ ...EVERYONE, usd: { month: 1 } })])
  await scene.settled()
  assert.equal(scene.crossed, [])
  scene.compare()
})

test('a thread replays the ledger, however many counters there are, and can be stopped', async ({ root }) => {
  const scene = new Scene(root, replayInThread)
  const rules = Array.from({ length: 700 }, (_, i) => makeRule({ ...EVERYONE, name: `r${i}`, usd: ALL }))
  scene.earlier([
    { owner: 0, tokens: 1, nano: 70 },
    { owner: 1, tokens: 2, nano: 7 },
  ])
  scene.follow(rules)
  scene.request({ owner: 1, tokens: 3, nano: 9 })
  assert.not(scene.restorer.isRestored)
  await scene.settled()
  scene.compare()
  const stopped = new Scene(join(root, 'stopped'), replayInThread)
  stopped.follow(rules)
  stopped.restorer.close()
  await wait(100)
  // A relay that ends does not note as whole what it has not read.
  assert.not(stopped.restorer.isRestored)
  assert.equal(stopped.logged, [])
})

test('a relay that still ran at the start has its last records counted when it has ended, and none twice', async ({
  root,
}) => {
  const scene = new Scene(root)
  const journal = join(root, formatJournalName('w-0e', 1))
  const mark = { writer: 'w-0e', started: '2026-11-20T01:00:00.000Z', flush_ms: 20, ...markProcess() }
  writeFileSync(journal, formatMark(mark))
  scene.other('w-0e', 1, { owner: 0, tokens: 5, nano: 70 })
  scene.follow([makeRule({ ...EVERYONE, usd: ALL, tokens: ALL })])
  scene.request({ owner: 0, tokens: 1, nano: 3 })
  await scene.settled()
  scene.compare()
  // It lets its open requests end, and goes.
  scene.other('w-0e', 2, { owner: 1, tokens: 6, nano: 700 })
  scene.request({ owner: 0, tokens: 2, nano: 4 })
  scene.other('w-0e', 3, { owner: 1, tokens: 7, nano: 7_000 })
  scene.write(9)
  assert.not(scene.isRight)
  rmSync(journal)
  await until(() => scene.isRight, 'its last records to be counted')
  // Nothing comes later.
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve, 1))
  scene.compare()
  scene.restorer.close()
})

test('a relay that starts with a clock that is far ahead counts what was used before, as soon as the clock is right', async ({
  root,
}) => {
  const scene = new Scene(root)
  scene.clock = NOW + 40 * 24 * 3_600_000
  scene.earlier([{ owner: 0, tokens: 5, nano: 70 }])
  scene.follow([makeRule({ ...EVERYONE, usd: ALL, tokens: ALL })])
  await scene.settled()
  assert.not(scene.isRight)
  scene.request({ owner: 1, tokens: 7, nano: 9 })
  scene.restorer.tick(scene.clock)
  assert.ok(scene.restorer.isRestored)
  scene.clock = NOW
  scene.restorer.tick(NOW)
  await scene.settled()
  scene.compare()
  const warnings = scene.logged.filter((text) => text.startsWith('warn '))
  assert.equal(warnings, ['warn the clock was set back to an earlier period: budgets are read again'])
  scene.restorer.tick(NOW)
  assert.ok(scene.restorer.isRestored)
})

test('records of another relay that cannot be read after its end are reported, and the relay goes on', async ({
  root,
}) => {
  const scene = new Scene(root)
  const journal = join(root, formatJournalName('w-0e', 1))
  const mark = { writer: 'w-0e', started: '2026-11-20T01:00:00.000Z', flush_ms: 20, ...markProcess() }
  writeFileSync(journal, formatMark(mark))
  scene.follow([makeRule({ ...EVERYONE, usd: ALL, tokens: ALL })])
  await scene.settled()
  scene.faults = 1
  rmSync(journal)
  const warning = 'warn budgets lack records that were not there at first: no thread'
  await until(() => scene.logged.includes(warning), 'the warning')
  scene.request({ owner: 0, tokens: 1, nano: 3 })
  scene.compare()
  scene.restorer.close()
})

test('a file or folder that cannot be read at first is counted when it can be, once', async ({ root }) => {
  const scene = new Scene(join(root, 'data'))
  const [folder = '', spare = ''] = scene.ledger.folders
  const [file, name] = [join(folder, 'usage-2026-11-20.jsonl'), 'usage-2026-11-19.jsonl']
  scene.earlier([{ owner: 0, tokens: 5, nano: 70 }])
  // A folder in the place of a file, and a link that leads nowhere in the place of a folder.
  mkdirSync(join(folder, name))
  symlinkSync(spare, spare)
  scene.follow([makeRule({ ...EVERYONE, usd: { month: 1 }, tokens: { month: 5 } })])
  scene.request({ owner: 1, tokens: 7, nano: 9 })
  await scene.settled()
  scene.compare()
  // What is there meanwhile is counted only once.
  scene.request({ owner: 0, tokens: 1, nano: 2 })
  scene.write(9)
  rmSync(spare)
  mkdirSync(spare)
  const found = { owner: 0, tokens: 11, nano: 13 }
  scene.uses.push(found)
  const line = readFileSync(file, 'utf8').split('\n')[0]?.replace('w-old', 'w-older') ?? ''
  writeFileSync(
    join(spare, name),
    `${line.replace('"prompt_tokens":5', '"prompt_tokens":11').replace('7e-8', '1.3e-8')}\n`,
  )
  await until(() => scene.isRight, 'the folder to be read')
  rmSync(join(folder, name), { recursive: true })
  scene.uses.push(found)
  const late = line.replace('w-older', 'w-late').replace('"prompt_tokens":5', '"prompt_tokens":11')
  writeFileSync(join(folder, name), `${late.replace('7e-8', '1.3e-8')}\n`)
  await until(() => scene.isRight, 'the file to be read')
  for (let i = 0; i < 20; i++) await new Promise((resolve) => setTimeout(resolve, 1))
  scene.compare()
  scene.restorer.close()
})

test('files with faults are reported by name, some of them at the most', async ({ root }) => {
  const scene = new Scene(root)
  for (let i = 1; i <= 25; i++)
    appendFileSync(join(root, `usage-2026-11-${i < 10 ? 0 : ''}${i}.jsonl`), 'torn\nand torn\n')
  scene.follow([makeRule({ ...EVERYONE, usd: { month: 1 } })])
  await scene.settled()
  const warnings = scene.logged.filter((text) => text.startsWith('warn '))
  assert.is(warnings.length, 21)
  assert.match(
    warnings[0] ?? '',
    /^warn budgets count what is there: \/.*usage-2026-11-01\.jsonl has 2 lines/,
  )
  assert.match(warnings.at(-1) ?? '', / [0-9]+ more files have faults$/)
})

test.run()
