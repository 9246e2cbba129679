import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { formatLedgerName, listLedgerNames } from '../../src/ledger/files.js'
import { LedgerTail } from '../../src/ledger/read/tail.js'
import { firstLink, Link, withLink } from '../../src/lib/chain.js'
import { listBudgetSums, replayLedger } from '../../src/limits/replay/replay.js'
import { bench, Disk, summarize, TODAY } from '../support/ledger-disk.js'
import { makeRule } from '../support/limit-rules.js'
import { fc } from '../support/property.js'
import { type Place, runUsage } from '../support/thinwire.js'

interface Folders {
  root: string
}

const test = suite<Folders>('workers')

test.before.each((place) => {
  place.root = mkdtempSync(join(tmpdir(), 'thinwire-workers-'))
})
test.after.each(({ root }) => rmSync(root, { recursive: true, force: true }))

/** A record of a random ledger, and who has written it. */
interface Written {
  readonly worker: number | null
  readonly writer: string
  readonly seq: number
  readonly day: string
  readonly endedAt: number
  readonly line: string
}

/** What happens next at one of the workers. */
type Step = {
  readonly worker: number
  readonly kind: 'record' | 'batch' | 'rotate' | 'replace'
  readonly at: number
}

const step: fc.Arbitrary<Step> = fc.record({
  worker: fc.nat({ max: 3 }),
  kind: fc.constantFrom('record', 'record', 'record', 'batch', 'rotate', 'replace'),
  at: fc.integer({ min: 1, max: 9_000_000 }),
})

/** The days of the records are over, and so have rollups. */
const BEGIN = Date.parse('2026-01-01T20:00:00.000Z')

/** A worker and the start that is its process now. */
class Worker {
  readonly number: number | null
  writer: string
  seq = 0
  part = 1
  day = ''
  private starts = 0
  private link = ''
  private batch: string[] = []

  constructor(number: number | null) {
    this.number = number
    this.writer = ''
    this.replace()
  }

  /** A new process in place of a killed one. */
  replace(): void {
    this.starts++
    this.writer = `w-${this.number ?? 0}a${this.starts}`
    this.seq = 0
    this.link = firstLink(this.writer)
    this.batch = []
  }

  endBatch(): void {
    if (this.batch.length > 0) this.link = new Link(this.link).add(this.batch.join('')).close()
    this.batch = []
  }

  write(endedAt: number): Written {
    const day = new Date(endedAt).toISOString().slice(0, 10)
    if (day !== this.day) {
      this.endBatch()
      this.part = 1
    }
    this.day = day
    this.seq++
    const { writer, seq } = this
    const took = (endedAt * 7) % 5_000
    const record = {
      ...{ v: 1, id: `tw-${writer}-${seq}`, seq, writer, ts: new Date(endedAt - took).toISOString() },
      ...{ key: 'k', env: 'prod', team: `team${endedAt % 3}`, user: `user${seq % 4}`, model: `m${seq % 2}` },
      ...{ upstream: 'up', status: seq % 5 === 0 ? 500 : 200, end: 'done', usage_source: 'upstream' },
      ...{ prompt_tokens: endedAt % 1_000, completion_tokens: seq, cost_usd: (endedAt % 997) / 1_000 },
      ...{ ttft_ms: took / 2, total_ms: took, overhead_us: seq * 10 },
    }
    const text = `${JSON.stringify(record)}\n`
    const line = this.batch.length === 0 ? withLink(text, this.link) : text
    this.batch.push(line)
    return { worker: this.number, writer, seq, day, endedAt, line }
  }
}

/** Writes the records of up to four workers into files of their own, and all together into one file of each day. */
function write(
  split: string,
  whole: string,
  workers: readonly (number | null)[],
  steps: readonly Step[],
): Written[] {
  const all = workers.map((number) => new Worker(number))
  const written: Written[] = []
  let now = BEGIN
  const texts = new Map<string, string>()
  const add = (path: string, line: string): void => void texts.set(path, (texts.get(path) ?? '') + line)
  for (const { worker: index, kind, at } of steps) {
    const worker = all[index % all.length] as Worker
    if (kind === 'replace') worker.replace()
    else if (kind === 'batch') worker.endBatch()
    else if (kind === 'rotate') worker.part++
    else {
      now += at
      const record = worker.write(now)
      written.push(record)
      add(join(split, formatLedgerName(record.day, worker.part, worker.number)), record.line)
      add(join(whole, formatLedgerName(record.day, 1)), record.line)
    }
  }
  for (const folder of [split, whole]) mkdirSync(folder, { recursive: true })
  for (const [path, text] of texts) writeFileSync(path, text)
  return written
}

