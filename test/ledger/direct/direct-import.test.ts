import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { loadConfig } from '../../../src/config/config.js'
import { DirectImport } from '../../../src/ledger/direct/direct-import.js'
import { ImportLock, ImportRuns } from '../../../src/ledger/direct/import-lock.js'
import { DISK, type LedgerFiles, listLedgerNames } from '../../../src/ledger/files.js'
import { readIdentity } from '../../../src/ledger/read/entry.js'
import { readStarts } from '../../../src/ledger/read/start-check.js'
import { Verifier } from '../../../src/ledger/read/verify.js'
import { Ledger } from '../../../src/ledger/write/ledger.js'
import { summarize } from '../../support/ledger-disk.js'
import { fc } from '../../support/property.js'

interface Place {
  folder: string
}

const test = suite<Place>('direct import')

test.before.each(async (place) => {
  place.folder = await mkdtemp(join(tmpdir(), 'thinwire-direct-'))
})

test.after.each((place) => rm(place.folder, { recursive: true, force: true }))

const { ledger: DEFAULTS } = loadConfig({ env: {}, cwd: '/nonexistent' })
const QUIET = { warn: () => {}, info: () => {} }
const DAY_S = 86_400

/** The start of the day four days ago, in seconds: the last day of the logs is today. */
const START = (Math.floor(Date.now() / 86_400_000) - 4) * DAY_S

/** A line of a log, as the model of these tests sees it. */
interface Line {
  readonly text: string
  /** Equal lines of one log are one request. */
  readonly isUnique: boolean
}

function lineOf(second: number, id: string, user = 'ann'): Line {
  const text = JSON.stringify({
    ...{ thinwire: 'direct', v: 1, time: START + second, request_id: id, key_id: 'k_1', env: 'e' },
    ...{ team: 't', user, model: 'm', method: 'POST', path: '/v1/chat/completions', status: '200' },
    ...{ bytes_in: '10', bytes_out: '20', duration: '1.5', first_byte: '0.5', client: '192.0.2.1' },
    ...{ upstream: '192.0.2.2:443', ended: 'OK' },
  })
  return { text, isUnique: id.length >= 16 }
}

function logOf(lines: readonly Line[], rest = ''): string {
  return lines.map(({ text }) => `${text}\n`).join('') + rest
}

/** How often each request is in some logs: as often as in the one that has it most often, or once if it is unique. */
function countRequests(logs: readonly (readonly Line[])[]): Map<string, number> {
  const most = new Map<string, number>()
  for (const log of logs) {
    const own = new Map<string, number>()
    for (const { text, isUnique } of log) own.set(text, isUnique ? 1 : (own.get(text) ?? 0) + 1)
    for (const [text, count] of own) most.set(text, Math.max(count, most.get(text) ?? 0))
  }
  return most
}

/** A log that arrives in pieces of that size. */
function stream(text: string, bytes = 64 * 1024): Readable {
  const all = Buffer.from(text)
  const pieces: Buffer[] = []
  for (let at = 0; at < all.length; at += bytes) pieces.push(Buffer.from(all.subarray(at, at + bytes)))
  return Readable.from(pieces)
}

async function importLogs(
  folder: string,
  logs: readonly string[],
  { files = DISK, maxIds = 1_000_000, isDry = false, bytes = 64 * 1024, options = DEFAULTS } = {},
): Promise<DirectImport> {
  const direct = new DirectImport(
    { folders: [folder], options: { ...options, folder }, isDry },
    files,
    maxIds,
  )
  try {
    for (const [i, log] of logs.entries()) await direct.read(`log ${i}`, stream(log, bytes))
    await direct.close()
  } catch (error) {
    direct.abandon()
    throw error
  }
  return direct
}

