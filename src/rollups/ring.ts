import { ignore } from '../lib/ignore.js'
import { type Cell, type Cells, openCell } from './cell.js'
import { type Pack, PackReader, packCells, unpackInto } from './pack.js'
import type { SeriesBook } from './series-book.js'

/** Slots whose cells are objects: those that requests go to now. */
const MOST_OPEN = 4

/** Packs of one slot, as late requests add some. More are made one. */
const MOST_PACKS = 4

/** What a pack takes beside its bytes. */
const PACK_BYTES = 200

/** A stretch of time. */
interface Slot {
  /** Null if nothing was added since it was packed. */
  open: Cells | null
  packs: Pack[]
  /** Its series are folded, as there was no room for them. */
  isFolded: boolean
}

export interface RingOptions {
  /** Length of a slot, milliseconds. */
  readonly slotMs: number
  /** Slots begin at this moment and multiples of their length from it. */
  readonly phaseMs: number
  /** Most slots. */
  readonly slots: number
  /** Most bytes of packed slots. Beyond it, the series of the oldest slots are folded, and then these slots go. */
  readonly maxBytes: number
}

/** Sums over time, in slots of one length. The slots that are gone over the longest ago go first. */
export class Ring {
  readonly slotMs: number
  readonly phaseMs: number
  readonly size: number
  /** Of packed slots. */
  bytes: number
  private readonly maxBytes: number
  private readonly book: SeriesBook
  private readonly slots: Map<number, Slot>
  /** Numbers of the slots, ascending. */
  private readonly order: number[]
  /** Those that are open, the one that was used last at the end. */
  private readonly opened: Set<number>
  private last: number

  constructor({ slotMs, phaseMs, slots, maxBytes }: RingOptions, book: SeriesBook) {
    this.slotMs = slotMs
    this.phaseMs = phaseMs
    this.size = slots
    this.bytes = 0
    this.maxBytes = maxBytes
    this.book = book
    this.slots = new Map()
    this.order = []
    this.opened = new Set()
    this.last = Number.NaN
  }

  /** Number of the slot of a moment. */
  numberOf(at: number): number {
    return Math.floor((at - this.phaseMs) / this.slotMs)
  }

  startOf(number: number): number {
    return number * this.slotMs + this.phaseMs
  }

  /** Whether there is room for a slot. @param nowNumber the slot that goes on */
  reaches(number: number, nowNumber: number): boolean {
    return number > nowNumber - this.size
  }

  /** Start of the oldest slot; null if there is none. */
  get oldestStart(): number | null {
    const [oldest] = this.order
    return oldest === undefined ? null : this.startOf(oldest)
  }

  get slotCount(): number {
    return this.order.length
  }

  /**
   * The cell of a series in a slot.
   * @param nowNumber the slot that goes on: others are dropped for it where there is no room
   * @returns null if the slot is too long ago
   */
  cellOf(number: number, series: number, nowNumber: number): Cell | null {
    const slot = this.openSlot(number, nowNumber)
    if (slot === null) return null
    this.book.touch(series, this.startOf(number + 1))
    slot.open ??= new Map()
    if (number !== this.last) this.use(number)
    return openCell(slot.open, series)
  }

  /** Adds packed cells. */
  addPack(number: number, pack: Pack, nowNumber: number): void {
    const slot = this.openSlot(number, nowNumber)
    if (slot === null) return
    slot.packs.push(pack)
    this.bytes += pack.bytes.length + PACK_BYTES
    if (slot.isFolded) this.close(slot, number)
    else if (slot.packs.length > MOST_PACKS) this.close(slot)
  }

  /** Folds and drops slots until there are few enough bytes, or the time is up. @returns whether it is done */
  trim(isTimeUp: () => boolean): boolean {
    while (this.bytes > this.maxBytes) {
      if (isTimeUp()) return false
      const number = this.order.find((one) => {
        const slot = this.slots.get(one)
        return slot !== undefined && !slot.isFolded && slot.packs.length > 0
      })
      // The latest slots are what most views show.
      if (number === undefined || number >= (this.order.at(-1) ?? 0) - 1) this.drop(this.order[0] as number)
      else {
        const slot = this.slots.get(number) as Slot
        slot.isFolded = true
        this.close(slot, number)
      }
    }
    return true
  }

  /** Packs what is open, and hands out each slot with its bytes; they are not in the ring any more. */
  takeAll(): [number, Uint8Array][] {
    const taken: [number, Uint8Array][] = []
    for (const number of [...this.order]) {
      const slot = this.slots.get(number) as Slot
      if (slot.open !== null || slot.packs.length !== 1) this.close(slot)
      const [pack] = slot.packs
      if (pack !== undefined && pack.bytes.length > 0) taken.push([number, pack.bytes])
      this.drop(number)
    }
    return taken
  }