async function say(folder: string, ...args: string[]): Promise<unknown> {
  const { code, out, err } = await runUsage({ folder } as Place, [...args, '--folder', folder])
  return { code, out, err }
}

const QUESTIONS = [
  ['report', '--by', 'team,model', '--json'],
  ['report', '--by', 'user', '--csv', '--no-rollups'],
  ['report', '--by', 'hour', '--sort', 'cost', '--top', '3', '--json'],
  ['tail', '--no-follow', '--json', '-n', '7'],
  ['tail', '--no-follow', '--json', '-n', '100000'],
  ['tail', '--no-follow', '--errors'],
  ['rollup'],
  ['report', '--by', 'day', '--json'],
]

const RULE = makeRule({ per: 'team', tokens: { month: 1_000_000, day: 5_000 }, usd: { month: 50 } })

async function sumBudgets(folder: string, at: number): Promise<unknown> {
  const rules = [{ rule: RULE, upTo: null }]
  const { sums, problems } = await replayLedger({
    folders: [folder],
    rules,
    writer: null,
    at,
    usesRollups: true,
  })
  const budgets = listBudgetSums(rules, sums.list(), at).map(
    ({ owner, budget, period, used }) => `${owner} ${budget.unit} ${period} ${used}`,
  )
  return { budgets: budgets.sort(), problems, duplicates: sums.duplicates, torn: sums.torn }
}

test('each reader tells of the files of several workers what it tells of one file with all their records', async ({
  root,
}) => {
  let run = 0
  const workers = fc.constantFrom<(number | null)[]>(
    [1, 2],
    [1, 2, 3],
    [1, 2, 3, 4],
    [null, 1, 2],
    [2, 10, 9, 1],
  )
  await fc.assert(
    fc.asyncProperty(workers, fc.array(step, { minLength: 1, maxLength: 60 }), async (numbers, steps) => {
      run++
      const [split, whole] = [join(root, `${run}-split`), join(root, `${run}-whole`)]
      const written = write(split, whole, numbers, steps)
      if (written.length === 0) return
      for (const question of QUESTIONS)
        assert.equal(await say(split, ...question), await say(whole, ...question), question.join(' '))
      const at = written.at(-1)?.endedAt ?? BEGIN
      assert.equal(await sumBudgets(split, at), await sumBudgets(whole, at))
      const { out, code } = await runUsage({ folder: split } as Place, [
        'verify',
        '--json',
        '--folder',
        split,
      ])
      const { gaps, breaks, starts } = JSON.parse(out) as Record<string, unknown>
      assert.equal({ code, gaps, breaks, starts }, { code: 0, gaps: [], breaks: [], starts: [] })
    }),
    { numRuns: 25 },
  )
})

test('verify names the worker and the writer that lack records, also of a worker without any file', async ({
  root,
}) => {
  const folder = join(root, 'data')
  const steps = Array.from({ length: 40 }, (_, i): Step => ({ worker: i, kind: 'record', at: 1_000 }))
  write(
    folder,
    join(root, 'whole'),
    [1, 2, 3, 4],
    steps.map((one) => ({ ...one, worker: one.worker % 4 })),
  )
  const ends = [1, 2, 3, 4].map((worker) => {
    const [started, ended] = ['2026-01-01T20:00:00.000Z', '2026-01-01T21:00:00.000Z']
    const end = { v: 1, writer: `w-${worker}a1`, worker, started, ended, flush_ms: 20, records: 10, lost: 0 }
    return `\n${JSON.stringify({ ...end, chain: null, found_by: null })}\n`
  })
  writeFileSync(join(folder, 'starts.jsonl'), ends.join(''))
  const whole = await runUsage({ folder } as Place, ['verify', '--folder', folder])
  assert.is(whole.code, 0, whole.out)
  assert.match(whole.out, /\n40 records of 4 starts of the relay \(4 workers\), without a gap\n/)
  rmSync(join(folder, 'usage-2026-01-01.w4.jsonl'))
  const third = join(folder, 'usage-2026-01-01.w3.jsonl')
  const lines = readFileSync(third, 'utf8').split('\n')
  writeFileSync(third, [...lines.slice(0, 3), ...lines.slice(5)].join('\n'))
  const { code, out } = await runUsage({ folder } as Place, ['verify', '--folder', folder])
  assert.is(code, 1)
  assert.match(out, /\n28 records, 12 missing:\n/)
  assert.match(out, /\n {2}w-3a1 \(worker 3\) records 4 to 5\n {2}w-4a1 \(worker 4\) records 1 to 10\n/)
  const { gaps } = JSON.parse(
    (await runUsage({ folder } as Place, ['verify', '--json', '--folder', folder])).out,
  )
  assert.equal(gaps, [
    { writer: 'w-3a1', from: 4, to: 5, worker: 3 },
    { writer: 'w-4a1', from: 1, to: 10, worker: 4 },
  ])
  const { problems } = await replayLedger({
    folders: [folder],
    rules: [{ rule: RULE, upTo: null }],
    writer: null,
    at: BEGIN,
    usesRollups: false,
  })
  assert.equal(
    problems.map(({ path, kind, detail }) => [path.slice(folder.length + 1), kind, detail]),
    [
      ['usage-2026-01-01.w3.jsonl', 'missing', 2],
      ['usage-2026-01-01.w4.jsonl', 'missing', 10],
    ],
  )
})