/** A disk that writes so many bytes, and then fails: what a killed import leaves behind. */
function failingAfter(bytes: number): LedgerFiles {
  let left = bytes
  return {
    ...DISK,
    async open(path) {
      const file = await DISK.open(path)
      return {
        size: () => file.size(),
        lastByte: () => file.lastByte(),
        sync: () => file.sync(),
        close: () => file.close(),
        place: () => file.place(),
        touch: () => file.touch(),
        async write(given) {
          const taken = given.subarray(0, Math.max(0, left))
          if (taken.length > 0) await file.write(taken)
          left -= given.length
          if (left < 0) throw Object.assign(new Error('killed'), { code: 'EIO' })
          return taken.length
        },
      }
    },
  }
}

interface Found {
  readonly day: string
  readonly ts: string
  readonly id: string
  readonly import_id?: string
  readonly user: string
  readonly upstream: string
  readonly total_ms: number
}

/** The records of a folder that are whole, each number of a writer once. */
function readRecords(folder: string): Found[] {
  const found = new Map<string, Found>()
  for (const { name, day } of listLedgerNames(readdirSync(folder)))
    for (const line of readFileSync(join(folder, name), 'utf8').split('\n')) {
      const record = readIdentity(line)
      if (record !== null)
        found.set(`${record.writer} ${record.seq}`, { ...(record.fields as unknown as Found), day })
    }
  return [...found.values()]
}

/** Requests by their time and user, as the ledger has them. */
function countRecords(folder: string): Map<string, number> {
  const counts = new Map<string, number>()
  for (const { upstream, ts, user, day, total_ms: ms } of readRecords(folder)) {
    if (upstream !== 'direct') continue
    const ended = new Date(Date.parse(ts) + ms).toISOString()
    assert.is(day, ended.slice(0, 10), 'a record is in the file of the day on which its request ended')
    counts.set(`${ended} ${user}`, (counts.get(`${ended} ${user}`) ?? 0) + 1)
  }
  return new Map([...counts].sort())
}

/** The same of the model. */
function expected(requests: ReadonlyMap<string, number>): Map<string, number> {
  const counts = new Map<string, number>()
  for (const [text, count] of requests) {
    const { time, user } = JSON.parse(text) as { time: number; user: string }
    const name = `${new Date(time * 1_000).toISOString()} ${user}`
    counts.set(name, (counts.get(name) ?? 0) + count)
  }
  return new Map([...counts].sort())
}

/** What `usage verify` says of the numbers and the chains. */
async function verify(folder: string): Promise<void> {
  const starts = await readStarts([folder])
  const verifier = new Verifier()
  for (const { name, day } of listLedgerNames(readdirSync(folder))) {
    const file = verifier.begin(name, day, folder)
    for (const line of readFileSync(join(folder, name), 'utf8').split('\n')) verifier.push(file, line)
  }
  const { gaps, breaks } = verifier.finish(starts)
  assert.equal({ gaps, breaks }, { gaps: [], breaks: [] })
}

/** Lines of five days in the order of time, some of them equal, with ids that are good, poor or missing. */
const line = fc
  .tuple(
    fc.nat(5 * 12),
    fc.constantFrom('', '7', '-', 'id-of-sixteen-characters'),
    fc.constantFrom('ann', 'bob'),
  )
  .map(([hour, id, user]) => [hour * 7_200, id, user] as const)
const log = fc
  .array(line, { minLength: 1, maxLength: 40 })
  .map((lines) =>
    [...lines].sort((a, b) => a[0] - b[0]).map(([second, id, user]) => lineOf(second, id, user)),
  )
const step = fc.record({
  from: fc.nat(40),
  to: fc.nat(40),
  /** Characters of the next line that are there already. */
  torn: fc.nat(200),
  isReversed: fc.boolean(),
  isTwice: fc.boolean(),
  /** The import is killed after so many bytes. */
  dies: fc.option(fc.nat(12_000), { freq: 2 }),
  bytes: fc.constantFrom(1, 7, 1_000, 64 * 1024),
})

