import type { Filter, TimeRange } from '../rollups/query.js'
import { ApiRefusal } from './page-response.js'
import { DIMENSIONS, type Dimension } from './shapes.js'

const SECOND_MS = 1_000
const UNITS: Readonly<Record<string, number>> = {
  s: SECOND_MS,
  m: 60 * SECOND_MS,
  h: 3_600 * SECOND_MS,
  d: 86_400 * SECOND_MS,
}

/** Nothing older is kept. */
const LONGEST_MS = 90 * 86_400 * SECOND_MS

const USUAL_RANGE = '2h'

/** Values of one dimension that can be asked for, and their lengths. A model name may be long. */
const MOST_VALUES = 50
const LONGEST_VALUE = 512

/** An id of a request, as the relay makes them. */
export const REQUEST_ID = /^[\w.-]{1,80}$/

/** The parameters of one request for the API. What nobody has read is refused. */
export class Parameters {
  private readonly query: URLSearchParams
  private readonly unread: Set<string>

  constructor(query: URLSearchParams) {
    this.query = query
    this.unread = new Set(query.keys())
  }

  /** @param now epoch milliseconds */
  readRange(now: number): TimeRange {
    const text = this.readOne('range') ?? USUAL_RANGE
    const length = /^(\d{1,6})([smhd])$/.exec(text)
    if (length !== null) {
      const ms = Number(length[1]) * (UNITS[length[2] ?? ''] ?? 0)
      if (ms > 0 && ms <= LONGEST_MS) return { from: now - ms, to: now }
      throw refuse('range', 'must be at most 90d, and more than nothing')
    }
    const [, first, last] = /^(\d{1,15})-(\d{1,15})$/.exec(text) ?? []
    const [from, to] = [Number(first), Number(last)]
    if (first === undefined || Number.isNaN(from))
      throw refuse(
        'range',
        'must be a length of time such as 5m, 24h or 7d, or FROM-TO in epoch milliseconds',
      )
    if (from >= to) throw refuse('range', 'must end after it begins')
    if (to - from > LONGEST_MS) throw refuse('range', 'must not be longer than 90d')
    return { from, to }
  }

  /** @returns null if it is not given */
  readDimension(name: string): Dimension | null {
    const text = this.readOne(name)
    if (text === null) return null
    const found = DIMENSIONS.find((dimension) => dimension === text)
    if (found === undefined) throw refuse(name, `must be one of ${DIMENSIONS.join(', ')}`)
    return found
  }

  readFilter(): Filter {
    const filter: Partial<Record<Dimension, readonly string[]>> = {}
    for (const dimension of DIMENSIONS) {
      if (!this.query.has(dimension)) continue
      this.unread.delete(dimension)
      const values = [...new Set(this.query.getAll(dimension))]
      if (values.length > MOST_VALUES)
        throw refuse(dimension, `must not be given more than ${MOST_VALUES} times`)
      if (values.some((value) => value.length > LONGEST_VALUE))
        throw refuse(dimension, `must not be longer than ${LONGEST_VALUE} characters`)
      filter[dimension] = values
    }
    return filter
  }

  /** @returns a whole number from 1 to `most` */
  readCount(name: string, most: number, usual: number): number {
    const text = this.readOne(name)
    if (text === null) return usual
    const count = /^\d{1,9}$/.test(text) ? Number(text) : 0
    if (count < 1 || count > most) throw refuse(name, `must be a whole number from 1 to ${most}`)
    return count
  }

  /** @returns null if it is not given */
  readRequestId(name: string): string | null {
    const text = this.readOne(name)
    if (text !== null && !REQUEST_ID.test(text)) throw refuse(name, 'must be the id of a request')
    return text
  }

  /** Whether it is `1`; else it has to be left out. */
  readFlag(name: string): boolean {
    const text = this.readOne(name)
    if (text !== null && text !== '1') throw refuse(name, 'must be 1, or be left out')
    return text !== null
  }

  /** @returns null if it is not given */
  readText(name: string): string | null {
    return this.readOne(name)
  }

  /** @throws {ApiRefusal} if there are parameters that nobody has read */
  end(): void {
    for (const name of this.unread) throw refuse(name, 'is not known here')
  }

  private readOne(name: string): string | null {
    this.unread.delete(name)
    const values = this.query.getAll(name)
    if (values.length > 1) throw refuse(name, 'must be given once')
    return values[0] ?? null
  }
}

/** @param name of the parameter, which a caller may have made up */
export function refuse(name: string, what: string): ApiRefusal {
  const shown = name.length > 40 ? `${name.slice(0, 40)}…` : name
  return new ApiRefusal(400, 'bad_parameter', `${shown}: ${what}`)
}