test('a tail reads what workers write that come later, and each line once', async ({ root }) => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(
        fc.tuple(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 4 }), fc.nat({ max: 2 })),
        {
          maxLength: 60,
        },
      ),
      async (writes) => {
        const folder = mkdtempSync(join(root, 'tail-'))
        const seen: string[] = []
        const tail = new LedgerTail(
          folder,
          (line) => void seen.push(line),
          async () => {},
        )
        writeFileSync(join(folder, 'usage-2026-01-01.w1.jsonl'), 'before\n')
        await tail.begin()
        const lines: string[] = []
        for (const [i, [worker, part, polls]] of writes.entries()) {
          lines.push(`line ${i}`)
          const name = formatLedgerName(`2026-01-0${1 + Math.floor(i / 20)}`, part, worker)
          writeFileSync(join(folder, name), `line ${i}\n`, { flag: 'a' })
          if (polls === 0) await tail.poll()
        }
        await tail.poll()
        assert.equal(seen.toSorted(), lines.toSorted())
      },
    ),
    { numRuns: 20 },
  )
})

test('a worker looks for its own part of a day, and writes to no file of another', async () => {
  const disk = new Disk()
  const other = `/led/${formatLedgerName(TODAY, 7, 2)}`
  disk.put(other, '{}\n')
  disk.put(`/led/${formatLedgerName(TODAY, 3, 1)}`, '{}\n')
  disk.put(`/led/${formatLedgerName(TODAY, 9)}`, '{}\n')
  const { ledger, add } = bench({ rotateBytes: 4_096 }, disk, 1)
  for (let i = 0; i < 20; i++) {
    add(3)
    await ledger.whenWritten()
  }
  await ledger.close()
  assert.is(disk.text(other), '{}\n')
  assert.is(disk.text(`/led/${formatLedgerName(TODAY, 9)}`), '{}\n')
  const names = listLedgerNames(await disk.list('/led')).filter(({ worker }) => worker === 1)
  const parts = names.map(({ part }) => part)
  assert.equal(
    parts,
    Array.from({ length: parts.length }, (_, i) => i + 3),
  )
  assert.ok(parts.length > 3)
  const seqs = names.flatMap(({ name }) =>
    disk
      .text(`/led/${name}`)
      .split('\n')
      .filter((line) => line.includes('"seq"'))
      .map((line) => (JSON.parse(line) as { seq: number }).seq),
  )
  assert.equal(
    seqs,
    Array.from({ length: 60 }, (_, i) => i + 1),
  )
})

test('while its folder cannot be written, a worker has files of its own in the fallback folder too', async () => {
  const disk = new Disk()
  disk.broken = '/led/'
  const { ledger } = bench({ fallbackFolder: '/spare' }, disk, 3)
  ledger.record(summarize())
  await ledger.close()
  assert.ok(disk.text(`/spare/${formatLedgerName(TODAY, 1, 3)}`).includes('"seq":1,'))
  assert.equal(await disk.list('/spare'), [formatLedgerName(TODAY, 1, 3)])
})

test.run()