test('any pieces of a log, in any order, repeated, and killed anywhere, give the same records beside a running relay', async ({
  folder,
}) => {
  let run = 0
  await fc.assert(
    fc.asyncProperty(log, fc.array(step, { maxLength: 6 }), async (lines, steps) => {
      const place = join(folder, String(run++))
      const relay = new Ledger({ ...DEFAULTS, folder: place, flushMs: 1 }, QUIET, null)
      await relay.prepare()
      let relayed = 0
      let isOver = false
      const relaying = (async () => {
        while (!isOver) {
          relay.record(summarize())
          relayed++
          await relay.whenWritten()
          await new Promise((resolve) => setImmediate(resolve))
        }
      })()
      try {
        const imported: Line[][] = []
        for (const { from, to, torn, isReversed, isTwice, dies, bytes } of steps) {
          const piece = lines.slice(Math.min(from, to), Math.max(from, to))
          if (isReversed) piece.reverse()
          const text = logOf(piece, lines[Math.max(from, to)]?.text.slice(0, torn))
          const logs = isTwice ? [text, text] : [text]
          try {
            await importLogs(place, logs, { bytes, ...(dies === null ? {} : { files: failingAfter(dies) }) })
            imported.push(piece)
          } catch (error) {
            assert.is((error as NodeJS.ErrnoException).code, 'EIO')
            continue
          }
          const found = countRecords(place)
          for (const [name, count] of expected(countRequests(imported)))
            assert.ok((found.get(name) ?? 0) >= count, name)
        }
        await importLogs(place, [logOf(lines)])
        assert.equal(countRecords(place), expected(countRequests([lines])))
        const before = readRecords(place).filter(({ upstream }) => upstream === 'direct').length
        const again = await importLogs(place, [logOf(lines), logOf(lines)])
        assert.is(
          again.counts.reduce((sum, [, { imported }]) => sum + imported, 0),
          0,
        )
        assert.is(readRecords(place).filter(({ upstream }) => upstream === 'direct').length, before)
      } finally {
        isOver = true
        await relaying
        await relay.close()
      }
      assert.is(readRecords(place).filter(({ upstream }) => upstream !== 'direct').length, relayed)
      await verify(place)
      await rm(place, { recursive: true, force: true })
    }),
    { numRuns: 40 },
  )
})

test('an import that is killed after any byte is completed by the next one', async ({ folder }) => {
  const lines = [lineOf(0, ''), lineOf(0, ''), lineOf(5, 'id-of-sixteen-characters'), lineOf(DAY_S, '3')]
  const whole = join(folder, 'whole')
  await importLogs(whole, [logOf(lines)])
  const bytes = readdirSync(whole).reduce((sum, name) => sum + readFileSync(join(whole, name)).length, 0)
  for (let at = 0; at <= bytes; at += 29) {
    const place = join(folder, String(at))
    await importLogs(place, [logOf(lines)], { files: failingAfter(at) }).catch(() => {})
    await importLogs(place, [logOf(lines)])
    assert.equal(countRecords(place), countRecords(whole), String(at))
    await verify(place)
  }
})

test('a log that grows is imported line by line, and its torn last line when it has ended', async ({
  folder,
}) => {
  const lines = [1, 2, 3].map((second) => lineOf(second, ''))
  const text = logOf(lines)
  const known: number[] = []
  for (let end = 1; end <= text.length; end += 17) {
    const direct = await importLogs(folder, [text.slice(0, end)])
    known.push(direct.counts.reduce((sum, [, { imported, known }]) => sum + imported + known, 0))
    assert.is(known.at(-1), text.slice(0, end).split('\n').length - 1)
  }
  await importLogs(folder, [text])
  assert.is(readRecords(folder).length, 3)
})

test('lines that are the same but for their id or their text are requests of their own', async ({
  folder,
}) => {
  const text = logOf([
    lineOf(1, '7'),
    lineOf(1, '8'),
    lineOf(1, '7', 'bob'),
    lineOf(1, 'id-of-sixteen-characters'),
  ])
  await importLogs(folder, [text, text])
  assert.is(readRecords(folder).length, 4)
})

