import { isError } from '../ledger/read/entry.js'
import { formatOwner } from './owner.js'
import { Pace } from './pace.js'
import type { Filter } from './query.js'
import { DIMENSIONS } from './shapes.js'

/** Most requests, and most bytes of their records; a record has about one kilobyte. */
const MAX_REQUESTS = 2_000
const MAX_BYTES = 4 * 1024 ** 2

/** A record of the ledger. */
export type RecentRecord = Readonly<Record<string, unknown>>

export interface RecentQuery {
  readonly limit: number
  /** Id of a record: only older ones. Not given, or not known: from the latest on. */
  readonly before?: string | null
  readonly filter?: Filter
  /** Only requests that failed. */
  readonly onlyErrors?: boolean
}

/**
 * The last requests: the lines that the ledger has written of them, as text, parsed when somebody looks. Those of
 * several workers come in the order in which they were told of.
 */
export class RecentRequests {
  private readonly maxRequests: number
  private readonly maxBytes: number
  /** A ring: the next line comes to `at`. */
  private readonly lines: string[]
  private at: number
  private count: number
  private bytes: number

  constructor(maxRequests: number = MAX_REQUESTS, maxBytes: number = MAX_BYTES) {
    this.maxRequests = maxRequests
    this.maxBytes = maxBytes
    this.lines = new Array<string>(maxRequests).fill('')
    this.at = 0
    this.count = 0
    this.bytes = 0
  }

  /** How many are kept. */
  get size(): number {
    return this.count
  }

  /** @param line of the ledger, with or without its end */
  add(line: string): void {
    if (line.length > this.maxBytes) return
    if (this.count === this.maxRequests) this.dropFirst()
    this.lines[this.at] = line
    this.at = (this.at + 1) % this.maxRequests
    this.count++
    this.bytes += line.length
    while (this.bytes > this.maxBytes) this.dropFirst()
  }

  /** Adds lines of an earlier time, as far as there is room. @param lines in their order */
  addEarlier(lines: readonly string[]): void {
    const known = this.listLines()
    let room = this.maxRequests - known.length
    let bytes = this.maxBytes - this.bytes
    const earlier: string[] = []
    for (let i = lines.length - 1; i >= 0; i--) {
      const line = lines[i] as string
      room--
      bytes -= line.length
      if (room < 0 || bytes < 0) break
      earlier.push(line)
    }
    this.clear()
    for (const line of [...earlier.reverse(), ...known]) this.add(line)
  }

  /** The latest first. */
  async list({
    limit,
    before = null,
    filter = {},
    onlyErrors = false,
  }: RecentQuery): Promise<RecentRecord[]> {
    const pace = await Pace.begin()
    // What comes in the meantime moves none of them.
    const lines = this.listLines()
    const found: RecentRecord[] = []
    let at = before === null ? 0 : (await findAge(lines, before, pace)) + 1
    for (; at < lines.length && found.length < limit; at++) {
      const record = parseRecord(lines.at(-1 - at) as string)
      if (record !== null && matches(record, filter) && !(onlyErrors && !hasFailed(record)))
        found.push(record)
      if (pace.isTimeUp) await pace.rest()
    }
    return found
  }

  async find(id: string): Promise<RecentRecord | null> {
    const pace = await Pace.begin()
    const lines = this.listLines()
    const age = await findAge(lines, id, pace)
    return age === -1 ? null : parseRecord(lines.at(-1 - age) as string)
  }

  private lineOf(age: number): string {
    return this.lines[(this.at - 1 - age + 2 * this.maxRequests) % this.maxRequests] as string
  }

  /** The latest last. */
  private listLines(): string[] {
    return Array.from({ length: this.count }, (_, i) => this.lineOf(this.count - 1 - i))
  }

  private dropFirst(): void {
    const first = (this.at - this.count + this.maxRequests) % this.maxRequests
    this.bytes -= (this.lines[first] as string).length
    this.lines[first] = ''
    this.count--
  }

  private clear(): void {
    this.lines.fill('')
    this.at = 0
    this.count = 0
    this.bytes = 0
  }
}

/** @param lines the latest last @returns 0 for the latest; -1 if it is not there */
async function findAge(lines: readonly string[], id: string, pace: Pace): Promise<number> {
  const mark = `"id":${JSON.stringify(id)}`
  for (let age = 0; age < lines.length; age++) {
    const line = lines.at(-1 - age) as string
    if (line.includes(mark) && parseRecord(line)?.id === id) return age
    if (pace.isTimeUp) await pace.rest()
  }
  return -1
}

function parseRecord(line: string): RecentRecord | null {
  try {
    return JSON.parse(line) as RecentRecord
  } catch {
    return null
  }
}

function matches(record: RecentRecord, filter: Filter): boolean {
  return DIMENSIONS.every((dimension) => {
    const names = filter[dimension]
    if (names === undefined) return true
    const name = textOf(record[dimension])
    return (
      names.includes(name) || (dimension === 'user' && names.includes(formatOwner(textOf(record.team), name)))
    )
  })
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : ''
}

function hasFailed({ status, end, stream_error }: RecentRecord): boolean {
  return isError({
    status: typeof status === 'number' ? status : null,
    end: typeof end === 'string' ? end : null,
    streamError: typeof stream_error === 'string' ? stream_error : null,
  })
}
