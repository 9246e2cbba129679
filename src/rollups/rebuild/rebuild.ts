import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import type { PricedUpstream } from '../../ledger/price-context.js'
import { Prices } from '../../ledger/prices.js'
import { LineSplitter } from '../../ledger/read/lines.js'
import type { Rollup } from '../../ledger/read/rollup.js'
import { isClosed, readRollup } from '../../ledger/read/rollup-files.js'
import { readErrorCode } from '../../lib/error-code.js'
import type { RebuildProblem } from '../rollups.js'
import { HOURS_MS, MINUTES_MS, type RingName, Store, type StoreOptions } from '../store.js'
import { Collector, type RecordChoice } from './collector.js'
import type { DaySizes } from './snapshot.js'

const DAY_MS = 86_400_000

/** Last records that are handed over. */
const MOST_RECENT = 2_000

/** Bytes of a file that are read at once. */
const CHUNK_BYTES = 256 * 1024

/** Slots, and bytes of them, in one message: it is unpacked within one turn of the relay's event loop. */
const SLOTS_AT_ONCE = 200
const BYTES_AT_ONCE = 256 * 1024

/** Other things of a message. */
const ITEMS_AT_ONCE = 500

/** So far back the records themselves are read: views of 48 hours show minutes, and begin with a full slot. */
const RECORDS_MS = MINUTES_MS + 60 * 60_000

/** What is read. */
export interface RebuildTask extends RecordChoice {
  /** The latest day first. */
  readonly days: readonly DaySizes[]
  /** Of the store that it is for. */
  readonly store: Omit<StoreOptions, 'now'>
  /** Epoch milliseconds. */
  readonly at: number
  /** For what the prompt cache has saved; null if costs are switched off. */
  readonly prices: {
    readonly setting: string | boolean
    readonly upstreams: readonly PricedUpstream[]
  } | null
  /** Whether the last records are wanted, too. */
  readonly wantsRecent: boolean
}

/** Sums of a day, in parts. */
export interface RebuiltPart {
  /** Names of series, which have the next numbers from the first message on. */
  readonly series: readonly (readonly string[])[]
  readonly slots: readonly (readonly [ring: RingName, number: number, bytes: Uint8Array])[]
  readonly keys: readonly (readonly [key: string, at: number])[]
  readonly tags: readonly TagPart[]
  /** The last records, the latest at the end; of the first days alone. */
  readonly lines: readonly string[]
}

export type TagPart = readonly [
  from: number,
  series: number,
  tag: string,
  costNano: number,
  tokens: number,
  requests: number,
]

/** What the thread tells. */
export type RebuildNews =
  | { readonly kind: 'part'; readonly part: RebuiltPart }
  /** All of a day has been told, in all folders. */
  | {
      readonly kind: 'day'
      readonly day: string
      /** Whether its sums are from a rollup. */
      readonly isRolledUp: boolean
      readonly problems: readonly RebuildProblem[]
    }
  | { readonly kind: 'end' }

/**
 * Sums up days of the ledger, the latest first, and tells of each when it is done. The files of the last two days are
 * read record by record, as the views of 48 hours show minutes; older days from their rollups where these fit.
 * @param tell resolves when more may be told
 */
export async function rebuild(task: RebuildTask, tell: (news: RebuildNews) => Promise<void>): Promise<void> {
  const { at, days } = task
  const store = new Store({ ...task.store, now: () => at })
  store.keepSeries(true)
  const collector = new Collector(store, openPrices(task), at, task)
  const recent = new RecentLines(task.wantsRecent ? MOST_RECENT : 0)
  const teller = new Teller(store, tell)
  for (let i = 0; i < days.length; ) {
    const { day } = days[i] as DaySizes
    const problems: RebuildProblem[] = []
    let isRolledUp = false
    for (; days[i]?.day === day; i++)
      if (await readDay(days[i] as DaySizes, task, collector, recent, problems)) isRolledUp = true
    await teller.tellDay(recent.take())
    await tell({ kind: 'day', day, isRolledUp, problems })
  }
  await tell({ kind: 'end' })
}

function openPrices({ prices }: RebuildTask): Prices | null {
  if (prices === null) return null
  try {
    const opened = Prices.open(prices.setting)
    opened?.follow(prices.upstreams)
    return opened
  } catch {
    // The relay has said what is wrong with the file.
    return null
  }
}

/** @returns whether a rollup was read in place of the records */
async function readDay(
  { folder, day, files }: DaySizes,
  { at, only }: RebuildTask,
  collector: Collector,
  recent: RecentLines,
  problems: RebuildProblem[],
): Promise<boolean> {
  const end = Date.parse(`${day}T00:00:00.000Z`) + DAY_MS
  if (only === null && end < at - RECORDS_MS && isClosed(day, at)) {
    const names = files.map(({ name }) => name)
    const rollup = await readRollup(folder, { day, names }).catch(() => null)
    if (rollup !== null && fitsSizes(rollup, files) && rollup.addTo(collector)) return true
  }
  for (const { name, bytes } of files) {
    const path = join(folder, name)
    let { torn } = collector
    let wasLastTorn = false
    const addLine = (line: string): void => {
      // The writer puts a line end first when it does not know how the line before ended.
      if (line === '') return
      const before = collector.torn
      const record = collector.addLine(line)
      if (record !== null) recent.add(record)
      wasLastTorn = collector.torn > before
    }
    try {
      await readFileUpTo(path, bytes, addLine)
      // Another relay was writing the last line when the size was taken.
      if (wasLastTorn && !isClosed(day, at)) torn++
    } catch (error) {
      problems.push({ path, code: readErrorCode(error) })
    }
    recent.endFile()
    if (collector.torn > torn) problems.push({ path, code: 'torn' })
  }
  return false
}

