import { OTHER } from './shapes.js'

/** Days that are kept: a month, and some. */
const MOST_DAYS = 33

/** What requests with one tag cost, of one series on one day. */
export interface TagSum {
  readonly series: number
  readonly tag: string
  costNano: number
  tokens: number
  requests: number
}

/** Sums of money by tag, for each day of the calendar. */
export class TagSums {
  /** Number of sums. */
  count: number
  private readonly max: number
  /** By the start of the day, and there by series and tag. */
  private readonly days: Map<number, Map<string, TagSum>>

  /** @param max sums; beyond it, tags are `OTHER` */
  constructor(max: number) {
    this.count = 0
    this.max = max
    this.days = new Map()
  }

  /** @param tags `project=a,ticket=b` @param day its start */
  add(day: number, series: number, tags: string, costNano: number, tokens: number, requests: number): void {
    for (const tag of tags.split(',')) this.addOne(day, series, tag, costNano, tokens, requests)
  }

  addOne(day: number, series: number, tag: string, costNano: number, tokens: number, requests: number): void {
    const sum = this.open(day, series, tag)
    if (sum === null) return
    sum.costNano += costNano
    sum.tokens += tokens
    sum.requests += requests
  }

  /** All sums of the days from one on. */
  *list(from: number): Generator<readonly [day: number, sum: TagSum]> {
    for (const [day, sums] of this.days) {
      if (day < from) continue
      for (const sum of sums.values()) yield [day, sum]
    }
  }

  clear(): void {
    this.days.clear()
    this.count = 0
  }

  private open(day: number, series: number, tag: string): TagSum | null {
    let sums = this.days.get(day)
    if (sums === undefined) {
      if (this.days.size >= MOST_DAYS) {
        const oldest = Math.min(...this.days.keys())
        if (day < oldest) return null
        this.count -= this.days.get(oldest)?.size ?? 0
        this.days.delete(oldest)
      }
      sums = new Map()
      this.days.set(day, sums)
    }
    const known = sums.get(`${series} ${tag}`)
    if (known !== undefined) return known
    // There are as many more at most as there are days and series.
    const name = this.count < this.max ? tag : OTHER
    const id = `${series} ${name}`
    let sum = sums.get(id)
    if (sum === undefined) {
      sum = { series, tag: name, costNano: 0, tokens: 0, requests: 0 }
      sums.set(id, sum)
      this.count++
    }
    return sum
  }
}