  /**
   * Adds up the cells of a slot. A series may have several.
   * @param findSums where the numbers of a series are added, by their keys; null: nowhere
   * @param onAdded called after the numbers of a cell
   */
  sumUp(
    number: number,
    findSums: (series: number) => Float64Array | null,
    onAdded: (series: number) => void = ignore,
  ): void {
    const slot = this.slots.get(number)
    if (slot === undefined) return
    if (slot.open !== null)
      for (const [series, { keys, amounts }] of slot.open) {
        const sums = findSums(series)
        if (sums === null) continue
        for (let i = 0; i < keys.length; i++) {
          const key = keys[i] as number
          if (key >= sums.length) break
          sums[key] = (sums[key] as number) + (amounts[i] as number)
        }
        onAdded(series)
      }
    for (const pack of slot.packs) {
      const reader = new PackReader(pack)
      while (reader.next()) {
        const sums = findSums(reader.series)
        if (sums === null) continue
        reader.addTo(sums)
        onAdded(reader.series)
      }
    }
  }

  /** Tells the requests of each series in a slot. */
  countRequests(number: number, add: (series: number, requests: number) => void): void {
    const slot = this.slots.get(number)
    if (slot === undefined) return
    if (slot.open !== null)
      for (const [series, { keys, amounts }] of slot.open) add(series, keys[0] === 0 ? (amounts[0] ?? 0) : 0)
    for (const pack of slot.packs) {
      const reader = new PackReader(pack)
      while (reader.next()) add(reader.series, reader.readFirst())
    }
  }

  private openSlot(number: number, nowNumber: number): Slot | null {
    const known = this.slots.get(number)
    if (known !== undefined) return known
    if (this.order.length >= this.size) {
      // A clock that was ahead has left slots that will be used late, if ever.
      const [first = 0] = this.order
      const ahead = this.order.at(-1) ?? 0
      if (ahead > nowNumber + 1 && number <= nowNumber + 1) this.drop(ahead)
      else if (number < first) return null
      else this.drop(first)
    }
    const slot: Slot = { open: null, packs: [], isFolded: false }
    this.slots.set(number, slot)
    let at = this.order.length
    while (at > 0 && (this.order[at - 1] as number) > number) at--
    this.order.splice(at, 0, number)
    return slot
  }

  /** It is the one that was used last; the one that was not for the longest time is packed. */
  private use(number: number): void {
    this.last = number
    this.opened.delete(number)
    this.opened.add(number)
    if (this.opened.size <= MOST_OPEN) return
    const [oldest] = this.opened
    if (oldest === undefined) return
    this.opened.delete(oldest)
    const slot = this.slots.get(oldest)
    if (slot === undefined) return
    if (slot.packs.length >= MOST_PACKS || slot.isFolded) this.close(slot, slot.isFolded ? oldest : null)
    else this.packOpen(slot)
  }

  private packOpen(slot: Slot): void {
    if (slot.open === null) return
    const bytes = packCells(slot.open)
    slot.packs.push({ bytes, map: null })
    this.bytes += bytes.length + PACK_BYTES
    slot.open = null
  }

  /** Makes one pack of a slot. @param folded number of the slot, if its series are to be folded */
  private close(slot: Slot, folded: number | null = null): void {
    const cells: Cells = slot.open ?? new Map()
    for (const { bytes } of slot.packs) this.bytes -= bytes.length + PACK_BYTES
    const packs = slot.packs
    slot.packs = []
    if (folded === null) for (const pack of packs) unpackInto(cells, pack)
    else {
      const targets = new Map<number, number>()
      const toSeries = (series: number): number => {
        let target = targets.get(series)
        if (target === undefined) {
          target = this.book.fold(series)
          targets.set(series, target)
          this.book.touch(target, this.startOf(folded + 1))
        }
        return target
      }
      const own = [...cells]
      cells.clear()
      for (const [series, { keys, amounts }] of own)
        openCell(cells, toSeries(series)).addPairs(keys.flatMap((key, i) => [key, amounts[i] as number]))
      for (const pack of packs) unpackInto(cells, pack, toSeries)
    }
    slot.open = cells
    this.packOpen(slot)
  }

  private drop(number: number): void {
    const slot = this.slots.get(number)
    if (slot === undefined) return
    for (const { bytes } of slot.packs) this.bytes -= bytes.length + PACK_BYTES
    this.slots.delete(number)
    this.opened.delete(number)
    if (this.last === number) this.last = Number.NaN
    this.order.splice(this.order.indexOf(number), 1)
  }
}