/** A file may have grown, or been written, since its size was taken. */
function fitsSizes({ head }: Rollup, files: DaySizes['files']): boolean {
  return head.files.every(({ name, size }) => files.some((one) => one.name === name && one.bytes === size))
}

async function readFileUpTo(path: string, bytes: number, onLine: (line: string) => void): Promise<void> {
  const splitter = new LineSplitter(onLine)
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK_BYTES, end: bytes - 1 }))
    splitter.push(chunk as Buffer)
  splitter.end()
}

/** The last lines of the days that are read first, as far as there is room. */
class RecentLines {
  private room: number
  /** Of the files that were read. */
  private readonly earlier: string[]
  private lines: string[]

  constructor(room: number) {
    this.room = room
    this.earlier = []
    this.lines = []
  }

  add(line: string): void {
    if (this.room === 0) return
    this.lines.push(line)
    // Not at each line, as that copies all.
    if (this.lines.length >= 2 * this.room) this.lines = this.lines.slice(-this.room)
  }

  endFile(): void {
    if (this.room > 0) this.earlier.push(...this.lines.slice(-this.room))
    this.lines = []
  }

  /** The last ones of a day, the latest at the end. */
  take(): readonly string[] {
    const timed = this.earlier.splice(0).map((line) => [TIME.exec(line)?.[1] ?? '', line] as const)
    timed.sort(([a], [b]) => (a === b ? 0 : a < b ? -1 : 1))
    const lines = this.room === 0 ? [] : timed.slice(-this.room).map(([, line]) => line)
    this.room -= lines.length
    return lines
  }
}

/** When the request of a line arrived. */
const TIME = /"ts":"([^"]+)"/

/** Tells what a store has, in parts, and empties it. */
class Teller {
  private readonly store: Store
  private readonly tell: (news: RebuildNews) => Promise<void>
  /** Series that were told. */
  private told: number
  private readonly toldKeys: Map<string, number>

  constructor(store: Store, tell: (news: RebuildNews) => Promise<void>) {
    this.store = store
    this.tell = tell
    this.told = 0
    this.toldKeys = new Map()
  }

  async tellDay(lines: readonly string[]): Promise<void> {
    const { rings, tags, book, seenKeys } = this.store
    let slots: RebuiltPart['slots'][number][] = []
    let bytes = 0
    const taken = (Object.keys(rings) as RingName[]).map((name) => [name, rings[name].takeAll()] as const)
    // A slot that is folded makes new series: they are numbered after all is taken.
    const series = Array.from({ length: book.end - this.told }, (_, i) => book.namesOf(this.told + i))
    this.told = book.end
    for (const some of divide(series)) await this.tellPart({ series: some })
    for (const [name, ofRing] of taken)
      for (const [number, packed] of ofRing) {
        slots.push([name, number, packed])
        bytes += packed.length
        if (slots.length < SLOTS_AT_ONCE && bytes < BYTES_AT_ONCE) continue
        await this.tellPart({ slots })
        slots = []
        bytes = 0
      }
    if (slots.length > 0) await this.tellPart({ slots })
    const keys = [...seenKeys].filter(([key, at]) => (this.toldKeys.get(key) ?? 0) < at)
    for (const [key, at] of keys) this.toldKeys.set(key, at)
    for (const some of divide(keys)) await this.tellPart({ keys: some })
    const sums = [...tags.list(Number.NEGATIVE_INFINITY)].map(
      ([from, { series, tag, costNano, tokens, requests }]): TagPart => [
        from,
        series,
        tag,
        costNano,
        tokens,
        requests,
      ],
    )
    tags.clear()
    for (const some of divide(sums)) await this.tellPart({ tags: some })
    // Each part stands before those that are there.
    for (const some of divide(lines).reverse()) await this.tellPart({ lines: some })
  }

  private tellPart(part: Partial<RebuiltPart>): Promise<void> {
    const nothing = { series: [], slots: [], keys: [], tags: [], lines: [] }
    return this.tell({ kind: 'part', part: { ...nothing, ...part } })
  }
}

function divide<T>(items: readonly T[]): (readonly T[])[] {
  const parts: (readonly T[])[] = []
  for (let i = 0; i < items.length; i += ITEMS_AT_ONCE) parts.push(items.slice(i, i + ITEMS_AT_ONCE))
  return parts
}

/** How far back records matter, and some more for requests that took long. */
export const READ_BACK_MS = HOURS_MS + DAY_MS
