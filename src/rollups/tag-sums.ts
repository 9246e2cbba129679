import type { Calendar } from './calendar.js'
import { OTHER } from './shapes.js'

/** What requests with one tag cost, of one series. */
export interface TagSum {
  readonly series: number
  readonly tag: string
  costNano: number
  tokens: number
  requests: number
}

/**
 * Sums of money by tag: of today, of yesterday, as clocks go back at times, and of the days of this month before it
 * together. Sums of each day of a month would leave no room for the tags of more than a few teams.
 */
export class TagSums {
  /** Number of sums. */
  count: number
  private readonly max: number
  private readonly calendar: Calendar
  private readonly now: () => number
  /** By the start of the day, or of the month, and there by series and tag. */
  private readonly periods: Map<number, Map<string, TagSum>>
  private today: number
  private yesterday: number
  private month: number

  /** @param max sums; beyond it, tags are `OTHER` @param now epoch milliseconds */
  constructor(max: number, calendar: Calendar, now: () => number) {
    this.count = 0
    this.max = max
    this.calendar = calendar
    this.now = now
    this.periods = new Map()
    this.today = Number.NEGATIVE_INFINITY
    this.yesterday = Number.NEGATIVE_INFINITY
    this.month = Number.NEGATIVE_INFINITY
  }

  /** @param at when the requests arrived @param tags `project=a,ticket=b` */
  add(at: number, series: number, tags: string, costNano: number, tokens: number, requests: number): void {
    for (const tag of tags.split(',')) this.addOne(at, series, tag, costNano, tokens, requests)
  }

  addOne(at: number, series: number, tag: string, costNano: number, tokens: number, requests: number): void {
    this.turn()
    const start = at >= this.yesterday ? this.calendar.startOfDay(at) : this.month
    // Of an earlier month nothing is shown.
    if (at < start) return
    this.addTo(start, series, tag, costNano, tokens, requests)
  }

  /** The sums of the days and of the month that began at a moment or later. */
  *list(from: number): Generator<readonly [start: number, sum: TagSum]> {
    for (const [start, sums] of this.periods) {
      if (start < from) continue
      for (const sum of sums.values()) yield [start, sum]
    }
  }

  clear(): void {
    this.periods.clear()
    this.count = 0
  }

  private addTo(
    start: number,
    series: number,
    tag: string,
    costNano: number,
    tokens: number,
    requests: number,
  ): void {
    let sums = this.periods.get(start)
    if (sums === undefined) {
      sums = new Map()
      this.periods.set(start, sums)
    }
    let sum = sums.get(`${series} ${tag}`)
    if (sum === undefined) {
      // There are as many more at most as there are periods and series.
      const name = this.count < this.max ? tag : OTHER
      const id = `${series} ${name}`
      sum = sums.get(id)
      if (sum === undefined) {
        sum = { series, tag: name, costNano: 0, tokens: 0, requests: 0 }
        sums.set(id, sum)
        this.count++
      }
    }
    sum.costNano += costNano
    sum.tokens += tokens
    sum.requests += requests
  }

  /** Looks which day it is. What a day before yesterday had is the month's, or nobody's. */
  private turn(): void {
    const at = this.now()
    const today = this.calendar.startOfDay(at)
    if (today === this.today) return
    const isLater = today > this.today
    this.today = today
    this.yesterday = this.calendar.startOfDay(today - 1)
    this.month = this.calendar.monthOf(at).from
    if (!isLater) return
    for (const [start, sums] of [...this.periods]) {
      if (start >= this.yesterday || start === this.month) continue
      this.periods.delete(start)
      this.count -= sums.size
      if (start < this.month) continue
      for (const { series, tag, costNano, tokens, requests } of sums.values())
        this.addTo(this.month, series, tag, costNano, tokens, requests)
    }
  }
}
