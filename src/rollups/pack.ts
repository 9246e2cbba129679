import { toAmount } from './amount.js'
import { type Cells, openCell } from './cell.js'

/**
 * The cells of a slot as bytes: most take 30 to 100, where an object would take a kilobyte. Each is the number of its
 * series, its length, and its keys, as differences, with their numbers in turn; all of them in groups of seven bits.
 */
export interface Pack {
  readonly bytes: Uint8Array
  /** Number of each series here, by its number in the pack; null: they are the same. */
  readonly map: readonly number[] | null
}

let scratch = new Uint8Array(64 * 1024)

/** Longest number: 2^53 has eight groups. */
const MAX_NUMBER = 8

export function packCells(cells: Cells): Uint8Array {
  let at = 0
  for (const [series, { keys, amounts }] of cells) {
    // The length stands in two bytes.
    const most = 2 * MAX_NUMBER * (keys.length + 1) + 2
    if (at + most > scratch.length) {
      const larger = new Uint8Array(2 * scratch.length + most)
      larger.set(scratch)
      scratch = larger
    }
    at = writeNumber(at, series)
    const lengthAt = at
    at += 2
    let before = 0
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i] as number
      at = writeNumber(at, key - before)
      at = writeNumber(at, toAmount(amounts[i] as number))
      before = key
    }
    const length = at - lengthAt - 2
    scratch[lengthAt] = length & 0xff
    scratch[lengthAt + 1] = length >> 8
  }
  return scratch.slice(0, at)
}

function writeNumber(start: number, value: number): number {
  let at = start
  let rest = value
  while (rest >= 0x80000000) {
    scratch[at++] = (rest % 128) | 0x80
    rest = Math.floor(rest / 128)
  }
  rest |= 0
  while (rest > 127) {
    scratch[at++] = (rest & 127) | 0x80
    rest >>>= 7
  }
  scratch[at++] = rest
  return at
}

/** Reads the cells of a pack one after the other. */
export class PackReader {
  /** Of the cell. */
  series: number
  private readonly bytes: Uint8Array
  private readonly map: readonly number[] | null
  private at: number
  private end: number

  constructor({ bytes, map }: Pack) {
    this.bytes = bytes
    this.map = map
    this.series = 0
    this.at = 0
    this.end = 0
  }

  /** Goes to the next cell. @returns false if there is none */
  next(): boolean {
    const { bytes, map, end } = this
    if (end >= bytes.length) return false
    this.at = end
    const series = this.read()
    this.series = map === null ? series : (map[series] ?? 0)
    const length = (bytes[this.at] as number) | ((bytes[this.at + 1] as number) << 8)
    this.at += 2
    this.end = this.at + length
    return true
  }

  /** The number of its first key, if that is 0: each cell has requests. Read before anything else of it. */
  readFirst(): number {
    const { at } = this
    const first = this.read() === 0 ? this.read() : 0
    this.at = at
    return first
  }

  /** Adds the numbers of the cell to those of the keys that there are sums for: all, or the first ones. */
  addTo(sums: Float64Array): void {
    let key = 0
    while (this.at < this.end) {
      key += this.read()
      if (key >= sums.length) return
      sums[key] = (sums[key] as number) + this.read()
    }
  }

  /** The numbers as keys and amounts in turn. */
  readPairs(): number[] {
    const pairs: number[] = []
    let key = 0
    while (this.at < this.end) {
      key += this.read()
      pairs.push(key, this.read())
    }
    return pairs
  }

  private read(): number {
    const { bytes } = this
    let byte = bytes[this.at++] as number
    if (byte < 128) return byte
    let value = byte & 127
    let unit = 128
    do {
      byte = bytes[this.at++] as number
      value += (byte & 127) * unit
      unit *= 128
    } while (byte > 127)
    return value
  }
}

/** Adds the cells of a pack to others. @param toSeries says where a series goes; not given: it stays */
export function unpackInto(cells: Cells, pack: Pack, toSeries: (series: number) => number = same): void {
  const reader = new PackReader(pack)
  while (reader.next()) openCell(cells, toSeries(reader.series)).addPairs(reader.readPairs())
}

function same(series: number): number {
  return series
}