test('equal lines without an id are as many requests as there are lines', async ({ folder }) => {
  const { text } = lineOf(1, '')
  const many = `${text}\n`.repeat(20_000)
  for (let i = 0; i < 2; i++) await importLogs(folder, [many])
  assert.is(readRecords(folder).length, 20_000)
})

test('days that are unloaded for want of memory are read again, and nothing is recorded twice', async ({
  folder,
}) => {
  const lines: Line[] = []
  for (let i = 0; i < 200; i++) lines.push(lineOf((i % 4) * DAY_S + i, `id-of-sixteen-characters-${i}`))
  for (let i = 0; i < 2; i++)
    await importLogs(folder, [logOf([...lines, ...lines])], { maxIds: 20, bytes: 2_000 })
  assert.is(readRecords(folder).length, 200)
  await verify(folder)
})

test('a dry run counts the same and writes nothing', async ({ folder }) => {
  const text = logOf([lineOf(1, ''), lineOf(1, ''), lineOf(DAY_S, '')])
  const dry = await importLogs(join(folder, 'data'), [text, text], { isDry: true })
  assert.equal(readdirSync(folder), [])
  assert.equal(dry.counts, (await importLogs(join(folder, 'data'), [text, text])).counts)
})

test('records go to the next file of a day that is full', async ({ folder }) => {
  const options = { ...DEFAULTS, rotateBytes: 64 * 1024 }
  for (let i = 0; i < 3; i++) {
    const lines = Array.from({ length: 100 }, (_, at) => lineOf(at, `id-of-sixteen-characters-${i}-${at}`))
    await importLogs(folder, [logOf(lines)], { options })
  }
  assert.ok(readdirSync(folder).some((name) => name.endsWith('.2.jsonl')))
  assert.is(readRecords(folder).length, 300)
  await verify(folder)
})

test('records in the fallback folder are known', async ({ folder }) => {
  const [main, spare] = [join(folder, 'main'), join(folder, 'spare')]
  const text = logOf([lineOf(1, '')])
  await importLogs(spare, [text])
  const direct = new DirectImport({ folders: [main, spare], options: DEFAULTS, isDry: false })
  await direct.read('log', stream(text))
  await direct.close()
  assert.equal(direct.counts[0]?.[1], { imported: 0, refused: 0, known: 1 })
})

test('one import holds the lock; one that was killed does not keep it', async ({ folder }) => {
  const lock = await ImportLock.take(folder, 0)
  const refused = await ImportLock.take(folder, 300).catch((error: unknown) => error)
  assert.instance(refused, ImportRuns)
  const waiting = ImportLock.take(folder, 20_000)
  await lock.release()
  const next = await waiting
  await next.release()
  assert.equal(readdirSync(folder), [])
  // Of a process that has ended: its number may be that of another one since.
  const mark = { host: (await markOf(folder)).host, pid: process.pid, born: 1 }
  writeFileSync(join(folder, 'import-000000000000.lock'), JSON.stringify(mark))
  const last = await ImportLock.take(folder, 0)
  await last.release()
  assert.equal(readdirSync(folder), [])
})

test('of many imports that begin at one time, one holds the lock at each moment', async ({ folder }) => {
  let held = 0
  let most = 0
  await Promise.all(
    Array.from({ length: 6 }, async () => {
      const lock = await ImportLock.take(folder, 60_000)
      most = Math.max(most, ++held)
      await new Promise((resolve) => setTimeout(resolve, 5))
      held--
      await lock.release()
    }),
  )
  assert.is(most, 1)
})

/** What a lock of this process says. */
async function markOf(folder: string): Promise<{ host: string }> {
  const lock = await ImportLock.take(folder, 0)
  const [name = ''] = readdirSync(folder)
  const text = readFileSync(join(folder, name), 'utf8')
  await lock.release()
  return JSON.parse(text) as { host: string }
}

test.run()
